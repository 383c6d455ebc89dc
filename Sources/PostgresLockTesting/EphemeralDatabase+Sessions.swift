public import PostgresLock

extension EphemeralDatabase {
    /// Ends the sessions that hold a lock in this database, so that their holders lose it, as an administrator or a crash of the server does.
    ///
    /// A manager loses with it all that the same session holds: mostly all its locks, except for those that it had to wait for. When the call
    /// returns, the sessions have ended; the managers learn of it a moment later. A prepared transaction has no session, and keeps its locks.
    ///
    /// - Parameter key: The lock.
    /// - Returns: How many sessions were ended.
    /// - Throws: The errors of ``EphemeralPostgres/query(_:database:)``; `CancellationError` also while the sessions are ending.
    @discardableResult
    public func endSessions(holding key: LockKey) async throws -> Int {
        let (high, low, space) = key.advisory.shown
        let ended = try await query(
            """
            SELECT pid FROM (
                SELECT DISTINCT pid FROM pg_locks
                WHERE locktype = 'advisory' AND granted AND pid IS NOT NULL
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                    AND classid = \(high) AND objid = \(low) AND objsubid = \(space)
            ) AS holders WHERE pg_terminate_backend(pid)
            """
        )
        let processes = ended.compactMap { $0.first ?? nil }
        guard !processes.isEmpty else { return 0 }
        let list = processes.joined(separator: ", ")
        while try await !query("SELECT pid FROM pg_stat_activity WHERE pid IN (\(list))").isEmpty {
            try await Task.sleep(for: .milliseconds(10))
        }
        return processes.count
    }
}
