import LibPQ

/// What is asked and set on a fresh session before it is used. Blocks.
struct SessionSetup {
    let session: BlockingSession
    let oldestServer: Int32

    /// Asks who the session is, and whether the server takes writes: locks of a standby are its own.
    ///
    /// When a session has begun is for the role to see that has logged in, which another one may have taken the place of (`ALTER
    /// ROLE … SET role`). So that one asks, for the length of this statement.
    func learn() throws(ConnectionFailure) {
        let raw = session.raw
        let version = Int32(session.serverVersion)
        guard version >= oldestServer else {
            throw ConnectionFailure(
                .serverTooOld,
                "The server's version is \(version / 10_000); the oldest that is supported is \(oldestServer / 10_000)."
            )
        }
        let result = try session.ask(
            """
            SELECT pg_catalog.pg_backend_pid(), pg_catalog.encode(pg_catalog.timestamptz_send(a.backend_start), 'hex'),
                pg_catalog.current_database(), pg_catalog.current_setting('max_locks_per_transaction', true),
                pg_catalog.current_setting('max_connections', true), pg_catalog.current_setting('max_prepared_transactions', true),
                pg_catalog.pg_is_in_recovery()
            FROM (SELECT pg_catalog.set_config('role', 'none', true) AS role OFFSET 0) s,
                pg_catalog.pg_stat_get_activity(CASE WHEN s.role IS NOT NULL THEN pg_catalog.pg_backend_pid() END) a
            """
        )
        guard result.rowCount == 1, let pid = result.text(row: 0, column: 0).flatMap({ Int32($0) }),
            let start = result.text(row: 0, column: 1).flatMap({ Int64($0, radix: 16) }),
            let database = result.text(row: 0, column: 2)
        else { throw ConnectionFailure(.refused, "The server does not tell what it knows of its own session.") }
        guard result.text(row: 0, column: 6) == "f" else {
            throw ConnectionFailure(.standby, "The server is a standby (pg_is_in_recovery): its locks are not those of the primary.")
        }
        let hostNames = raw.session.hostNames
        raw.session = RawConnection.Session(
            processID: pid,
            backendStart: start,
            serverVersion: version,
            database: database,
            user: session.user,
            host: session.host,
            lockTableSize: lockTableSize(result)
        )
        raw.session.hostNames = hostNames
    }

    /// What PostgreSQL's documentation promises. The server adds something for its own processes, and some slack.
    private func lockTableSize(_ result: QueryResult) -> Int? {
        guard let perTransaction = result.text(row: 0, column: 3).flatMap({ Int($0) }),
            let connections = result.text(row: 0, column: 4).flatMap({ Int($0) }),
            let prepared = result.text(row: 0, column: 5).flatMap({ Int($0) })
        else { return nil }
        // Three integers of 32 bits, of which the last two are far smaller.
        return perTransaction * (connections + prepared)
    }

    func apply(_ settings: SessionSettings) throws(ConnectionFailure) {
        if let takeOver = settings.takeOver {
            let result = try session.ask("\(settings.general); \(takeOver)")
            session.raw.session.roleSettings = SessionSettings.differences(result)
        } else {
            _ = try session.ask(settings.general)
        }
        do throws(ConnectionFailure) {
            _ = try session.ask(SessionSettings.clientCheck)
        } catch  where error.kind == .refused {
            return
        }
    }
}
