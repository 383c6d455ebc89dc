import LockCore

// What the body of a transaction or a session runs itself.
extension LockDriver {
    /// Runs the body's own SQL.
    ///
    /// - Parameter mayLock: Whether it may take locks, which are to be looked after.
    func run(
        _ sql: String,
        _ parameters: [PostgresValue],
        on access: SessionAccess,
        mayLock: Bool = false
    ) async throws -> any StatementRows {
        let body = BodyStatement(sql: sql, parameters: parameters)
        if let obstacle = body.obstacle { throw obstacle }
        let state = try await beginTurn(on: access)
        defer { state.endTurn() }
        let outcome = await carryOut(on: state, body: body) { $0.run(sql, mayLock: mayLock, now: $1) }
        // They may be many rows, and are not kept.
        defer { state.bodyResult = nil }
        guard case .done = outcome else { throw error(for: outcome, on: state) }
        guard let result = state.bodyResult else {
            throw LockError(.statementFailed, "The statement is empty, or not one that returns.")
        }
        return result
    }

    /// A `ConnectionLock` on a transaction has taken its lock.
    func noteLock(_ key: LockKey, _ mode: LockMode, of transaction: LockTransaction) {
        guard let state = try? borrowed(transaction.access) else { return }
        state.note(key)
        state.session.noteLock(key.advisory, mode.core)
        performEvents(of: state)
    }

    /// Has a transaction rolled back at its end, whatever its body makes of the error that was the reason for it.
    func markRollbackOnly(_ access: SessionAccess) throws {
        try borrowed(access).session.markRollbackOnly()
    }

    /// Ends the statement that the body runs, if it runs one.
    func cancelStatement(on access: SessionAccess) {
        guard let state = try? borrowed(access), let running = state.running else { return }
        cancel(running)
    }
}
