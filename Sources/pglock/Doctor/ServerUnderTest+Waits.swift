import LibPQ

// Whether a wait for a lock can be ended.
extension ServerUnderTest {
    /// The library ends waits by `pg_cancel_backend` from another session, and statements of bodies also by a cancel request of the protocol.
    func cancelling() throws(ConnectionFailure) -> Finding {
        let key = Int64.random(in: .min ... .max)
        let waiter = try another()
        let process = try waiter.values("SELECT pg_catalog.pg_backend_pid()")[0] ?? "0"
        guard try values("SELECT pg_catalog.pg_try_advisory_lock(\(key))") == ["t"] else {
            throw ConnectionFailure(.locksDoNotExclude, "A lock that was free was not granted.")
        }
        let byFunction = try isEnded(waiter, key) { () throws(ConnectionFailure) in
            _ = try ask(
                """
                SELECT pg_catalog.pg_cancel_backend(a.pid) FROM pg_catalog.pg_stat_get_activity(\(process)) a
                WHERE a.wait_event_type OPERATOR(pg_catalog.=) 'Lock'
                """
            )
        }
        var byRequest: Bool?
        if byFunction { byRequest = try isEnded(waiter, key) { waiter.session.sendCancelRequest() } }
        _ = try ask("SELECT pg_catalog.pg_advisory_unlock(\(key))")
        // A wait that could not be ended has got the lock now, and its session may stay open in a pooler.
        _ = try? waiter.session.receive()
        _ = try? waiter.ask("SELECT pg_catalog.pg_advisory_unlock_all()")
        guard byFunction else {
            return Finding(
                .cancelling,
                .warning,
                "A wait for a lock could not be ended from another session (pg_cancel_backend).",
                advice: "Waits that are cancelled, or come to their deadline, last on until the lock is free or the session is closed."
            )
        }
        guard byRequest == true else {
            return Finding(
                .cancelling,
                .warning,
                "A wait for a lock can be ended by pg_cancel_backend, but a cancel request of the protocol does not reach it.",
                advice: "Statements in transactions and sessions, if they are cancelled, end with their connection."
            )
        }
        return Finding(.cancelling, .ok, "a wait for a lock can be ended, by pg_cancel_backend and by a cancel request")
    }

    /// Whether a session's wait for a lock ends by repeated cancel requests. A request that comes before the wait has begun is lost.
    private func isEnded(
        _ waiter: ServerUnderTest,
        _ key: Int64,
        by cancel: () throws(ConnectionFailure) -> Void
    ) throws(ConnectionFailure) -> Bool {
        let session = waiter.session
        try session.send("SET LOCAL lock_timeout = 0; SELECT pg_catalog.pg_advisory_lock(\(key))")
        for _ in 0..<20 {
            try cancel()
            guard try session.hasAnswer(within: .milliseconds(100)) else { continue }
            do throws(ConnectionFailure) {
                _ = try session.receive()
            } catch {
                return error.sqlState == "57014"
            }
            return false
        }
        return false
    }
}
