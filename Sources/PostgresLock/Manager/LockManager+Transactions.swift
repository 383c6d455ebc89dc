import LibPQ
import LockCore

extension LockManager {
    /// Runs the body in a transaction, which holds a lock from its beginning to its end.
    ///
    /// The transaction is committed when the body returns, and rolled back when it throws. Its lock ends with it, never
    /// before: that is what guards the transaction's own writes best. The transaction has a connection of its own; while
    /// the pool has none to spare, the call waits.
    ///
    /// Cancelling the calling task ends the wait at once, or cancels the body, and what it runs on the server. A commit
    /// that has begun is not cancelled.
    ///
    /// - Parameters:
    ///   - key: What to lock; `nil` locks nothing at first.
    ///   - mode: Alone, or together with other shared holders.
    ///   - timeout: How long to wait for the lock and for a connection, all together; `nil` as for
    ///     ``withLock(_:mode:timeout:isolation:_:)``.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets the transaction. Runs as the body of ``withLock(_:mode:timeout:isolation:_:)`` does.
    /// - Returns: What the body returns, once the commit has been confirmed.
    /// - Throws: What the body throws; `CancellationError`; ``LockError``, among others with the code
    ///   ``LockError/Code/commitOutcomeUnknown`` if the connection went away during the commit: look at the data before
    ///   doing it again.
    @discardableResult
    public func withTransaction<Result>(
        locking key: LockKey? = nil,
        mode: LockMode = .exclusive,
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (LockTransaction) async throws -> Result
    ) async throws -> Result {
        let transaction = try await begin(key, mode, timeout)
        let result: Result
        do {
            result = try await ScopedBody.run(
                view: transaction,
                leases: [transaction.ending],
                isolation: isolation,
                enclosing: { [manager = ObjectIdentifier(self)] in
                    [EnclosingLock(manager: manager, state: transaction.ending, isTransaction: true, task: .current)]
                },
                body
            )
        } catch {
            await rollBack(transaction)
            if let loss = transaction.ending.loss { throw loss.caused(by: error) }
            throw error
        }
        try await commit(transaction)
        return result
    }

    // MARK: Beginning

    private func begin(_ key: LockKey?, _ mode: LockMode, _ timeout: Duration?) async throws -> LockTransaction {
        try Task.checkCancellation()
        if let key { _ = try check(key, mode, timeout: timeout) }
        if let timeout, timeout < .zero {
            throw LockError(.invalidArgument, "The timeout of the transaction is negative (\(timeout)).")
        }
        let isTry = timeout == .zero && key != nil
        let limit = isTry ? nil : timeout ?? (EnclosingLock.all.isEmpty ? nil : configuration.timeouts.nested)
        let deadline = limit.map { now.advanced(by: $0) }
        let lease = try await takeTurn(key, mode, limit, deadline, isTry: isTry)
        do {
            let outcome = await callFromInside { $0.lend($1, deadline: deadline, now: $2) }
            guard case .lent(let connection) = outcome else {
                throw error(for: outcome, keys: key.map { [$0] } ?? [], limit: limit, isNested: timeout == nil)
            }
            let state = TransactionState(connection: connection, lease: lease)
            transactions[connection] = state
            try await open(state, key, mode, limit, deadline, isTry: isTry, isNested: timeout == nil)
            return LockTransaction(manager: self, state: state)
        } catch {
            await endTurn(lease)
            throw error
        }
    }

    /// Waits in memory, without a connection, until nobody else in this process stands before.
    private func takeTurn(
        _ key: LockKey?,
        _ mode: LockMode,
        _ limit: Duration?,
        _ deadline: Instant?,
        isTry: Bool
    ) async throws -> LeaseState? {
        guard let key else { return nil }
        let lease = LeaseState(key: key, mode: mode)
        let request = LockTable.Request(key.advisory, mode.core, scope: .transaction, isTry: isTry)
        let outcome = await callFromInside(lease) { $0.acquire($1, request, deadline: deadline, now: $2) }
        switch outcome {
        case .granted: return lease
        case .refused: throw taken(key)
        default: throw error(for: outcome, keys: [key], limit: limit)
        }
    }

    private func taken(_ key: LockKey) -> LockError {
        LockError(
            .timedOut,
            "The lock \(key) in \(place) is taken, and a timeout of zero does not wait.",
            keys: [key]
        )
    }

    private func endTurn(_ lease: LeaseState?) async {
        guard let lease else { return }
        lease.end(nil)
        _ = await callFromInside(lease, isCancellable: false) { $0.release($1, now: $2) }
    }

    private func open(
        _ state: TransactionState,
        _ key: LockKey?,
        _ mode: LockMode,
        _ limit: Duration?,
        _ deadline: Instant?,
        isTry: Bool,
        isNested: Bool
    ) async throws {
        var statements = [LockStatements.command("BEGIN")]
        if let key { statements.append(LockStatements.transactionLock(for: key.advisory, mode.core, isTry: isTry)) }
        let keys = key.map { [$0] } ?? []
        do {
            let replies = try await send(statements, on: state, deadline: deadline, limit: limit, keys: keys, isNested: isNested)
            if isTry, let key, replies.last?.booleans.first != true { throw taken(key) }
        } catch {
            await close(state, keeping: await isRolledBack(state))
            throw error
        }
    }

    // MARK: Statements

    /// Sends statements on a lent connection, and waits until all are answered.
    ///
    /// - Throws: The first failure among the replies, as far as there is one; `CancellationError` and timeouts if that is
    ///   what made them fail.
    @discardableResult
    private func send(
        _ statements: [Statement],
        on state: TransactionState,
        deadline: Instant? = nil,
        limit: Duration? = nil,
        keys: [LockKey] = [],
        isNested: Bool = false,
        isCancellable: Bool = true
    ) async throws -> [Reply] {
        let outcome = await callFromInside(isCancellable: isCancellable) { engine, id, now in
            begin(statements, id: id, on: state, deadline: deadline, engine: &engine, now: now)
        }
        guard case .settled(let cause) = outcome else { throw error(for: outcome, keys: keys, limit: limit) }
        let replies = state.takeReplies()
        if let failure = replies.lazy.compactMap(\.error).first {
            // Which of several reasons has struck is known only here: a deadline may come while something else fails.
            if let cause, failure.sqlState == "57014" {
                throw error(for: .settled(cause: cause), keys: keys, limit: limit, isNested: isNested)
            }
            throw LockError(Failure(failure), keys: keys, place: place)
        }
        return replies
    }

    private func begin(
        _ statements: [Statement],
        id: RequestID,
        on state: TransactionState,
        deadline: Instant?,
        engine: inout Engine,
        now: Instant
    ) {
        state.expect(statements.count)
        engine.beginStatement(id, on: state.connection, deadline: deadline, now: now)
        for statement in statements {
            connections[state.connection]?.submit(statement)
        }
    }

    func run(_ sql: String, _ parameters: [PostgresValue], in transaction: LockTransaction) async throws -> QueryResult {
        let state = try running(transaction)
        await state.waitForTurn(isolation: self)
        defer { state.endTurn() }
        try Task.checkCancellation()
        _ = try running(transaction)
        let statement = Statement(sql, parameters: parameters.map(\.parameter), shape: .rows)
        guard let result = try await send([statement], on: state).first?.result else {
            throw LockError(.statementFailed, "The statement is empty, or not one that returns.")
        }
        return result
    }

    func lock(
        _ key: LockKey,
        _ mode: LockMode,
        timeout: Duration?,
        isTry: Bool,
        in transaction: LockTransaction
    ) async throws -> Bool {
        // A further lock of this very transaction is no conflict: PostgreSQL gives a session again what it holds.
        if transaction.ending.key != key || transaction.lease == nil { _ = try check(key, mode, timeout: timeout) }
        let state = try running(transaction)
        await state.waitForTurn(isolation: self)
        defer { state.endTurn() }
        try Task.checkCancellation()
        _ = try running(transaction)
        let limit = isTry ? nil : timeout ?? configuration.timeouts.nested
        let statement = LockStatements.transactionLock(for: key.advisory, mode.core, isTry: isTry)
        do {
            // Nothing may be sent behind a wait that can be cancelled, so the savepoint's end goes out on its own.
            let replies = try await send(
                [LockStatements.command("SAVEPOINT pglock"), statement],
                on: state,
                deadline: limit.map { now.advanced(by: $0) },
                limit: limit,
                keys: [key],
                isNested: timeout == nil
            )
            try await send([LockStatements.command("RELEASE SAVEPOINT pglock")], on: state, isCancellable: false)
            return isTry ? replies.last?.booleans.first == true : true
        } catch {
            // Gives back the lock too, if the server had granted it in the moment of the cancellation. If this fails,
            // the transaction had failed before, and can only be rolled back as a whole.
            _ = try? await send(
                [
                    LockStatements.command("ROLLBACK TO SAVEPOINT pglock"),
                    LockStatements.command("RELEASE SAVEPOINT pglock"),
                ],
                on: state,
                isCancellable: false
            )
            throw error
        }
    }

    private func running(_ transaction: LockTransaction) throws -> TransactionState {
        if let loss = transaction.ending.loss { throw loss }
        guard transaction.ending.isHeld, let state = transactions[transaction.connection] else {
            throw LockError(
                .invalidArgument,
                "The transaction has ended. Use it only inside the body that it was made for."
            )
        }
        return state
    }

    // MARK: Ending

    private func commit(_ transaction: LockTransaction) async throws {
        let state: TransactionState
        do {
            state = try running(transaction)
        } catch {
            if transaction.lease != nil { await endTurn(transaction.ending) }
            throw error
        }
        await state.waitForTurn(isolation: self)
        defer { state.endTurn() }
        let outcome = await conclude(state, by: "COMMIT")
        let tag = state.takeReplies().first.map { $0.result?.commandTag ?? "" }
        await close(state, keeping: outcome == nil)
        await endTurn(state.lease)
        switch (tag, outcome) {
        case ("COMMIT", _):
            // Confirmed, whatever has become of the connection afterwards.
            return
        case ("ROLLBACK", _):
            throw LockError(
                .statementFailed,
                """
                The transaction was rolled back, not committed: one of its statements had failed, and that error was not \
                passed on by the body.
                """,
                sqlState: "25P02"
            )
        case (nil, let error?) where error.code == .connectionLost:
            throw LockError(
                .commitOutcomeUnknown,
                """
                The connection to \(place) was lost during COMMIT: the transaction may or may not have been committed. Look \
                at the data before doing it again. (\(error.message))
                """,
                sqlState: error.sqlState,
                keys: state.lease.map { [$0.key] } ?? [],
                underlying: error
            )
        case (_, let error?):
            throw error
        case (_, nil):
            throw LockError(.statementFailed, "The server answered COMMIT by \(tag ?? "nothing").")
        }
    }

    /// Ends the transaction and lets go of what its statements may have locked for the session.
    ///
    /// - Returns: Why the connection is not as good as new, if it is not.
    private func conclude(_ state: TransactionState, by command: String, deadline: Instant? = nil) async -> LockError? {
        let statements = [command, "SELECT pg_catalog.pg_advisory_unlock_all()"].map(LockStatements.command)
        let outcome = await callFromInside(isCancellable: false) { engine, id, now in
            begin(statements, id: id, on: state, deadline: deadline, engine: &engine, now: now)
        }
        guard case .settled = outcome else {
            return error(for: outcome, keys: [], limit: nil) as? LockError
        }
        return state.firstError.map { LockError(Failure($0), keys: [], place: place) }
    }

    private func rollBack(_ transaction: LockTransaction) async {
        guard let state = transactions[transaction.connection], state.ending === transaction.ending else {
            // The connection is gone, and the transaction with it.
            if transaction.lease != nil { await endTurn(transaction.ending) }
            return
        }
        await state.waitForTurn(isolation: self)
        defer { state.endTurn() }
        await close(state, keeping: await isRolledBack(state))
        await endTurn(state.lease)
    }

    /// Rolls back, and says whether the connection is certainly as good as new.
    private func isRolledBack(_ state: TransactionState) async -> Bool {
        await conclude(state, by: "ROLLBACK", deadline: now.advanced(by: configuration.timeouts.response)) == nil
    }

    private func close(_ state: TransactionState, keeping isClean: Bool) async {
        state.ending.end(nil)
        guard transactions.removeValue(forKey: state.connection) != nil else { return }
        drive { $0.giveBack(state.connection, isClean: isClean, now: $1) }
    }
}
