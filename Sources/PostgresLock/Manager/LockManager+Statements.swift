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
        if state.borrower == .transaction, state.savepoints.isWanted(before: sql) { await setSavepoint(in: state) }
        if state.borrower == .session { try await prepareForBorrower(state) }
        if sql.contains(lowercased: "deferrable") { state.mayDefer = true }
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
        case let tag? where !isOver:
            // A rollback is one to a savepoint, or the transaction is chained to another one.
            if tag == "ROLLBACK" { isOver = try await !isHeldAfterRollback(on: state) }
            if !isOver, state.savepoints.note(sql, tag: tag) { await setSavepoint(in: state) }
        case .some:
            break
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

    /// Sets a savepoint of ours, so that a statement that fails behind it leaves alone what was locked before.
    private func setSavepoint(in state: LentConnection) async {
        let (replies, _) = await settle([LockStatements.command("SAVEPOINT \(Savepoints.base)")], on: state)
        if replies.first?.error == nil, state.transaction == .open {
            state.savepoints.noteSet()
        } else {
            noteAbort(of: state)
        }
    }

    /// Looks which further locks a rollback has taken along.
    ///
    /// - Returns: Whether the lock that the transaction was begun with is still there, if there was one.
    private func isHeldAfterRollback(on state: LentConnection) async throws -> Bool {
        let further = state.holdings.map { (key: $0.key, mode: $0.value.mode) }.sorted { $0.key.advisory < $1.key.advisory }
        let locks = (state.lease.map { [(key: $0.key, mode: $0.mode)] } ?? []) + further
        let statements = locks.map { Statement(ConnectionLockStatements($0.key.advisory, $0.mode, .transaction).isHeld, shape: .rows) }
        let answers = statements.isEmpty ? [] : await settle(statements, on: state).replies.map { $0.result?.boolean() }
        guard answers.count == locks.count else { return true }
        for (lock, answer) in zip(further, answers.suffix(further.count)) where answer == false { state.letGo(lock.key) }
        return state.lease == nil || answers[0] != false
    }

    /// A `ConnectionLock` on a transaction has taken its lock.
    func noteLock(_ key: LockKey, _ mode: LockMode, of transaction: LockTransaction) {
        guard let state = try? borrowed(transaction.loan) else { return }
        state.hold(key, mode)
        // Another task's statement may have failed since.
        noteAbort(of: state)
    }

    /// An error has released what the transaction had locked since the latest savepoint that is certain, long before the rollback.
    func noteAbort(of state: LentConnection, cause: (any Error)? = nil) {
        guard state.borrower == .transaction, state.transaction == .aborted, lent[state.id] === state else { return }
        let isAll = !state.savepoints.isBaseSet
        let keys = isAll ? state.heldKeys : state.savepoints.exposed.sorted { $0.advisory < $1.advisory }
        guard isAll || !keys.isEmpty else { return }
        state.isAborted = true
        if isAll, let lease = state.lease { drive { $0.transactionReleased(lease.id, now: $1) } }
        guard let key = keys.first else { return }
        if !isAll { for key in keys { state.letGo(key) } }
        let loss = LockError(
            .lockLost,
            isAll
                ? """
                The lock \(key) in \(place) was released by PostgreSQL, since a statement of its transaction has failed, which can only be \
                rolled back now. Others may hold the lock: stop. A savepoint before a statement that may fail keeps the lock.
                """
                : """
                A statement of the transaction has failed, which releases at once what was locked since the latest savepoint: in \(place) \
                \(keys.listed). Others may hold that: stop. A savepoint between a lock and a statement that may fail keeps the lock.
                """,
            sqlState: (cause as? LockError)?.sqlState,
            keys: keys,
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
