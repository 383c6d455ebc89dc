import LibPQ
import LockCore

// Sessions that are checked out for the locks of one body.
extension LockDriver {
    func beginSession(_ timeout: Duration?) async throws -> SessionAccess {
        try Task.checkCancellation()
        try requireSessions()
        if let timeout, timeout < .zero {
            throw LockError(.invalidArgument, "The timeout of the session is negative (\(timeout)).")
        }
        let noWait = timeout == .zero
        let limit = noWait ? tryLimit : waitLimit(timeout, isNested: EnclosingLock.isInside)
        guard let state = try await checkOut(to: .session, lease: nil, limit: limit, noWait: noWait) else {
            throw LockError(.connectionLost, "The call ended in a way that does not fit it.")
        }
        return SessionAccess(state, driver: self)
    }

    // MARK: Taking

    func waitForLock(
        _ key: LockKey,
        _ mode: LockMode,
        _ timeout: Duration?,
        isScoped: Bool,
        on access: SessionAccess
    ) async throws -> LockState {
        let noWait = timeout == .zero
        guard let lease = try await obtain(key, mode, timeout: timeout, noWait: noWait, isScoped: isScoped, on: access) else {
            throw naming(checkedOut[access.connection]?.certainKeys ?? [], in: taken([key]))
        }
        return lease
    }

    /// - Returns: `nil` if a try found the lock taken.
    func obtain(
        _ key: LockKey,
        _ mode: LockMode,
        timeout: Duration?,
        noWait: Bool,
        isScoped: Bool,
        on access: SessionAccess
    ) async throws -> LockState? {
        _ = try check(key, mode, timeout: timeout, session: access.modes)
        let isInside = EnclosingLock.all.contains { $0.state.isOpen && $0.state !== access.ending }
        let holdsOthers = try !borrowed(access).session.holdings.isEmpty
        var limit = noWait ? tryLimit : waitLimit(timeout, isNested: isInside || holdsOthers)
        let state = try await beginTurn(on: access, keys: [key], limit: limit)
        defer { state.endTurn() }
        state.note(key)
        let token: FencingToken?
        if let held = state.session.holdings[key.advisory] {
            guard held == .shared, mode == .shared else { throw heldBySession(key, LockMode(core: held)) }
            token = state.leases(on: key).first?.state.token
        } else {
            // While it stood in line, another task may have taken something.
            if !noWait, limit.duration == nil { limit = waitLimit(nil, isNested: isInside || !state.session.holdings.isEmpty) }
            let outcome = await carryOut(on: state) { [transport, limit] in
                $0.lock(key.advisory, mode.core, deadline: limit.deadline, noWait: noWait, waitsPlainly: transport.waitsPlainly, now: $1)
            }
            switch outcome {
            case .locked(let position): token = position.map(noteToken)
            case .refused: return nil
            default: throw naming(state.certainKeys, in: error(for: outcome, keys: [key], limit: limit, on: state))
            }
            _ = try borrowed(access)
        }
        let lease = LockState(key: key, mode: mode)
        lease.verification = state.ending.verification
        lease.token = token
        state.add(lease, isScoped: isScoped)
        return lease
    }

    private func noteToken(_ position: WALPosition) -> FencingToken {
        transport.note(position)
        return FencingToken(position, index: 0)
    }

    private func heldBySession(_ key: LockKey, _ mode: LockMode) -> LockError {
        LockError(
            .alreadyHeld,
            """
            The session holds the lock \(key) already (\(mode)), and PostgreSQL would grant it again at once: it would keep \
            nobody out. Only shared locks may be taken again, as shared. Use the lock that is held, or another key.
            """,
            keys: [key]
        )
    }

    /// Refuses what a session around this very task holds, on another connection than the one that is asked.
    nonisolated func checkSessions(_ key: LockKey, _ mode: LockMode, except session: HeldModes?) throws {
        for lock in EnclosingLock.all where lock.owner == ObjectIdentifier(self) && lock.isHeldByThisTask {
            guard case .session(let modes) = lock.kind, modes !== session, let held = modes[key],
                held == .exclusive || mode == .exclusive
            else { continue }
            throw LockError(
                .alreadyHeld,
                """
                A session of this task holds the lock \(key) already (\(held)), and the task would wait for itself for ever. \
                Take the lock through the session, or use another key.
                """,
                keys: [key]
            )
        }
    }

    // MARK: Releasing

    func unlock(_ key: LockKey, on access: SessionAccess) async throws {
        let state = try await beginTurn(on: access, keys: [key], isCancellable: false)
        defer { state.endTurn() }
        let leases = state.leases(on: key)
        guard let lease = leases.last(where: { !$0.isScoped })?.state else {
            throw LockError(
                .invalidArgument,
                leases.isEmpty
                    ? "The session does not hold the lock \(key), so it can't release it."
                    : "The session holds the lock \(key) by withLock, whose end releases it.",
                keys: [key]
            )
        }
        try await giveBack(lease, on: state)
    }

    /// Ends the scope of a lock.
    func release(_ lease: LockState, on access: SessionAccess) async throws {
        guard lease.isOpen else {
            if let loss = lease.loss { throw loss }
            return
        }
        let state: CheckedOutConnection
        do {
            state = try await beginTurn(on: access, keys: [lease.key], isCancellable: false)
        } catch {
            // The end of a session releases everything.
            guard access.ending.loss != nil else { return }
            throw lease.loss ?? error
        }
        defer { state.endTurn() }
        try await giveBack(lease, on: state)
    }

    private func giveBack(_ lease: LockState, on state: CheckedOutConnection) async throws {
        guard let isLast = state.remove(lease) else { return }
        noteExpiry(of: [lease])
        _ = lease.beginRelease()
        if isLast { try await unlock(lease, on: state) }
        if let loss = lease.loss { throw loss }
    }

    private func unlock(_ lease: LockState, on state: CheckedOutConnection) async throws {
        let outcome = await carryOut(on: state) { $0.unlock(lease.key.advisory, now: $1) }
        guard case .done = outcome else { throw error(for: outcome, keys: [lease.key], on: state) }
    }

    // MARK: Ending

    func endSession(_ access: SessionAccess) async throws {
        guard let state = checkedOut[access.connection], state.ending === access.ending else {
            if let loss = access.ending.loss { throw loss }
            return
        }
        // From here on nothing new begins. What a task that outlives the body has begun is ended.
        _ = state.ending.beginRelease()
        state.beginEnd()
        if let running = state.running { cancel(running) }
        await lastTurn(on: state)
        defer { state.endTurn() }
        let keys = state.heldKeys
        let leases = state.takeLeases()
        noteExpiry(of: leases)
        for lease in leases { _ = lease.beginRelease() }
        let outcome = await carryOut(on: state) { $0.end(now: $1) }
        takeBack(state)
        guard case .done = outcome else { throw error(for: outcome, keys: keys, on: state) }
        if let loss = leases.lazy.compactMap(\.loss).first { throw loss }
    }
}
