import Chaos
import Foundation

/// What a run has measured and found, over all modes.
struct FailoverReport {
    let results: [FailoverRun.Result]

    var violations: [String] { results.flatMap(\.violations) }
    var summary: String { results.flatMap(\.summaries).joined(separator: "\n") }

    /// A row for each fault and mode.
    var table: String {
        let header = [
            "fault", "mode", "count", "promoted after", "first lock after", "all lock after", "overlap of two servers",
            "old server believed in",
            "refused writes", "beyond timeout", "release",
        ]
        var rows = [header, header.map { _ in "---" }]
        for kind in FailoverFault.Kind.allCases {
            for result in results {
                let found = result.measures.filter { $0.record.kind == kind }
                guard !found.isEmpty else { continue }
                rows.append([
                    kind.rawValue, result.mode, "\(found.count)",
                    Self.range(found.map { measure in measure.record.promoted.map { $0 - measure.record.begun } }),
                    Self.range(found.map(\.firstGrant)), Self.range(found.map(\.allGranted)),
                    "\(found.reduce(0) { $0 + $1.overlaps }), \(Self.seconds(found.map(\.longestOverlap).max() ?? 0))",
                    Self.seconds(found.map(\.longestBelief).max() ?? 0), "\(found.reduce(0) { $0 + $1.refusedWrites })",
                    Self.seconds(found.map(\.longestOvershoot).max() ?? 0), Self.seconds(found.map(\.longestRelease).max() ?? 0),
                ])
            }
        }
        let count = results.reduce(0) { $0 + $1.measures.count }
        return rows.map { "| \($0.joined(separator: " | ")) |" }.joined(separator: "\n") + "\n\(count) faults"
    }

    func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return try encoder.encode(Dictionary(uniqueKeysWithValues: results.map { ($0.mode, $0.measures) }))
    }

    static func line(_ measure: FailoverMeasures) -> String {
        let record = measure.record
        return """
            \(record.kind): promoted \(range([record.promoted.map { $0 - record.begun }])), locks again \(range([measure.firstGrant])), all \
            \(range([measure.allGranted])); \(measure.overlaps) overlaps of two servers, \(seconds(measure.longestOverlap)) at most; old server believed in for \
            \(seconds(measure.longestBelief)); \(measure.refusedWrites) writes refused; beyond timeouts \(seconds(measure.longestOvershoot)); \
            release \(seconds(measure.longestRelease))
            """
    }

    static func seconds(_ nanoseconds: Int64) -> String { String(format: "%.1f s", Double(nanoseconds) / 1e9) }

    /// The smallest and the greatest, and how many are unknown.
    private static func range(_ values: [Int64?]) -> String {
        let known = values.compactMap(\.self).sorted()
        guard let first = known.first, let last = known.last else { return "–" }
        let text = seconds(first) == seconds(last) ? seconds(first) : "\(seconds(first)) to \(seconds(last))"
        return known.count == values.count ? text : "\(text) (\(values.count - known.count) never)"
    }
}
