import CLibPQ

/// What is asked and set on a fresh session before it is used. Blocks.
struct SessionSetup {
    let raw: RawConnection
    let oldestServer: Int32
    let settings: SessionSettings
    /// Waits until the socket can be read or written.
    let wait: (_ socket: Int32, _ forWriting: Bool) throws(ConnectionFailure) -> Void

    func run() throws(ConnectionFailure) {
        try learn()
        try applySettings()
    }

    private func learn() throws(ConnectionFailure) {
        let version = PQserverVersion(raw.pointer)
        guard version >= oldestServer else {
            throw ConnectionFailure(
                .serverTooOld,
                "The server's version is \(version / 10_000); the oldest that is supported is \(oldestServer / 10_000)."
            )
        }
        let result = try query(
            """
            SELECT pg_catalog.pg_backend_pid(), pg_catalog.encode(pg_catalog.timestamptz_send(a.backend_start), 'hex'),
                pg_catalog.current_database(), pg_catalog.current_setting('max_locks_per_transaction', true),
                pg_catalog.current_setting('max_connections', true), pg_catalog.current_setting('max_prepared_transactions', true)
            FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a
            """
        )
        guard result.rowCount == 1, let pid = result.text(row: 0, column: 0).flatMap({ Int32($0) }),
            let start = result.text(row: 0, column: 1).flatMap({ Int64($0, radix: 16) }),
            let database = result.text(row: 0, column: 2)
        else { throw ConnectionFailure(.refused, "The server does not tell what it knows of its own session.") }
        raw.session = RawConnection.Session(
            processID: pid,
            backendStart: start,
            serverVersion: version,
            database: database,
            user: PQuser(raw.pointer).map { String(cString: $0) } ?? "",
            host: PQhost(raw.pointer).map { String(cString: $0) } ?? "",
            lockTableSize: lockTableSize(result)
        )
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

    private func applySettings() throws(ConnectionFailure) {
        _ = try query(settings.timeouts)
        do throws(ConnectionFailure) {
            _ = try query(SessionSettings.clientCheck)
        } catch  where error.kind == .refused {
            return
        }
    }

    private func query(_ sql: String) throws(ConnectionFailure) -> QueryResult {
        let pointer = raw.pointer
        guard PQsendQuery(pointer, sql) == 1 else { throw lost() }
        var last: QueryResult?
        var failure: ServerError?
        while true {
            while PQflush(pointer) == 1 { try wait(PQsocket(pointer), true) }
            while PQisBusy(pointer) == 1 {
                try wait(PQsocket(pointer), false)
                guard PQconsumeInput(pointer) == 1 else { throw lost() }
            }
            guard let result = PQgetResult(pointer) else { break }
            if PQresultStatus(result) == PGRES_TUPLES_OK {
                last = QueryResult(adopting: result)
            } else {
                failure = ServerError(result: result)
                PQclear(result)
            }
        }
        if let failure {
            guard !failure.endsSession else {
                throw ConnectionFailure(.unreachable, failure.message, sqlState: failure.sqlState)
            }
            throw ConnectionFailure(.refused, failure.message, sqlState: failure.sqlState)
        }
        guard let last else { throw lost() }
        return last
    }

    private func lost() -> ConnectionFailure {
        ConnectionFailure(.unreachable, String(cString: PQerrorMessage(raw.pointer)).trimmingNewlines)
    }
}
