import LibPQ
import LockCore
import Logging

extension LockManager {
    /// Takes a lock, waiting for it if need be, runs the body, and gives the lock back, also if the body throws.
    ///
    /// The body runs in the caller's isolation and may use whatever its surroundings may use. If the lock is lost while it
    /// runs, the body's task is cancelled, and the loss is thrown whatever the body returns or throws.
    ///
    /// Cancelling the calling task ends the wait at once, or cancels the body. A task that asks again for a lock that its
    /// own `withLock` holds gets ``LockError/Code/alreadyHeld`` instead of waiting for itself; shared locks may be taken
    /// again.
    ///
    /// - Parameters:
    ///   - key: What to lock.
    ///   - mode: Alone, or together with other shared holders.
    ///   - timeout: How long to wait, connecting included. `.zero` waits for no other holder, but for the server, up to
    ///     ``Configuration/Timeouts/unreachable``. `nil` waits without limit, except inside another lock's body, where
    ///     ``Configuration/Timeouts/nested`` applies.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets a view of the lock. Its result is passed on.
    /// - Returns: What the body returns.
    /// - Throws: What the body throws; `CancellationError` if the task was cancelled while it waited; ``LockError``, above
    ///   all with ``LockError/Code/timedOut`` if the lock is taken, ``LockError/Code/noAnswer`` if the deadline came before the server
    ///   said so, ``LockError/Code/cannotConnect`` and ``LockError/Code/lockLost``.
    @discardableResult
    public func withLock<Result>(
        _ key: LockKey,
        mode: LockMode = .exclusive,
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (LockLease) async throws -> Result
    ) async throws -> Result {
        let state = try await waitForLock(key, mode, timeout)
        return try await run(under: state, isolation, body)
    }

    /// Takes a lock, waiting for it if need be.
    ///
    /// Prefer ``withLock(_:mode:timeout:isolation:_:)``, which can't forget to give it back.
    ///
    /// Cancelling the task ends the wait at once. Should the server grant the lock in that very moment, it is given back.
    ///
    /// A handle is not bound to a task. So a task that asks for the key of a handle that it has waits for itself, and
    /// ``Configuration/Timeouts/nested`` does not apply: give a timeout.
    ///
    /// - Parameters:
    ///   - key: What to lock.
    ///   - mode: Alone, or together with other shared holders.
    ///   - timeout: As for ``withLock(_:mode:timeout:isolation:_:)``.
    /// - Returns: The held lock. Dropping it gives the lock back.
    /// - Throws: `CancellationError` if the task was cancelled; ``LockError`` otherwise.
    public nonisolated(nonsending) func acquire(
        _ key: LockKey,
        mode: LockMode = .exclusive,
        timeout: Duration? = nil
    ) async throws -> LockHandle {
        LockHandle(try await waitForLock(key, mode, timeout), manager: self)
    }

    /// Takes a lock if it is free.
    ///
    /// Waits for the server's answer, up to ``Configuration/Timeouts/unreachable``, but not for the lock. Cancelling the task ends that wait at once.
    ///
    /// - Parameters:
    ///   - key: What to lock.
    ///   - mode: Alone, or together with other shared holders.
    /// - Returns: The held lock, or `nil` if somebody else holds it or waits for it in this process.
    /// - Throws: `CancellationError` if the task was cancelled; ``LockError`` if the server could not be asked.
    public nonisolated(nonsending) func tryAcquire(_ key: LockKey, mode: LockMode = .exclusive) async throws -> LockHandle? {
        guard let state = try await obtain(key, mode, timeout: nil, isTry: true) else { return nil }
        return LockHandle(state, manager: self)
    }

    // MARK: Inside

    /// Not inlined, since what it has on its stack would be on that of every task that waits for its lock.
    @inline(never)
    private func run<Result>(
        under state: LeaseState,
        _ isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) (LockLease) async throws -> Result
    ) async throws -> Result {
        try await ScopedBody.runAndRelease(
            view: LockLease(state: state),
            leases: [state],
            cancelsOnLoss: configuration.cancelsBodyOnLoss,
            isolation: isolation,
            enclosing: { [manager = ObjectIdentifier(self)] in
                [EnclosingLock(manager: manager, state: state, kind: .lock, task: .current)]
            },
            release: { try await release(state) },
            body
        )
    }

    nonisolated(nonsending) func waitForLock(_ key: LockKey, _ mode: LockMode, _ timeout: Duration?) async throws -> LeaseState {
        guard let state = try await obtain(key, mode, timeout: timeout, isTry: timeout == .zero) else {
            throw taken([key])
        }
        return state
    }

    /// - Returns: `nil` if a try found the lock taken.
    private nonisolated(nonsending) func obtain(
        _ key: LockKey,
        _ mode: LockMode,
        timeout: Duration?,
        isTry: Bool
    ) async throws -> LeaseState? {
        try Task.checkCancellation()
        // Taken once: the scope that sets a limit may end while this waits.
        let limit = limit(timeout, isTry: isTry)
        let state = try prepare(key, mode, timeout: timeout, limit: limit, isTry: isTry)
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
        isTry: Bool
    ) throws -> LeaseState {
        try requireSessions()
        let enclosing = try check(key, mode, timeout: timeout)
        let deadline = limit.map { now.advanced(by: $0) }
        let request = LockTable.Request(key.advisory, mode.core, isTry: isTry, deadline: deadline)
        let state = LeaseState(key: key, mode: mode)
        state.ask { engine, id, now in
            engine.acquire(id, request, deadline: deadline, enclosing: enclosing, now: now)
        }
        return state
    }

    private nonisolated func limit(_ timeout: Duration?, isTry: Bool) -> Duration? {
        isTry ? configuration.timeouts.unreachable : timeout?.bounded ?? (EnclosingLock.isInside ? configuration.timeouts.nested : nil)
    }

    /// - Returns: `nil` if a try found the lock taken.
    @inline(never)
    private nonisolated func settle(
        _ state: LeaseState,
        _ outcome: Engine.Outcome,
        limit: Duration?,
        isNested: Bool
    ) throws -> LeaseState? {
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
        let same = EnclosingLock.all.filter { $0.manager == ObjectIdentifier(self) && $0.key == key && $0.state.isOpen }
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

    /// What is told of locks that a call without waiting could not have.
    nonisolated func taken(_ keys: [LockKey]) -> LockError {
        LockError.taken(keys, place: place, own: enclosed(keys))
    }

    /// Those of the keys that scopes around this code hold, whichever of their tasks this is.
    private nonisolated func enclosed(_ keys: [LockKey]) -> [LockKey] {
        let scopes = EnclosingLock.all.filter { $0.manager == ObjectIdentifier(self) && $0.state.isOpen }
        guard !scopes.isEmpty else { return [] }
        return keys.filter { key in
            scopes.contains { scope in
                if case .session(let modes) = scope.kind { return modes[key] != nil }
                return scope.key == key
            }
        }
    }

    nonisolated func error(for outcome: Engine.Outcome, keys: [LockKey], limit: Duration?, isNested: Bool = false) -> any Error {
        switch outcome {
        case .ended(.cancelled), .settled(cause: .cancelled):
            return CancellationError()
        case .ended(.timedOut(let failure)), .settled(cause: .timedOut(let failure)):
            return LockError.timeout(failure, keys: keys, place: place, limit: limit, isNested: isNested, own: enclosed(keys))
        case .failed(let failure):
            return LockError(failure, keys: keys, place: place)
        case .granted, .refused, .released, .changed, .lent, .ended(.renewed), .ended(.yielded), .settled(cause: .yielded),
            .settled(cause: .renewed), .settled(cause: nil):
            return LockError(.connectionLost, "The call ended in a way that does not fit it.", keys: keys)
        }
    }

    nonisolated(nonsending) func release(_ state: LeaseState) async throws {
        noteExpiry(of: [state])
        guard state.beginRelease() else {
            if let loss = state.loss { throw loss }
            return
        }
        state.ask { $0.release($1, now: $2) }
        let outcome = await finalOutcome(of: state)
        if let loss = state.loss { throw loss }
        if case .failed(let failure) = outcome {
            throw state.lateLoss ?? LockError(failure, keys: [state.key], place: place)
        }
    }

    /// The caller that has asked for locks comes to run. Until then they may have been lost, or have come in doubt.
    ///
    /// - Throws: The loss of one of them. Then all of them are given back, since the caller has no means to do it.
    nonisolated func claim(_ states: [LeaseState]) throws {
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
    nonisolated func noteExpiry(of states: [LeaseState]) {
        guard !states.allSatisfy(\.isHeld) else { return }
        let expired = states.filter { $0.isOpen && !$0.isHeld }
        guard !expired.isEmpty else { return }
        LeaseState.end(expired.map { ($0, lossError(Engine.suspect, key: $0.key)) }, isSuspicion: true)
    }

    /// Releases what no caller has any more, without anyone waiting for it.
    ///
    /// - Parameter states: Those whose release has begun.
    nonisolated func giveBack(_ states: [LeaseState]) {
        guard !states.isEmpty else { return }
        loop.submit {
            self.assumeIsolated { manager in
                for state in states { manager.begin(state) { $0.release($1, now: $2) } }
            }
        }
    }

    /// The handle went away without a release.
    nonisolated func giveBackDropped(_ state: LeaseState) {
        logger.warning(
            "a lock handle was dropped without release(); its lock is given back",
            metadata: [LogKey.key: "\(state.key)"]
        )
        if state.beginRelease() { giveBack([state]) }
    }
}

extension LockError {
    func caused(by error: any Error) -> LockError {
        LockError(code, message, sqlState: sqlState, keys: keys, underlying: error)
    }
}
