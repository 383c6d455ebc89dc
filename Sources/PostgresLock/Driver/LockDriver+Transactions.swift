import LibPQ
import LockCore

// Transactions that hold locks.
extension LockDriver {
    // MARK: Beginning

    func begin(_ key: LockKey?, _ mode: LockMode, _ timeout: Duration?) async throws -> LockTransaction {
        try Task.checkCancellation()
        if let key { _ = try check(key, mode, timeout: timeout) }
        if let timeout, timeout < .zero {
            throw LockError(.invalidArgument, "The timeout of the transaction is negative (\(timeout)).")
        }
        let noWait = timeout == .zero
        let limit = noWait ? tryLimit : waitLimit(timeout, isNested: EnclosingLock.isInside)
        var timeout = Duration.seconds(1)
        while true {
            let lease = try await takeTurn(key, mode, limit, noWait: noWait)
            do {
                if let state = try await checkOut(to: .transaction, lease: lease, limit: limit, noWait: noWait, timeout: timeout) {
                    try await open(state, key, limit, noWait: noWait)
                    return LockTransaction(access: SessionAccess(state, driver: self), lockedKey: key)
                }
            } catch {
                await leaveTurn(lease)
                throw error
            }
            // Others get their turn, and this call is behind them. Next time it keeps its place for longer.
            await leaveTurn(lease)
            timeout = min(timeout * 2, .seconds(60))
        }
    }

    /// Waits in memory, without a connection, until no other task of this process is ahead.
    private func takeTurn(_ key: LockKey?, _ mode: LockMode, _ limit: WaitLimit, noWait: Bool) async throws -> LockState? {
        guard let key else { return nil }
        let lease = LockState(key: key, mode: mode)
        let request = LockTable.Request(key.advisory, mode.core, scope: .transaction, noWait: noWait)
        let outcome = await callFromInside(lease) { $0.acquire($1, request, deadline: limit.deadline, now: $2) }
        switch outcome {
        case .granted: return lease
        case .refused: throw taken([key])
        default: throw error(for: outcome, keys: [key], limit: limit.duration, isNested: limit.isDefault)
        }
    }

    private func leaveTurn(_ lease: LockState?) async {
        guard let lease else { return }
        lease.end(nil)
        _ = await callFromInside(lease, isCancellable: false) { $0.release($1, now: $2) }
    }

    private func open(_ state: CheckedOutConnection, _ key: LockKey?, _ limit: WaitLimit, noWait: Bool) async throws {
        let outcome = await carryOut(on: state) { [transport] in
            $0.open(deadline: limit.deadline, noWait: noWait, waitsPlainly: transport.waitsPlainly, now: $1)
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
        noWait: Bool,
        in transaction: LockTransaction
    ) async throws -> Bool {
        // A further lock of this very transaction is no conflict: PostgreSQL gives a session again what it holds.
        if transaction.lockedKey != key { _ = try check(key, mode, timeout: timeout) }
        let limit = noWait ? tryLimit : waitLimit(timeout, isNested: true)
        let state = try await beginTurn(on: transaction.access, keys: [key], limit: limit)
        defer { state.endTurn() }
        state.note(key)
        let outcome = await carryOut(on: state) { [transport] in
            $0.lock(key.advisory, mode.core, deadline: limit.deadline, noWait: noWait, waitsPlainly: transport.waitsPlainly, now: $1)
        }
        switch outcome {
        case .locked: return true
        case .refused: return false
        default: throw naming(state.certainKeys, in: error(for: outcome, keys: [key], limit: limit, on: state))
        }
    }

    // MARK: Ending

    func commit(_ transaction: LockTransaction) async throws {
        let state: CheckedOutConnection
        endLateStatements(of: transaction)
        do {
            state = try await beginTurn(on: transaction.access, isCancellable: false)
        } catch {
            if transaction.lockedKey != nil { await leaveTurn(transaction.access.ending) }
            throw error
        }
        defer { state.endTurn() }
        // The server releases the lock before it answers.
        _ = state.ending.beginRelease()
        let outcome = await carryOut(on: state) { $0.commit(now: $1) }
        takeBack(state)
        await leaveTurn(state.lease)
        guard case .commitAnswered(tag: "COMMIT") = outcome else { throw error(for: outcome, on: state) }
    }

    /// What a task that outlives the body has begun is ended, and nothing new begins.
    private func endLateStatements(of transaction: LockTransaction) {
        guard let state = try? borrowed(transaction.access) else { return }
        state.beginEnd()
        if let running = state.running { cancel(running) }
    }

    /// - Returns: Whether the transaction had failed by one of its statements.
    func rollBack(_ transaction: LockTransaction) async -> Bool {
        endLateStatements(of: transaction)
        guard let state = try? await beginTurn(on: transaction.access, isCancellable: false) else {
            // The connection is gone, and the transaction with it.
            if transaction.lockedKey != nil { await leaveTurn(transaction.access.ending) }
            return false
        }
        defer { state.endTurn() }
        _ = state.ending.beginRelease()
        _ = await carryOut(on: state) { $0.rollBack(now: $1) }
        takeBack(state)
        await leaveTurn(state.lease)
        return state.session.isAborted
    }
}
