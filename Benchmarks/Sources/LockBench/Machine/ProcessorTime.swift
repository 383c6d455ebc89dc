import Foundation

/// Processor time, in seconds.
enum ProcessorTime {
    // RUSAGE_SELF and RUSAGE_CHILDREN. The numbers are the same on all systems, but their types differ.
    private static let thisProcess: Int32 = 0
    private static let childProcesses: Int32 = -1

    /// The time of this process.
    static func own() -> Double { used(by: thisProcess) }

    /// The time of the children of this process that have ended and whose status was collected, and of their own ended children.
    static func endedChildren() -> Double { used(by: childProcesses) }

    /// The time of a process; `nil` if there is no such process, and on systems without `/proc`.
    static func of(_ process: Int32) -> Double? {
        guard let stat = ProcessStat(of: process) else { return nil }
        return precise(process, threads: stat.threads) ?? stat.own
    }

    /// The scheduler's sum for all threads, in nanoseconds, which kernels can be built without. It lacks the threads that have ended;
    /// the measured servers keep theirs.
    private static func precise(_ process: Int32, threads: Int) -> Double? {
        guard threads > 1 else { return schedulerTime("/proc/\(process)/schedstat") }
        let folder = "/proc/\(process)/task"
        guard let threads = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return nil }
        let times = threads.compactMap { schedulerTime("\(folder)/\($0)/schedstat") }
        return times.isEmpty ? nil : times.reduce(0, +)
    }

    private static func schedulerTime(_ path: String) -> Double? {
        ProcFile.text(path).flatMap(schedulerTime(parsing:))
    }

    /// Parses a file `schedstat`: the time on a processor and the time in its queue, in nanoseconds, and a count.
    static func schedulerTime(parsing text: String) -> Double? {
        let fields = text.split(whereSeparator: \.isWhitespace)
        guard fields.count == 3, let nanoseconds = Double(fields[0]) else { return nil }
        return nanoseconds / 1e9
    }

    private static func used(by whom: Int32) -> Double {
        var usage = rusage()
        guard getrusage(whom, &usage) == 0 else { return 0 }
        return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
    }
}
