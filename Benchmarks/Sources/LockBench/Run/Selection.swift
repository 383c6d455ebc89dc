/// The rows that the user has chosen: all, or those that match a pattern.
///
/// A pattern is the name of a workload, or of a workload and a row with a slash between them. In both `*` stands for any characters.
struct Selection: Sendable {
    private let patterns: [String]

    init(_ patterns: [String] = []) {
        self.patterns = patterns
    }

    func includes(workload: String, row: String) -> Bool {
        patterns.isEmpty || patterns.contains { Self.matches($0, workload: workload, row: row) }
    }

    /// The patterns that match no row.
    func unmatched(in workloads: [Workload]) -> [String] {
        patterns.filter { pattern in
            !workloads.contains { workload in
                workload.contenders.contains { Self.matches(pattern, workload: workload.name, row: $0.id) }
            }
        }
    }

    private static func matches(_ pattern: String, workload: String, row: String) -> Bool {
        let parts = pattern.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard matches(parts[0], workload) else { return false }
        return parts.count == 1 || matches(parts[1], row)
    }

    private static func matches(_ pattern: Substring, _ name: String) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
        guard parts.count > 1, let first = parts.first, let last = parts.last else { return pattern == name }
        guard name.hasPrefix(first), name.hasSuffix(last), name.count >= first.count + last.count else { return false }
        var rest = name.dropFirst(first.count).dropLast(last.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let found = rest.firstRange(of: part) else { return false }
            rest = rest[found.upperBound...]
        }
        return true
    }
}
