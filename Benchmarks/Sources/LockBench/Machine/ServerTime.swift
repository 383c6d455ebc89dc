/// The processor time of a server: of its main process, and of the main process's children. PostgreSQL has a child for each session.
enum ServerTime {
    /// - Parameter server: The process id of the server's main process.
    /// - Returns: The time since its start; `nil` if it can't be read.
    static func used(by server: Int32) -> Double? {
        var children = children(of: server)
        // A child that ends meanwhile moves to the time of the ended children, and would be missed or counted twice.
        for _ in 0..<10 {
            guard let stat = ProcessStat(of: server), let own = ProcessorTime.of(server) else { return nil }
            let living = children.reduce(0) { $0 + (ProcessorTime.of($1) ?? 0) }
            let now = Self.children(of: server)
            if now == children { return own + stat.endedChildren + living }
            children = now
        }
        return nil
    }

    /// The living children of a process.
    static func children(of process: Int32) -> [Int32] {
        let list = ProcFile.text("/proc/\(process)/task/\(process)/children") ?? ""
        return list.split(separator: " ").compactMap { Int32($0) }
    }
}
