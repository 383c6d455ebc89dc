import Foundation

/// The processor cores that a run uses.
struct Cores: Codable, Sendable {
    /// How many.
    let used: Int
    /// How many this program was given.
    let available: Int
    /// Their numbers; empty if nothing was restricted.
    let numbers: [Int]

    var text: String {
        guard !numbers.isEmpty else { return "\(used) core\(used == 1 ? "" : "s")" }
        let list = numbers.map(String.init).joined(separator: ", ")
        return "\(available) cores, of which the server and all clients share \(used) (number \(list))"
    }

    /// Restricts this process and everything that it starts from now on, if there are more cores than that and the
    /// system can do it: Linux, by the program `taskset`.
    static func restrict(to count: Int) async -> Cores {
        let available = allowed
        if count > 0, available.count > count {
            let chosen = choose(count, of: available, siblings: siblings)
            let list = chosen.map(String.init).joined(separator: ",")
            // The setting belongs to threads, and is inherited by what they start: so all that there are get it.
            let arguments = ["--all-tasks", "--cpu-list", "--pid", list, "\(ProcessInfo.processInfo.processIdentifier)"]
            if (try? await Child.run("taskset", arguments)) != nil {
                return Cores(used: count, available: available.count, numbers: chosen)
            }
        }
        let number = ProcessInfo.processInfo.activeProcessorCount
        return Cores(used: number, available: number, numbers: [])
    }

    /// Prefers those that don't share their execution units with one that was chosen before.
    static func choose(_ count: Int, of available: [Int], siblings: (Int) -> String) -> [Int] {
        var seen: Set<String> = []
        let first = available.filter { seen.insert(siblings($0)).inserted }
        let rest = available.filter { !first.contains($0) }
        return (first + rest).prefix(count).sorted()
    }

    /// What `/sys` calls the hardware threads of the same core; the number itself, where it does not tell.
    private static func siblings(_ number: Int) -> String {
        ProcFile.text("/sys/devices/system/cpu/cpu\(number)/topology/thread_siblings_list") ?? "\(number)"
    }

    /// The cores on which this process may run; none on systems that don't tell.
    private static var allowed: [Int] {
        let line = ProcFile.text("/proc/self/status")?.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
        return line?.split(separator: ":").last.map(numbers) ?? []
    }

    /// Reads "0-2,5" as 0, 1, 2 and 5.
    static func numbers(_ list: some StringProtocol) -> [Int] {
        list.split(separator: ",").flatMap { part -> [Int] in
            let ends = part.split(separator: "-").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
            guard let first = ends.first, let last = ends.last, first <= last else { return [] }
            return Array(first...last)
        }
    }
}
