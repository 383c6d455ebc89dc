import LibPQ
import LockCore

extension LockManager {
    /// Runs the body in a transaction, which holds a lock from its beginning to its end.
    ///
    /// The transaction is committed when the body returns, and rolled back when it throws. Its lock ends with it, never
    /// before: that is what guards the transaction's own writes best. A statement that fails, or is cancelled, ends both, unless the
    /// body has set a savepoint before: PostgreSQL releases the lock at once. Then the body is cancelled as upon a loss, and what it throws
    /// is thrown. The transaction has a connection of its own; while
    /// the pool has none to spare, the call waits.
    ///
    /// Cancelling the calling task ends the wait at once, or cancels the body, and what it runs on the server. A commit
    /// that has begun is not cancelled, but it is not waited for without limit either: see
    /// ``Configuration/Timeouts/commit``.
    ///
    /// The transaction has the isolation level that the role or the database has for default, `READ COMMITTED` unless they say
    /// otherwise. At a higher one the snapshot is older than the lock: what the last holder has changed is not seen, and to change
    /// it again fails (`40001`). Take the lock around the transaction then: ``withLock(_:mode:timeout:isolation:_:)``, with the
    /// transaction inside.
    ///
    /// The role's time limits for statements and transactions do not apply, since they would end waits: set one for your own by
    /// `SET LOCAL statement_timeout`.
    ///
    /// Nor do the role's settings for the form of values (the style of `DateStyle`, `IntervalStyle`, `bytea_output`,
    /// `extra_float_digits`), so that values can be decoded.
    ///
    /// What the body has set for the session (`SET`, temporary tables, `LISTEN`, …) does not outlast the transaction.
    ///
    /// - Parameters:
    ///   - key: What to lock; `nil` locks nothing at first.
    ///   - mode: Alone, or together with other shared holders.
    ///   - timeout: How long to wait for the lock and for a connection, all together. `.zero` waits for no other holder, of the
    ///     lock or of a connection, but for the server, up to ``Configuration/Timeouts/unreachable``. `nil` as for
    ///     ``withLock(_:mode:timeout:isolation:_:)``.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets the transaction. Runs as the body of ``withLock(_:mode:timeout:isolation:_:)`` does.
    /// - Returns: What the body returns, once the commit has been confirmed.
    /// - Throws: What the body throws; `CancellationError`; ``LockError``, among others with ``LockError/Code/timedOut`` if the lock is
    ///   taken, ``LockError/Code/poolExhausted`` if the connections are, ``LockError/Code/noAnswer``, and with the code
    ///   ``LockError/Code/commitOutcomeUnknown`` if the connection went away during the commit, or nothing was answered in
    ///   time: look at the data before doing it again.
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
                leases: [transaction.loan.ending],
                cancelsOnLoss: configuration.cancelsBodyOnLoss,
                isolation: isolation,
                enclosing: { [manager = ObjectIdentifier(self)] in
                    [EnclosingLock(manager: manager, state: transaction.loan.ending, kind: .transaction(key), task: .current)]
                },
                body
            )
        } catch {
            let wasAborted = await rollBack(transaction)
            // Of a statement that has failed the body was told by its error.
            if !wasAborted, let loss = transaction.loan.ending.lateLoss { throw loss.caused(by: error) }
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
        let isTry = timeout == .zero
        let limit = isTry ? tryLimit : waitLimit(timeout, isNested: EnclosingLock.isInside)
        var patience = Duration.seconds(1)
        while true {
            let lease = try await takePlace(key, mode, limit, isTry: isTry)
            do {
                if let state = try await lend(to: .transaction, lease: lease, limit: limit, isTry: isTry, patience: patience) {
                    try await open(state, key, limit, isTry: isTry)
                    return LockTransaction(loan: Loan(state, manager: self), lockedKey: key)
                }
            } catch {
                await leavePlace(lease)
                throw error
            }
            // Others get their turn, and this call is behind them. Next time it keeps its place for longer.
            await leavePlace(lease)
            patience = min(patience * 2, .seconds(60))
        }
    }

    /// Waits in memory, without a connection, until nobody else in this process stands before.
    private func takePlace(_ key: LockKey?, _ mode: LockMode, _ limit: WaitLimit, isTry: Bool) async throws -> LeaseState? {
        guard let key else { return nil }
        let lease = LeaseState(key: key, mode: mode)
        let request = LockTable.Request(key.advisory, mode.core, scope: .transaction, isTry: isTry)
        let outcome = await callFromInside(lease) { $0.acquire($1, request, deadline: limit.deadline, now: $2) }
        switch outcome {
        case .granted: return lease
        case .refused: throw taken([key])
        default: throw error(for: outcome, keys: [key], limit: limit.duration, isNested: limit.isDefault)
        }
    }

    private func leavePlace(_ lease: LeaseState?) async {
        guard let lease else { return }
        lease.end(nil)
        _ = await callFromInside(lease, isCancellable: false) { $0.release($1, now: $2) }
    }

    private func open(_ state: LentConnection, _ key: LockKey?, _ limit: WaitLimit, isTry: Bool) async throws {
        let outcome = await carryOut(on: state) { [transport] in
            $0.open(deadline: limit.deadline, isTry: isTry, waitsPlainly: transport.waitsPlainly, now: $1)
        }
        switch outcome {
        case .done, .locked:
            return
        default:
            takeBack(state)
            throw error(for: outcome, keys: key.map { [$0] } ?? [], limit: limit, on: state)
        }
    }

    // MARK: Further locks

    func lock(
        _ key: LockKey,
        _ mode: LockMode,
        timeout: Duration?,
        isTry: Bool,
        in transaction: LockTransaction
    ) async throws -> Bool {
        // A further lock of this very transaction is no conflict: PostgreSQL gives a session again what it holds.
        if transaction.lockedKey != key { _ = try check(key, mode, timeout: timeout) }
        let limit = isTry ? tryLimit : waitLimit(timeout, isNested: true)
        let state = try await beginTurn(on: transaction.loan, keys: [key], limit: limit)
        defer { state.endTurn() }
        state.note(key)
        let outcome = await carryOut(on: state) { [transport] in
            $0.lock(key.advisory, mode.core, deadline: limit.deadline, isTry: isTry, waitsPlainly: transport.waitsPlainly, now: $1)
        }
        switch outcome {
        case .locked: return true
        case .refused: return false
        default: throw naming(state.certainKeys, in: error(for: outcome, keys: [key], limit: limit, on: state))
        }
    }

    // MARK: Ending

    private func commit(_ transaction: LockTransaction) async throws {
        let state: LentConnection
        endLateStatements(of: transaction)
        do {
            state = try await beginTurn(on: transaction.loan, isCancellable: false)
        } catch {
            if transaction.lockedKey != nil { await leavePlace(transaction.loan.ending) }
            throw error
        }
        defer { state.endTurn() }
        // The server releases the lock before it answers.
        _ = state.ending.beginRelease()
        let outcome = await carryOut(on: state) { $0.commit(now: $1) }
        takeBack(state)
        await leavePlace(state.lease)
        guard case .commitAnswered(tag: "COMMIT") = outcome else { throw error(for: outcome, on: state) }
    }

    /// What a task that outlives the body has begun is ended, and nothing new begins.
    private func endLateStatements(of transaction: LockTransaction) {
        guard let state = try? borrowed(transaction.loan) else { return }
        state.beginEnd()
        if let running = state.running { cancel(running) }
    }

    /// - Returns: Whether the transaction had failed by one of its statements.
    private func rollBack(_ transaction: LockTransaction) async -> Bool {
        endLateStatements(of: transaction)
        guard let state = try? await beginTurn(on: transaction.loan, isCancellable: false) else {
            // The connection is gone, and the transaction with it.
            if transaction.lockedKey != nil { await leavePlace(transaction.loan.ending) }
            return false
        }
        defer { state.endTurn() }
        _ = state.ending.beginRelease()
        _ = await carryOut(on: state) { $0.rollBack(now: $1) }
        takeBack(state)
        await leavePlace(state.lease)
        return state.session.isAborted
    }
}
