import Foundation

/// The processor cores that a run uses.
struct Cores: Codable, Sendable {
    /// The number of cores that are used.
    let used: Int
    /// The number of cores on which this program may run.
    let available: Int
    /// The numbers of the used cores; empty if they were not restricted.
    let numbers: [Int]

    var text: String {
        guard !numbers.isEmpty else { return "\(used) core\(used == 1 ? "" : "s")" }
        let list = numbers.map(String.init).joined(separator: ", ")
        return "\(available) cores, of which the server and all clients share \(used) (number \(list))"
    }

    /// The numbers of the cores that the run uses; empty if they are unknown.
    var list: [Int] { numbers.isEmpty ? Self.allowed : numbers }

    /// Restricts this process, and all processes that it starts from now on, to a number of cores. This needs Linux and the program
    /// `taskset`. If there are no more cores than that, nothing changes.
    static func restrict(to count: Int) async -> Cores {
        let available = allowed
        if count > 0, available.count > count {
            let chosen = choose(count, of: available, siblings: siblings)
            // The setting is one of threads, and inherited by the processes that they start. So all existing threads get it.
            if (try? await bind(ProcessInfo.processInfo.processIdentifier, to: chosen)) != nil {
                return Cores(used: count, available: available.count, numbers: chosen)
            }
        }
        let number = ProcessInfo.processInfo.activeProcessorCount
        return Cores(used: number, available: number, numbers: [])
    }

    /// Binds a server's main process and its children to these cores. Later children inherit that.
    static func bind(server: Int32, to cores: [Int]) async throws {
        try await bind(server, to: cores)
        // A child may have ended meanwhile.
        for child in ServerTime.children(of: server) { try? await bind(child, to: cores) }
    }

    private static func bind(_ process: Int32, to cores: [Int]) async throws {
        try await Child.run("taskset", ["--all-tasks", "--cpu-list", "--pid", text(of: cores), "\(process)"])
    }

    /// A list of cores as `taskset` takes it.
    static func text(of cores: [Int]) -> String {
        cores.map(String.init).joined(separator: ",")
    }

    /// Chooses cores, preferably hardware threads of different physical cores.
    static func choose(_ count: Int, of available: [Int], siblings: (Int) -> String) -> [Int] {
        var seen: Set<String> = []
        let first = available.filter { seen.insert(siblings($0)).inserted }
        let rest = available.filter { !first.contains($0) }
        return (first + rest).prefix(count).sorted()
    }

    /// The list in `/sys` of the hardware threads of the same physical core; the number itself if there is none.
    private static func siblings(_ number: Int) -> String {
        ProcFile.text("/sys/devices/system/cpu/cpu\(number)/topology/thread_siblings_list") ?? "\(number)"
    }

    /// The cores on which this process may run; empty on systems without `/proc`.
    private static var allowed: [Int] {
        let line = ProcFile.text("/proc/self/status")?.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
        return line?.split(separator: ":").last.map(numbers) ?? []
    }

    /// Parses a list of ranges: "0-2,5" is 0, 1, 2 and 5.
    static func numbers(_ list: some StringProtocol) -> [Int] {
        list.split(separator: ",").flatMap { part -> [Int] in
            let ends = part.split(separator: "-").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
            guard let first = ends.first, let last = ends.last, first <= last else { return [] }
            return Array(first...last)
        }
    }
}
