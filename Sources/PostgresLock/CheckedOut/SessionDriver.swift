import LockCore

/// Carries out the operations of one transaction or explicit session on the session that is checked out for it.
///
/// `CheckedOutSession` decides what is sent, and what that does to the locks. One operation runs after the other, on the event loop of the
/// lock driver. Handles keep the session driver; after the end of its scope, and after the loss of the session, it refuses every operation.
actor SessionDriver {
    /// A lock of an explicit session. If it has a scope, only the end of the scope releases it.
    typealias SessionLock = (state: LockState, isScoped: Bool)

    nonisolated let lockDriver: LockDriver
    nonisolated let id: ConnectionID
    nonisolated let scope: CheckedOutSession.Scope
    /// The lock that the transaction was begun with.
    nonisolated let first: LockState?
    /// Ends with the scope, and is lost with the session; the same as ``first`` if there is one.
    nonisolated let ending: LockState
    /// The modes in which the keys are held that were locked since the scope began.
    nonisolated let modes = HeldModes()

    var machine: CheckedOutSession
    /// Whether the transaction has begun, with its first lock if it has one.
    var hasBegun = false
    var queue = AccessQueue()
    /// The statements that run, if they can be cancelled.
    var running: PendingCall?
    /// The locks that an explicit session was granted; for the server, those on one key are one.
    private var locks: [LockKey: [SessionLock]] = [:]
    private var names: [AdvisoryKey: LockKey] = [:]

    init(
        _ id: ConnectionID,
        _ scope: CheckedOutSession.Scope,
        first: LockState?,
        _ settings: CheckedOutSession.Settings,
        validity: SessionValidity?,
        lockDriver: LockDriver
    ) {
        self.lockDriver = lockDriver
        self.id = id
        self.scope = scope
        self.first = first
        ending = first ?? LockState(key: LockKey(number: 0), mode: .shared)
        ending.validity = validity
        ending.grantedAt = lockDriver.now
        machine = CheckedOutSession(scope, first: first.map { ($0.key.advisory, $0.mode.core) }, settings)
        if let first { names[first.key.advisory] = first.key }
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { lockDriver.unownedExecutor }

    /// Whether the session is neither given back nor lost.
    var isCheckedOut: Bool { lockDriver.assumeIsolated { $0.checkedOut[id] === self } }

    // MARK: Keys

    /// Errors name a key as it was named when it was locked.
    func note(_ key: LockKey) {
        if names.count > 2 * machine.holdings.count + 16 {
            names = names.filter { machine.holdings[$0.key] != nil || $0.key == first?.key.advisory }
        }
        if names[key.advisory] == nil || machine.holdings[key.advisory] == nil && first?.key != key { names[key.advisory] = key }
    }

    func name(_ key: AdvisoryKey) -> LockKey { names[key] ?? LockKey(key) }

    /// Without the lock that the transaction begins with, until the server has granted it.
    var heldKeys: [LockKey] {
        machine.heldKeys.filter { hasBegun || $0 != first?.key.advisory }.map(name)
    }

    /// The keys that are still held for certain.
    var certainKeys: [LockKey] { machine.loss == nil && ending.isHeld ? heldKeys : [] }

    func publishModes() {
        for key in machine.takeChangedKeys() { modes[name(key)] = machine.holdings[key].map { LockMode(core: $0) } }
    }

    // MARK: Locks of an explicit session

    func add(_ lock: LockState, isScoped: Bool) {
        locks[lock.key, default: []].append((lock, isScoped))
    }

    func locks(on key: LockKey) -> [SessionLock] { locks[key] ?? [] }

    /// What is held, and since when.
    var heldLocks: [LockDriver.Held] {
        heldKeys.flatMap { key in
            var states = locks(on: key).map(\.state)
            // A further lock of a transaction has no state of its own.
            if states.isEmpty { states = [first?.key == key ? ending : LockState(key: key, mode: modes[key] ?? .exclusive)] }
            return states.map { state in
                let since = state.grantedAt ?? ending.grantedAt ?? lockDriver.now
                return LockDriver.Held(state: state, since: since, scope: scope == .session ? .session : .transaction, session: id)
            }
        }
    }

    /// What has to end for the key to be released: locks of a session, or the transaction that holds it.
    func states(on key: AdvisoryKey) -> [LockState] {
        guard machine.holdings[key] != nil || first?.key.advisory == key else { return [] }
        let locks = locks(on: name(key)).map(\.state)
        return locks.isEmpty ? [ending] : locks
    }

    /// - Returns: Whether it was the last one on its key; `nil` if it is unknown.
    func remove(_ lock: LockState) -> Bool? {
        guard let index = locks[lock.key]?.firstIndex(where: { $0.state === lock }) else { return nil }
        locks[lock.key]?.remove(at: index)
        return locks[lock.key]?.isEmpty
    }

    func takeLocks() -> [LockState] {
        defer { locks = [:] }
        return locks.sorted { $0.key.advisory < $1.key.advisory }.flatMap { $0.value.map(\.state) }
    }

    // MARK: The end

    /// The body is over: what it has begun is cancelled, and nothing more is sent for it.
    func beginEnd() {
        machine.beginEnd()
        queue.close()
        cancelStatement()
    }

    /// Ends the statement that the body runs, if it runs one.
    func cancelStatement() {
        guard let running, isCheckedOut else { return }
        lockDriver.assumeIsolated { $0.cancel(running) }
    }

    /// The session is lost, and all that was held on it.
    func lose(_ failure: Failure) {
        machine.noteLost(failure)
        let keys = machine.heldKeys.map(name)
        let inner = keys.flatMap { key in
            locks(on: key).map { (state: $0.state, error: lockDriver.lossError(failure, key: key)) }
        }
        // The scope's own first, so that its body is cancelled before the bodies inside it learn of the loss.
        LockState.end([(ending, lossError(failure, of: keys))] + inner)
        lockDriver.noteLosses(heldKeys.count, LossReason(failure))
        queue.close()
    }

    /// The scope has ended. A session that is not certainly as good as new is closed, and the server cleans up.
    func giveBack() {
        _ = ending.beginRelease()
        queue.close()
        lockDriver.assumeIsolated { [isClean = machine.isClean] in $0.takeBack(self, isClean: isClean) }
    }
}
