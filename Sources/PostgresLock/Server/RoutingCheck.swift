package import LibPQ

/// Refuses connections whose statements go to several servers: a proxy may send to a standby what it takes for reading, and a lock that is taken
/// there excludes nothing.
///
/// Such a proxy sends a string of statements, or what follows BEGIN, to the primary. So the other checks don't notice it.
package enum RoutingCheck {
    private static let backend = "SELECT pg_catalog.pg_backend_pid(), \(ServerIdentity.startedSQL)"

    /// Asks the same in two ways.
    package static func run(_ session: BlockingSession) throws(ConnectionFailure) {
        let result = try session.ask("\(backend), pg_catalog.current_setting('default_transaction_deferrable')")
        // Such a statement may wait.
        guard result.text(row: 0, column: 2) != "on" else { return }
        let alone = try session.askAlone(backend)
        let (process, other) = (result.text(row: 0, column: 0), alone.text(row: 0, column: 0))
        let (start, otherStart) = (result.text(row: 0, column: 1), alone.text(row: 0, column: 1))
        guard process == other, start == otherStart else { throw .severalBackends(process, start, other, otherStart) }
    }

    /// - Parameter process: The session's process that answered a statement which was sent alone.
    static func check(_ process: String?, _ session: BlockingSession) throws(ConnectionFailure) {
        guard process != "\(session.raw.session.processID)" else { return }
        throw .severalBackends("\(session.raw.session.processID)", nil, process, nil)
    }
}

extension ConnectionFailure {
    fileprivate static func severalBackends(
        _ process: String?,
        _ start: String?,
        _ other: String?,
        _ otherStart: String?
    ) -> ConnectionFailure {
        let servers = start == otherStart ? "" : " (their servers were started at \(start ?? "?") and \(otherStart ?? "?") UTC)"
        return ConnectionFailure(
            .locksDoNotExclude,
            """
            Statements of one connection go to several sessions: process \(process ?? "?") of a server ran one, and process \(other ?? "?") \
            another\(servers). What lies between distributes statements, as load balancers do that send to standbys what they take for reading.
            """
        )
    }
}
