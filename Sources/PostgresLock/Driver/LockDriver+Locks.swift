import LibPQ
import LockCore
import Logging

// Locks outside of transactions and explicit sessions: one, or several together.
extension LockDriver {
    nonisolated(nonsending) func waitForLock(
        _ key: LockKey,
        _ mode: LockMode,
        _ timeout: Duration?,
        at place: QueuePlace = .last,
        _ observation: Observation?
    ) async throws -> LockState {
        #if ServiceLifecycleSupport
            if endsWait(timeout) { return try await waitUntilShutdown(key, mode, timeout, at: place, observation) }
        #endif
        do {
            if let state = try await obtain(key, mode, timeout: timeout, noWait: timeout == .zero, at: place, observation) { return state }
        } catch {
            throw await explanations.explain(error, by: self)
        }
        try refuse([key])
    }

    /// - Returns: `nil` if the lock is taken, and the call does not wait.
    nonisolated(nonsending) func obtain(
        _ key: LockKey,
        _ mode: LockMode,
        timeout: Duration?,
        noWait: Bool,
        at place: QueuePlace = .last,
        _ observation: Observation?
    ) async throws -> LockState? {
        // Once: the scope that is the reason for a limit may end during the wait.
        let limit = limit(timeout, noWait: noWait)
        let state = try prepare(key, mode, timeout: timeout, limit, noWait: noWait, at: place, observation)
        let outcome = await outcome(of: state)
        return try settle(state, outcome, limit.length)
    }

    /// Makes the call for a lock.
    @inline(never)
    private nonisolated func prepare(
        _ key: LockKey,
        _ mode: LockMode,
        timeout: Duration?,
        _ limit: WaitLimit,
        noWait: Bool,
        at place: QueuePlace,
        _ observation: Observation?
    ) throws -> LockState {
        let state = LockState(key: key, mode: mode)
        state.observed = observation?.begin(.lock, [LockRequest(key, mode: mode)])
        let enclosing: RequestID?
        do {
            try Task.checkCancellation()
            enclosing = try check(key, mode, timeout: timeout)
        } catch {
            state.observed?.ended(by: error)
            throw error
        }
        let request = LockTable.Request(key.advisory, mode.core, noWait: noWait, place: place, deadline: limit.deadline)
        state.ask { engine, id, now in
            engine.acquire(id, request, deadline: limit.deadline, enclosing: enclosing, now: now)
        }
        return state
    }

    /// - Returns: `nil` if the lock is taken, and the call does not wait.
    @inline(never)
    private nonisolated func settle(_ state: LockState, _ outcome: Engine.Outcome, _ limit: WaitLimit.Length) throws -> LockState? {
        guard let call = state.observed else { return try take(state, outcome, limit) }
        return try call.takeLock { try take(state, outcome, limit) }
    }

    private nonisolated func take(_ state: LockState, _ outcome: Engine.Outcome, _ limit: WaitLimit.Length) throws -> LockState? {
        switch outcome {
        case .granted:
            if !state.isHeld { try claim([state]) }
            return state
        case .refused: return nil
        default: throw error(for: outcome, keys: state.asked, limit: limit)
        }
    }

    // MARK: One of several

    /// - Parameter pollPause: See `LockTable.Choice`.
    nonisolated(nonsending) func waitForAny(
        of keys: [LockKey],
        _ mode: LockMode,
        _ timeout: Duration?,
        pollPause: Duration? = nil,
        _ observation: Observation?
    ) async throws -> LockState {
        #if ServiceLifecycleSupport
            if endsWait(timeout) {
                return try await endingWait(for: keys, timeout) {
                    try await waitForAny(of: keys, mode, $0, pollPause: pollPause, observation)
                }
            }
        #endif
        let state = try await obtainAny(of: keys, mode, timeout: timeout, noWait: timeout == .zero, pollPause: pollPause, observation)
        guard let state else { throw taken(keys) }
        return state
    }

    /// - Returns: `nil` if all the locks are taken, and the call does not wait.
    nonisolated(nonsending) func obtainAny(
        of keys: [LockKey],
        _ mode: LockMode,
        timeout: Duration?,
        noWait: Bool,
        pollPause: Duration? = nil,
        _ observation: Observation?
    ) async throws -> LockState? {
        let limit = limit(timeout, noWait: noWait)
        let free: [LockKey]
        do {
            try Task.checkCancellation()
            free = try available(keys, mode, timeout: timeout)
        } catch {
            observation?.begin(.lock, keys.map { LockRequest($0, mode: mode) }).ended(by: error)
            throw error
        }
        let state = LockState(anyOf: free, mode: mode)
        state.observed = observation?.begin(.lock, free.map { LockRequest($0, mode: mode) })
        let choice = LockTable.Choice(free.map(\.advisory), mode.core, noWait: noWait, pollPause: pollPause)
        state.ask { $0.acquireAny($1, choice, deadline: limit.deadline, now: $2) }
        return try settle(state, await outcome(of: state), limit.length)
    }

    /// - Returns: The keys, each once, without those that this task holds itself.
    nonisolated func available(_ keys: [LockKey], _ mode: LockMode, timeout: Duration?) throws -> [LockKey] {
        var (seen, available): (Set<LockKey>, [LockKey]) = ([], [])
        var refusal = LockError(.invalidArgument, "There is no key to take one of. Name at least one.")
        for key in keys where seen.insert(key).inserted {
            do {
                _ = try check(key, mode, timeout: timeout)
                available.append(key)
            } catch let error as LockError where error.code == .alreadyHeld {
                refusal = error
            }
        }
        guard !available.isEmpty else { throw refusal }
        return available
    }

    /// Refuses a request that makes no sense, or could never be granted.
    ///
    /// - Parameter session: What the session holds that asks, if one asks. It checks that itself.
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
        let enclosing = enclosing
        guard !enclosing.isEmpty else { return nil }
        let same = enclosing.filter { $0.key == key }
        if let held = same.last(where: { $0.isHeldByThisTask && ($0.state.mode == .exclusive || mode == .exclusive) }) {
            throw LockError(
                .alreadyHeld,
                """
                This task holds the lock \(key) already (\(held.state.mode)), and would wait for itself without end. Use the lock that it \
                holds, or another key.
                """,
                keys: [key]
            )
        }
        for lock in enclosing where lock.isHeldByThisTask {
            guard case .session(let modes) = lock.kind, modes !== session, let held = modes[key],
                held == .exclusive || mode == .exclusive
            else { continue }
            throw LockError(
                .alreadyHeld,
                """
                A session of this task holds the lock \(key) already (\(held)), and the task would wait for itself without end. Take the \
                lock through the session, or use another key.
                """,
                keys: [key]
            )
        }
        return same.last { if case .lock = $0.kind { $0.state.mode == .shared } else { false } }?.state.id
    }

    // MARK: Releasing

    /// Releases a lock, and returns when other holders can have it; at once if the configuration says so.
    ///
    /// Apart from the release of several, since what is below its wait decides how much memory a task takes.
    ///
    /// - Throws: ``LockError`` if the lock was lost before, or its release failed. Nothing is held afterwards in any case.
    nonisolated(nonsending) func release(_ state: LockState) async throws {
        if !state.isHeld { noteExpiry(of: [state]) }
        guard state.beginRelease() else {
            if let loss = state.loss { throw loss }
            return
        }
        guard configuration.awaitsRelease else {
            releaseUnawaited([state])
            if let loss = state.loss { throw loss }
            return
        }
        state.ask { $0.release($1, now: $2) }
        let outcome = await finalOutcome(of: state)
        if let loss = loss(of: state, releasedBy: outcome) { throw loss }
    }

    /// The same for locks that were taken together, all in one turn.
    ///
    /// - Throws: ``LockError``, which names the keys of all the locks that were lost.
    nonisolated(nonsending) func release(_ states: [LockState]) async throws {
        if states.count == 1 { return try await release(states[0]) }
        noteExpiry(of: states)
        let open = states.filter { $0.beginRelease() }
        if !configuration.awaitsRelease, !open.isEmpty { releaseUnawaited(open) }
        let outcomes =
            open.isEmpty || !configuration.awaitsRelease ? [] : await outcomes(of: open, isCancellable: false) { $0.release($2, now: $3) }
        var losses = states.compactMap(\.loss)
        for (state, outcome) in zip(open, outcomes) where state.loss == nil {
            if let loss = loss(of: state, releasedBy: outcome) { losses.append(loss) }
        }
        guard let first = losses.first else { return }
        guard losses.count > 1 else { throw first }
        throw LockError(first.code, first.message, sqlState: first.sqlState, keys: losses.flatMap(\.keys))
    }

    /// Releases locks at once on this thread, if the loop is free. A failure is logged.
    ///
    /// - Parameter states: Locks whose release has begun.
    private nonisolated func releaseUnawaited(_ states: [LockState]) {
        loop.enter { self.assumeIsolated { $0.beginUnawaited(states) } }
    }

    private func beginUnawaited(_ states: [LockState]) {
        for state in states {
            begin(state, .unawaited(self, state)) { $0.release($1, isAwaited: false, now: $2) }
        }
    }

    nonisolated func loss(of state: LockState, releasedBy outcome: Engine.Outcome) -> LockError? {
        if let loss = state.loss { return loss }
        guard case .failed(let failure) = outcome else { return nil }
        return state.lateLoss ?? LockError(failure, keys: [state.key], databaseName: databaseName)
    }

    /// The task that has asked for locks runs again. They may have been lost, or suspected of being lost, since they were granted.
    ///
    /// - Throws: The loss of one of them. Then all of them are released, since the caller does not get them.
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

    /// Ends locks whose lease has run out by the clock, if the loop has not done it yet.
    nonisolated func noteExpiry(of states: [LockState]) {
        guard !states.allSatisfy(\.isHeld) else { return }
        let expired = states.filter { $0.isOpen && !$0.isHeld }
        guard !expired.isEmpty else { return }
        let count = LockState.end(expired.map { ($0, lossError(Failure.suspect, key: $0.key)) }, isSuspicion: true)
        noteLosses(count, .leaseExpired)
    }

    /// Releases locks without waiting for the outcome.
    ///
    /// - Parameter states: Locks whose release has begun.
    nonisolated func giveBack(_ states: [LockState]) {
        guard !states.isEmpty else { return }
        loop.submit { self.assumeIsolated { $0.beginUnawaited(states) } }
    }

    /// The last handle of the locks was dropped without a release.
    nonisolated func giveBackDropped(_ states: [LockState]) {
        let open = states.filter { $0.beginRelease() }
        guard let call = open.first.map(\.observed) else { return }
        logger.warning(
            "a lock handle was dropped without release(); what it held is released",
            metadata: [LogKey.key: "\(open.map(\.key).names)"],
            of: call?.observation.logger
        )
        giveBack(open)
    }

    // MARK: Modes

    /// Changes the mode of a held lock, if no other holder is in the way.
    ///
    /// - Returns: Whether it is in that mode now.
    nonisolated(nonsending) func change(_ state: LockState, to mode: LockMode) async throws -> Bool {
        if let loss = state.loss { throw loss }
        let change = ModeChange(state, to: mode)
        change.ask { engine, id, now in
            // The server lets other holders in before its answer is here, so from now on the lock counts as shared.
            if mode == .shared { state.mode = .shared }
            engine.change(id, of: state.id, to: mode.core, now: now)
        }
        let outcome = await finalOutcome(of: change)
        // The change can have succeeded, and the lock can be lost again before this task comes to run.
        if let loss = state.loss { throw loss }
        switch outcome {
        case .changed(let isChanged):
            if isChanged, mode == .exclusive, configuration.fencingTokens { try await renewToken(of: state) }
            return isChanged
        case .failed where state.isOpen:
            throw LockError(
                .invalidArgument,
                "The mode of the lock \(state.key) is being changed by another task. Let one change end before the next.",
                keys: [state.key]
            )
        default:
            throw error(for: outcome, keys: [state.key])
        }
    }

    /// Other holders that shared the lock may have greater tokens than the one that it was granted with.
    private nonisolated(nonsending) func renewToken(of state: LockState) async throws {
        state.token = nil
        let call = PendingCall()
        call.ask { $0.requestToken($1, of: state.id, now: $2) }
        let outcome = await finalOutcome(of: call)
        if let loss = state.loss { throw loss }
        guard case .changed = outcome else { throw error(for: outcome, keys: [state.key]) }
    }

    // MARK: Several locks together

    nonisolated(nonsending) func waitForLocks(
        _ requests: [LockRequest],
        _ timeout: Duration?,
        _ observation: Observation?
    ) async throws -> [LockState] {
        #if ServiceLifecycleSupport
            if endsWait(timeout) {
                return try await endingWait(for: requests.map(\.key), timeout) { try await waitForLocks(requests, $0, observation) }
            }
        #endif
        let end: LockSetAcquisition.End
        do {
            end = try await obtain(requests, timeout, observation)
        } catch {
            throw await explanations.explain(error, by: self)
        }
        switch end {
        case .complete(let states):
            return states
        case .refused(let keys):
            let error = taken(keys)
            throw LockError(error.code, "\(error.message) None of the \(requests.inOrder.count) locks is held now.", keys: keys)
        }
    }

    /// - Returns: `nil` if one of the locks is taken.
    nonisolated(nonsending) func tryLocks(_ requests: [LockRequest], _ observation: Observation?) async throws -> [LockState]? {
        guard case .complete(let states) = try await obtain(requests, .zero, observation) else { return nil }
        return states
    }

    private nonisolated(nonsending) func obtain(
        _ requests: [LockRequest],
        _ timeout: Duration?,
        _ observation: Observation?
    ) async throws -> LockSetAcquisition.End {
        let call = observation?.begin(.lockSet, requests.inOrder)
        do {
            var acquisition = try LockSetAcquisition(requests, timeout: timeout, driver: self)
            let end = try await acquisition.run()
            switch end {
            case .complete(let states):
                for state in states { state.observed = call }
                // Without a lock there is no end to be told of.
                call?.granted(states, isWaitOnly: states.isEmpty)
            case .refused:
                call?.refused()
            }
            return end
        } catch {
            call?.ended(by: error)
            throw error
        }
    }
}
