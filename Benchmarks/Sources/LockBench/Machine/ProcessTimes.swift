import Foundation

/// The processor time of the benchmark itself: of this process, the children that have ended, and the server.
enum ProcessTimes {
    static func used(server: Int32?) -> Double {
        ownAndChildren() + (server.map(serverTime) ?? 0)
    }

    // RUSAGE_SELF and RUSAGE_CHILDREN. The numbers are the same on all systems, but their types differ.
    private static let thisProcess: Int32 = 0
    private static let endedChildren: Int32 = -1

    private static func ownAndChildren() -> Double {
        var own = rusage()
        var children = rusage()
        guard getrusage(thisProcess, &own) == 0, getrusage(endedChildren, &children) == 0 else { return 0 }
        return [own.ru_utime, own.ru_stime, children.ru_utime, children.ru_stime].reduce(0) { $0 + $1.inSeconds }
    }

    /// The time of the main process, which includes the sessions that have ended, and of the sessions that run.
    private static func serverTime(_ postmaster: Int32) -> Double {
        var sum = times(of: postmaster)?.withEnded ?? 0
        let children = ProcFile.text("/proc/\(postmaster)/task/\(postmaster)/children") ?? ""
        for child in children.split(separator: " ").compactMap({ Int32($0) }) {
            sum += times(of: child)?.own ?? 0
        }
        return sum
    }

    private static func times(of process: Int32) -> (own: Double, withEnded: Double)? {
        // The second field is the name in parentheses, which may contain any characters.
        guard let text = ProcFile.text("/proc/\(process)/stat"), let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[end...].split(separator: " ").dropFirst().compactMap { Double($0) ?? 0 }
        guard fields.count > 14 else { return nil }
        // utime, stime, cutime and cstime are the fields 14 to 17; `fields` begins with the third.
        let own = (fields[11] + fields[12]) / ProcFile.ticksPerSecond
        return (own, own + (fields[13] + fields[14]) / ProcFile.ticksPerSecond)
    }
}

extension timeval {
    fileprivate var inSeconds: Double { Double(tv_sec) + Double(tv_usec) / 1e6 }
}
