import LibPQ
import LockCore

// What borrowers of a connection run themselves, and what that does to their locks.
extension LockManager {
    /// Runs a borrower's own SQL.
    ///
    /// - Parameter mayLock: Whether it may take locks, which are to be looked after.
    func run(_ sql: String, _ parameters: [PostgresValue], on loan: Loan, mayLock: Bool = false) async throws -> QueryResult {
        let state = try await beginTurn(on: loan)
        defer { state.endTurn() }
        try requireHope(state)
        if Savepoints.mayBegin(by: sql) { await keepLocks(of: state) }
        let preparation = state.borrower == .session ? roleStatements(state) : []
        if !preparation.isEmpty, let failure = await settle(preparation, on: state).replies.first?.error {
            throw LockError(Failure(failure), keys: [], place: place)
        }
        state.hasRunSQL = true
        let statement = Statement(sql, parameters: parameters.map(\.parameter), shape: .rows)
        let replies: [Reply]
        do {
            replies = try await send([statement], on: state)
        } catch {
            try await requireTransaction(on: state, after: sql, nil, cause: error)
            throw error
        }
        try await requireTransaction(on: state, after: sql, replies.first?.result?.commandTag ?? "")
        if mayLock { drive { _ = $0.guardLent(state.id, now: $1) } }
        guard let result = replies.first?.result else {
            throw LockError(.statementFailed, "The statement is empty, or not one that returns.")
        }
        if loan.borrower == .session, ["BEGIN", "START TRANSACTION"].contains(result.commandTag) {
            // In a transaction that fails no lock could be released, or proved not to be held.
            _ = await settle([LockStatements.command("ROLLBACK")], on: state)
            throw LockError(
                .invalidArgument,
                """
                In a session each statement is a transaction of its own, so the one that was begun was rolled back. Use \
                withTransaction(locking:) for several statements in one.
                """
            )
        }
        return result
    }

    /// A transaction that its borrower has ended by SQL, or that has failed, has lost its locks, and has to know.
    ///
    /// - Parameter tag: Of the borrower's statement, if it has not failed.
    private func requireTransaction(
        on state: LentConnection,
        after sql: String,
        _ tag: String?,
        cause: (any Error)? = nil
    ) async throws {
        guard state.borrower == .transaction, lent[state.id] === state else { return }
        var isOver = state.transaction == .none
        switch tag {
        case "COMMIT", "PREPARE TRANSACTION":
            // Chained or not.
            isOver = true
        case "ROLLBACK" where !isOver:
            // Chained, or to a savepoint.
            isOver = try await !isHeldAfterRollback(on: state)
            state.savepoints.note(sql, tag: "ROLLBACK")
        case let tag?:
            state.savepoints.note(sql, tag: tag)
        case nil:
            noteAbort(of: state, cause: cause)
        }
        guard isOver, lent[state.id] === state else { return }
        giveUp(state, Failure(.connectionLost, "Its transaction was ended by SQL of its own, and its locks with it."))
        throw LockError(
            .invalidArgument,
            """
            The transaction was ended by SQL, and its locks with it. Leave that to withTransaction(locking:): it commits when the body \
            returns, and rolls back when the body throws.
            """,
            keys: state.heldKeys,
            underlying: cause
        )
    }

    /// Sets a savepoint below those of the transaction's body, so that a statement that fails behind one of them, or when they have
    /// been released, leaves the lock alone.
    private func keepLocks(of state: LentConnection) async {
        guard state.borrower == .transaction, !state.savepoints.isBaseSet else { return }
        let (replies, _) = await settle([LockStatements.command("SAVEPOINT \(Savepoints.base)")], on: state)
        if replies.first?.error == nil, state.transaction == .open { state.savepoints.noteBase() }
    }

    /// Looks which further locks a rollback has taken along.
    ///
    /// - Returns: Whether the lock that the transaction was begun with is still there, if there was one.
    private func isHeldAfterRollback(on state: LentConnection) async throws -> Bool {
        let further = state.holdings.keys.filter { $0 != state.lease?.key }.sorted { $0.advisory < $1.advisory }
        let locks = (state.lease.map { [($0.key, $0.mode)] } ?? []) + further.compactMap { key in state.modes[key].map { (key, $0) } }
        let statements = locks.map { key, mode in
            Statement(ConnectionLockStatements(key.advisory, mode, .transaction).isHeld, shape: .rows)
        }
        guard !statements.isEmpty else { return true }
        let (replies, _) = await settle(statements, on: state)
        let gone = zip(locks, replies).filter { $0.1.result?.boolean() == false }.map(\.0.0)
        for key in gone where key != state.lease?.key { state.letGo(key) }
        return state.lease.map { !gone.contains($0.key) } ?? true
    }

    /// An error has released what the transaction had locked, long before the rollback, unless a savepoint in between is certain.
    func noteAbort(of state: LentConnection, cause: (any Error)? = nil) {
        guard state.borrower == .transaction, state.transaction == .aborted, !state.savepoints.isBaseSet, lent[state.id] === state
        else { return }
        state.isAborted = true
        guard let key = state.lease?.key ?? state.heldKeys.first else { return }
        let loss = LockError(
            .lockLost,
            """
            The lock \(key) in \(place) was released by PostgreSQL, since a statement of its transaction has failed, which can only be rolled \
            back now. Others may hold the lock: stop. A savepoint before a statement that may fail keeps the lock.
            """,
            sqlState: (cause as? LockError)?.sqlState,
            keys: state.heldKeys,
            underlying: cause
        )
        LeaseState.end([(state.ending, loss)], isSuspicion: true)
    }

    /// Ends the statement that a borrower runs, if it runs one.
    func cancelStatement(on loan: Loan) {
        guard let state = try? borrowed(loan), let running = state.running else { return }
        cancel(running)
    }
}
