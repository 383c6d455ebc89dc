import LibPQ
import LockCore
import Logging

// Locks of their own, which share sessions.
extension LockDriver {
    nonisolated(nonsending) func waitForLock(_ key: LockKey, _ mode: LockMode, _ timeout: Duration?) async throws -> LockState {
        guard let state = try await obtain(key, mode, timeout: timeout, noWait: timeout == .zero) else {
            throw taken([key])
        }
        return state
    }

    /// - Returns: `nil` if a try found the lock taken.
    nonisolated(nonsending) func obtain(
        _ key: LockKey,
        _ mode: LockMode,
        timeout: Duration?,
        noWait: Bool
    ) async throws -> LockState? {
        try Task.checkCancellation()
        // Taken once: the scope that sets a limit may end while this waits.
        let limit = limit(timeout, noWait: noWait)
        let state = try prepare(key, mode, timeout: timeout, limit: limit, noWait: noWait)
        let outcome = await outcome(of: state)
        return try settle(state, outcome, limit: limit, isNested: timeout == nil)
    }

    /// Makes the call for a lock.
    @inline(never)
    private nonisolated func prepare(
        _ key: LockKey,
        _ mode: LockMode,
        timeout: Duration?,
        limit: Duration?,
        noWait: Bool
    ) throws -> LockState {
        try requireSessions()
        let enclosing = try check(key, mode, timeout: timeout)
        let deadline = limit.map { now.advanced(by: $0) }
        let request = LockTable.Request(key.advisory, mode.core, noWait: noWait, deadline: deadline)
        let state = LockState(key: key, mode: mode)
        state.ask { engine, id, now in
            engine.acquire(id, request, deadline: deadline, enclosing: enclosing, now: now)
        }
        return state
    }

    private nonisolated func limit(_ timeout: Duration?, noWait: Bool) -> Duration? {
        noWait ? configuration.timeouts.unreachable : timeout?.bounded ?? (EnclosingLock.isInside ? configuration.timeouts.nested : nil)
    }

    /// - Returns: `nil` if a try found the lock taken.
    @inline(never)
    private nonisolated func settle(
        _ state: LockState,
        _ outcome: Engine.Outcome,
        limit: Duration?,
        isNested: Bool
    ) throws -> LockState? {
        switch outcome {
        case .granted:
            if !state.isHeld { try claim([state]) }
            return state
        case .refused:
            return nil
        default:
            throw error(for: outcome, keys: [state.key], limit: limit, isNested: isNested)
        }
    }

    /// Refuses what a manager for transactions alone can't do.
    nonisolated func requireSessions() throws {
        guard configuration.transactionsOnly else { return }
        throw LockError(
            .transactionPooling,
            """
            This manager is for transactions alone (configuration.transactionsOnly), since behind a pooler of transactions no other \
            lock lasts. Use withTransaction(locking:), or a manager that connects to the server itself.
            """
        )
    }

    /// Refuses what makes no sense, and what could never end.
    ///
    /// - Parameter session: Asks for itself; what it holds is its own business.
    /// - Returns: A shared lock on the same key around this code, which the request may join.
    nonisolated func check(_ key: LockKey, _ mode: LockMode, timeout: Duration?, session: HeldModes? = nil) throws -> RequestID? {
        KeyCollisions.shared.report { logger.warning($0, metadata: $1) }
        if key.isUnnamed {
            throw LockError(.invalidArgument, "The lock's name is empty. Give it a name that says what it guards.", keys: [key])
        }
        if let timeout, timeout < .zero {
            throw LockError(
                .invalidArgument,
                "The timeout for the lock \(key) is negative (\(timeout)). Use .zero to try without waiting.",
                keys: [key]
            )
        }
        let same = EnclosingLock.all.filter { $0.owner == ObjectIdentifier(self) && $0.key == key && $0.state.isOpen }
        if let held = same.last(where: { $0.isHeldByThisTask && ($0.state.mode == .exclusive || mode == .exclusive) }) {
            throw LockError(
                .alreadyHeld,
                """
                This task holds the lock \(key) already (\(held.state.mode)), and would wait for itself for ever. Use the \
                lock that it holds, or another key.
                """,
                keys: [key]
            )
        }
        try checkSessions(key, mode, except: session)
        return same.last { if case .lock = $0.kind { $0.state.mode == .shared } else { false } }?.state.id
    }

    nonisolated(nonsending) func release(_ state: LockState) async throws {
        if !state.isHeld { noteExpiry(of: [state]) }
        guard state.beginRelease() else {
            if let loss = state.loss { throw loss }
            return
        }
        state.ask { $0.release($1, now: $2) }
        let outcome = await finalOutcome(of: state)
        if let loss = state.loss { throw loss }
        if case .failed(let failure) = outcome {
            throw state.lateLoss ?? LockError(failure, keys: [state.key], databaseName: databaseName)
        }
    }

    /// The caller that has asked for locks comes to run. Until then they may have been lost, or have come in doubt.
    ///
    /// - Throws: The loss of one of them. Then all of them are given back, since the caller has no means to do it.
    nonisolated func claim(_ states: [LockState]) throws {
        noteExpiry(of: states)
        guard let loss = states.lazy.compactMap(\.loss).first else { return }
        giveBack(
            states.filter { state in
                switch state.claim() {
                case .held: state.beginRelease()
                case .lost(let isToBeReleased): isToBeReleased
                }
            }
        )
        throw loss
    }

    /// The clock may have ended a lease before the loop has come to say so.
    nonisolated func noteExpiry(of states: [LockState]) {
        guard !states.allSatisfy(\.isHeld) else { return }
        let expired = states.filter { $0.isOpen && !$0.isHeld }
        guard !expired.isEmpty else { return }
        LockState.end(expired.map { ($0, lossError(Engine.suspect, key: $0.key)) }, isSuspicion: true)
    }

    /// Releases what no caller has any more, without anyone waiting for it.
    ///
    /// - Parameter states: Those whose release has begun.
    nonisolated func giveBack(_ states: [LockState]) {
        guard !states.isEmpty else { return }
        loop.submit {
            self.assumeIsolated { driver in
                for state in states { driver.begin(state) { $0.release($1, now: $2) } }
            }
        }
    }

    /// The handle went away without a release.
    nonisolated func giveBackDropped(_ state: LockState) {
        logger.warning(
            "a lock handle was dropped without release(); its lock is given back",
            metadata: [LogKey.key: "\(state.key)"]
        )
        if state.beginRelease() { giveBack([state]) }
    }
}
