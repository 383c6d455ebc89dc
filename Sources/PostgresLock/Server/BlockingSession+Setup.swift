import LibPQ

// What a new session is asked, and what is set in it, before it is used.
extension BlockingSession {
    /// Asks for the identity of the session, and whether the server is a standby, whose locks the primary does not know.
    ///
    /// Only the role that has logged in sees when the session has begun, and `ALTER ROLE … SET role` may have put another one in its place. So the
    /// former is the role during this statement.
    ///
    /// - Returns: Whether statements of the role may wait for other sessions, because its transactions are deferrable by default.
    func learn(oldestServer: Int32) throws(ConnectionFailure) -> Bool {
        let version = Int32(serverVersion)
        guard version >= oldestServer else {
            throw ConnectionFailure(
                .serverTooOld,
                "The server's version is \(version / 10_000); the oldest that is supported is \(oldestServer / 10_000)."
            )
        }
        let result = try ask(
            """
            SELECT pg_catalog.pg_backend_pid(), pg_catalog.encode(pg_catalog.timestamptz_send(a.backend_start), 'hex'),
                pg_catalog.current_database(), pg_catalog.current_setting('max_locks_per_transaction', true),
                pg_catalog.current_setting('max_connections', true), pg_catalog.current_setting('max_prepared_transactions', true),
                pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('default_transaction_deferrable', true)
            FROM (SELECT pg_catalog.set_config('role', 'none', true) AS role OFFSET 0) s,
                pg_catalog.pg_stat_get_activity(CASE WHEN s.role IS NOT NULL THEN pg_catalog.pg_backend_pid() END) a
            """
        )
        guard result.rowCount == 1, let pid = result.text(row: 0, column: 0).flatMap({ Int32($0) }),
            let start = result.text(row: 0, column: 1).flatMap({ Int64($0, radix: 16) }),
            let database = result.text(row: 0, column: 2)
        else { throw ConnectionFailure(.refused, "The server does not say what it knows of its own session.") }
        guard result.text(row: 0, column: 6) == "f" else {
            throw ConnectionFailure(.standby, "The server is a standby (pg_is_in_recovery): its locks are not those of the primary.")
        }
        raw.session.processID = pid
        raw.session.backendStart = start
        raw.session.serverVersion = version
        raw.session.database = database
        raw.session.host = host
        raw.session.port = port
        raw.session.lockTableSize = lockTableSize(result)
        return result.text(row: 0, column: 7) == "on"
    }

    /// The size that PostgreSQL's documentation promises. The server adds some room for its own processes, and a reserve.
    private func lockTableSize(_ result: QueryResult) -> Int? {
        guard let perTransaction = result.text(row: 0, column: 3).flatMap({ Int($0) }),
            let connections = result.text(row: 0, column: 4).flatMap({ Int($0) }),
            let prepared = result.text(row: 0, column: 5).flatMap({ Int($0) })
        else { return nil }
        // Does not overflow: they are integers of 32 bits, of which the last two are far smaller.
        return perTransaction * (connections + prepared)
    }

    func apply(_ settings: SessionSettings) throws(ConnectionFailure) {
        // The server reports `search_path` from PostgreSQL 18 on.
        let ofClient = SessionSettings.ofClient.compactMap { name in reported(name).map { (name: name, value: $0) } }
        let result = try ask("\(settings.general); \(settings.takeOver(ofClient))")
        raw.session.roleSettings = settings.differences(result)
        raw.session.clientSettings = settings.lostByReset(result, ofClient)
        do throws(ConnectionFailure) {
            _ = try ask(SessionSettings.clientCheck)
        } catch  where error.kind == .refused {
            return
        }
    }
}
