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
            if !wasAborted, let loss = transaction.loan.ending.loss { throw loss.caused(by: error) }
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
                    try await open(state, key, mode, limit, isTry: isTry)
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

    private func open(_ state: LentConnection, _ key: LockKey?, _ mode: LockMode, _ limit: WaitLimit, isTry: Bool) async throws {
        var beginning = roleStatements(state) + [LockStatements.command("BEGIN")]
        if configuration.transactionsOnly {
            beginning.append(LockStatements.command(configuration.sessionSettings.generalInTransaction))
        }
        do {
            guard let key else {
                _ = try await send(beginning, on: state, limit: limit, isUndone: true, mayBlock: false)
                return
            }
            // A wait that holds up others is begun anew, with its transaction, which has done nothing so far.
            let isHeld = try await takeLock(key, mode, limit, isTry: isTry, after: beginning, on: state) {
                try await undo(["ROLLBACK"], keys: [key], on: state)
            }
            guard isHeld else { throw taken([key]) }
            if let lease = state.lease { drive { engine, _ in engine.transactionGranted(lease.id) } }
            try await guardLocks(on: state, keys: [key])
        } catch {
            takeBack(state, isClean: await isRolledBack(state))
            throw error
        }
    }

    private func undo(_ statements: [String], keys: [LockKey], on state: LentConnection) async throws {
        let (replies, loss) = await settle(statements.map(LockStatements.command), on: state)
        let failure = loss ?? replies.lazy.compactMap(\.error).first.map(Failure.init)
        if let failure { throw LockError(failure, keys: keys, place: place) }
    }

    // MARK: Failing

    /// Has a transaction rolled back at its end, whatever its body makes of the error that was the reason for it.
    func doom(_ loan: Loan) throws {
        try borrowed(loan).isDoomed = true
    }

    /// Refuses what is asked of a transaction that can only be rolled back.
    func requireHope(_ state: LentConnection) throws {
        if state.isDoomed { throw doomed }
        if state.isAborted { throw aborted }
    }

    private var doomed: LockError {
        LockError(
            .statementFailed,
            """
            The transaction is rolled back, not committed: the body of a ConnectionLock on it has thrown, and that error was not \
            passed on. Pass it on, or turn the lock's rollsBackOnError off.
            """,
            sqlState: "25P02"
        )
    }

    private var aborted: LockError {
        LockError(
            .statementFailed,
            """
            The transaction is rolled back, not committed: one of its statements had failed, and that error was not passed on by the \
            body.
            """,
            sqlState: "25P02"
        )
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
        try requireHope(state)
        // Here, since without the savepoint there would be nothing to go back to.
        try requireGoingOn(state)
        do {
            // Nothing may be sent behind a wait that can be cancelled, so the savepoint's end goes out on its own.
            let beginning = [LockStatements.command("SAVEPOINT \(Savepoints.step)")]
            let isHeld = try await takeLock(key, mode, limit, isTry: isTry, after: beginning, isRenewable: false, on: state) {
                try await undo(Self.undoingStep, keys: [key], on: state)
            }
            let (released, loss) = await settle([LockStatements.command("RELEASE SAVEPOINT \(Savepoints.step)")], on: state)
            if let failure = loss ?? released.first?.error.map(Failure.init) { throw LockError(failure, keys: [key], place: place) }
            _ = try borrowed(transaction.loan)
            guard isHeld else { return false }
            try await guardLocks(on: state, keys: [key])
            state.hold(key, mode)
            return true
        } catch {
            // Gives back the lock too, if the server had granted it in the moment of the cancellation. If this fails,
            // the transaction had failed before, and can only be rolled back as a whole.
            _ = await settle(Self.undoingStep.map(LockStatements.command), on: state)
            noteAbort(of: state, cause: error)
            throw naming(state.certainKeys, in: error)
        }
    }

    private static let undoingStep = ["ROLLBACK TO SAVEPOINT \(Savepoints.step)", "RELEASE SAVEPOINT \(Savepoints.step)"]

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
        do {
            try requireHope(state)
        } catch {
            takeBack(state, isClean: await isRolledBack(state))
            await leavePlace(state.lease)
            throw error
        }
        let (replies, loss) = await settle(
            [LockStatements.command("COMMIT")],
            then: resetStatements(state),
            on: state,
            within: configuration.timeouts.commit
        )
        takeBack(state, isClean: loss == nil && isReset(replies.dropFirst(), state))
        await leavePlace(state.lease)
        let keys = state.lease.map { [$0.key] } ?? []
        guard let reply = replies.first else { throw outcomeUnknown(loss, keys: keys) }
        if let failure = reply.error { throw LockError(Failure(failure), keys: [], place: place) }
        switch reply.result?.commandTag ?? "" {
        case "COMMIT":
            // Confirmed, whatever has become of the connection afterwards.
            return
        case "ROLLBACK":
            throw aborted
        case let tag:
            throw LockError(.statementFailed, "The server answered COMMIT by \(tag.isEmpty ? "nothing" : tag).")
        }
    }

    private func outcomeUnknown(_ loss: Failure?, keys: [LockKey]) -> LockError {
        let loss = loss ?? .init(.connectionLost, "The server answered nothing.")
        let reason =
            loss.kind == .noAnswer
            ? "COMMIT was not answered within \(configuration.timeouts.commit) (timeouts.commit), so the connection to \(place) was closed"
            : "The connection to \(place) was lost during COMMIT (\(loss.message.clause))"
        return LockError(
            .commitOutcomeUnknown,
            "\(reason): the transaction may or may not have been committed. Look at the data before doing it again.",
            sqlState: loss.sqlState,
            keys: keys,
            underlying: LockError(loss, keys: keys, place: place)
        )
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
        takeBack(state, isClean: await isRolledBack(state))
        await leavePlace(state.lease)
        return state.isAborted
    }

    /// Rolls back, and says whether the connection is certainly as good as new.
    private func isRolledBack(_ state: LentConnection) async -> Bool {
        let (replies, loss) = await settle([LockStatements.command("ROLLBACK")] + resetStatements(state), on: state)
        return loss == nil && replies.first?.error == nil && isReset(replies.dropFirst(), state)
    }
}
