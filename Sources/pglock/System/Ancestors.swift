import Foundation

/// The processes that this one descends from.
enum Ancestors {
    /// Whether this process or one of its ancestors has that number. A process whose parent has ended gets another parent, so a background
    /// process may have lost its first ancestors.
    static func include(_ process: pid_t) -> Bool {
        var next = getpid()
        while next > 0 {
            if next == process { return true }
            guard let parent = parent(of: next), parent != next else { return false }
            next = parent
        }
        return false
    }

    /// `nil` if the process has ended, or can't be seen.
    private static func parent(of process: pid_t) -> pid_t? {
        #if os(Linux)
            // "4711 (a name, with anything in it) S 42 …", as proc(5) says.
            guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .isoLatin1),
                let end = text.lastIndex(of: ")")
            else { return nil }
            let fields = text[text.index(after: end)...].split(separator: " ")
            return fields.count > 1 ? pid_t(fields[1]) : nil
        #else
            var info = kinfo_proc()
            var size = MemoryLayout<kinfo_proc>.stride
            var name = [CTL_KERN, KERN_PROC, KERN_PROC_PID, process]
            guard sysctl(&name, UInt32(name.count), &info, &size, nil, 0) == 0, size > 0 else { return nil }
            return info.kp_eproc.e_ppid
        #endif
    }
}
