import LockCore

// Checking sessions out.
extension SessionDriver {
    /// Begins a transaction, with its first lock if there is a key.
    static func beginTransaction(
        _ key: LockKey?,
        _ mode: LockMode,
        _ timeout: Duration?,
        on lockDriver: isolated LockDriver
    ) async throws -> SessionDriver {
        #if ServiceLifecycleSupport
            if lockDriver.endsWait(timeout) {
                return try await lockDriver.endingWait(for: key.map { [$0] } ?? [], timeout) {
                    try await beginTransaction(key, mode, $0, on: lockDriver)
                }
            }
        #endif
        try Task.checkCancellation()
        if let key { _ = try lockDriver.check(key, mode, timeout: timeout) }
        let (limit, noWait) = try waitLimit(timeout, .transaction, on: lockDriver)
        var keepingTime = Duration.seconds(1)
        var wait = Duration.zero
        while true {
            let first = try await enterQueue(of: key, mode, limit, noWait: noWait, on: lockDriver)
            do {
                let driver = try await checkOut(
                    for: .transaction,
                    first,
                    limit,
                    noWait: noWait,
                    keepingFor: keepingTime,
                    addingTo: &wait,
                    on: lockDriver
                )
                if let driver {
                    try await driver.open(limit, noWait: noWait)
                    return driver
                }
            } catch {
                await leaveQueue(first, on: lockDriver)
                throw error
            }
            // Other calls come first now. Next time this call keeps its queue position for longer.
            await leaveQueue(first, on: lockDriver)
            keepingTime = min(keepingTime * 2, .seconds(60))
        }
    }

    /// Begins an explicit session.
    static func beginSession(_ timeout: Duration?, on lockDriver: isolated LockDriver) async throws -> SessionDriver {
        #if ServiceLifecycleSupport
            if lockDriver.endsWait(timeout) {
                return try await lockDriver.endingWait(for: [], timeout) { try await beginSession($0, on: lockDriver) }
            }
        #endif
        try Task.checkCancellation()
        let (limit, noWait) = try waitLimit(timeout, .session, on: lockDriver)
        var wait = Duration.zero
        guard let driver = try await checkOut(for: .session, nil, limit, noWait: noWait, addingTo: &wait, on: lockDriver) else {
            throw LockError.unfitting([])
        }
        return driver
    }

    private static func waitLimit(
        _ timeout: Duration?,
        _ scope: CheckedOutSession.Scope,
        on lockDriver: isolated LockDriver
    ) throws -> (WaitLimit, noWait: Bool) {
        if let timeout, timeout < .zero {
            throw LockError(.invalidArgument, "The timeout of the \(scope.rawValue) is negative (\(timeout)).")
        }
        let (noWait, isNested) = (timeout == .zero, EnclosingLock.isInside)
        return (WaitLimit(timeout, noWait: noWait, isNested: isNested, lockDriver.configuration.timeouts, now: lockDriver.now), noWait)
    }

    /// Waits for a session.
    ///
    /// - Parameters:
    ///   - first: The lock that the transaction is begun with, whose queue position the call keeps meanwhile.
    ///   - noWait: Waits only for the server, up to the limit, and not until another call gives a session back.
    ///   - keepingTime: How long the queue position is kept if other calls of the process wait behind it.
    ///   - wait: How long the call has waited for a session so far, if metrics are recorded.
    /// - Returns: `nil` if the queue position is to be given up, and everything to be tried anew.
    private static func checkOut(
        for scope: CheckedOutSession.Scope,
        _ first: LockState?,
        _ limit: WaitLimit,
        noWait: Bool,
        keepingFor keepingTime: Duration = .zero,
        addingTo wait: inout Duration,
        on lockDriver: isolated LockDriver
    ) async throws -> SessionDriver? {
        let keys = first.map { [$0.key] } ?? []
        let databaseName = lockDriver.databaseName
        let begun: Instant? = lockDriver.reports == nil ? nil : lockDriver.now
        let outcome = await lockDriver.callOnLoop { engine, id, now in
            let turn = noWait ? nil : first.map { (id: $0.id, until: now.advanced(by: keepingTime)) }
            engine.checkOut(id, deadline: limit.deadline, noWait: noWait, turn: turn, now: now)
        }
        if let begun { wait += begun.duration(to: lockDriver.now) }
        if case .ended(.timedOut) = outcome { lockDriver.counts.checkOutTimeouts += 1 }
        switch outcome {
        case .checkedOut(let id):
            // The session can have been lost before this task came to run.
            if let loss = lockDriver.lostSessions.removeValue(forKey: id) { throw LockError(loss, keys: keys, databaseName: databaseName) }
            guard let facts = lockDriver.sessions[id] else { throw LockError(.gone, keys: keys, databaseName: databaseName) }
            let driver = SessionDriver(
                id,
                scope,
                first: first,
                lockDriver.configuration.checkedOut(for: scope, facts),
                validity: lockDriver.validities[id],
                lockDriver: lockDriver
            )
            lockDriver.checkedOut[id] = driver
            lockDriver.reports?.connectionTimes.noteCheckedOut(id, afterWaiting: wait, now: lockDriver.now)
            return driver
        case .ended(.yielded):
            return nil
        case .refused, .ended(.timedOut(nil)):
            let reason = noWait ? "a timeout of zero does not wait" : "none became free within \((limit.duration ?? .zero).shown)"
            throw poolExhausted(scope, keys, reason, on: lockDriver)
        default:
            throw lockDriver.error(for: outcome, keys: keys, limit: limit.length)
        }
    }

    /// - Parameter wait: Says how the call has waited.
    private static func poolExhausted(
        _ scope: CheckedOutSession.Scope,
        _ keys: [LockKey],
        _ wait: String,
        on lockDriver: isolated LockDriver
    ) -> LockError {
        let all = "All connections to \(lockDriver.databaseName) that a \(scope.rawValue) can use are in use"
        let own = lockDriver.enclosing.count(where: \.hasSession)
        let message =
            own == 0
            ? "\(all) by other tasks, and \(wait). Use them for shorter, or raise pool.maximumConnections."
            : """
            \(all), \(own) of them by scopes around this task (withTransaction, withSession), which hold them until they end; and \(wait). \
            Use the transaction or session of such a scope instead of another one inside it, or raise pool.maximumConnections.
            """
        return LockError(.poolExhausted, message, keys: keys)
    }

    // MARK: The key's queue in the process

    /// Waits in memory, without a session, until no other call of this process comes first.
    private static func enterQueue(
        of key: LockKey?,
        _ mode: LockMode,
        _ limit: WaitLimit,
        noWait: Bool,
        on lockDriver: isolated LockDriver
    ) async throws -> LockState? {
        guard let key else { return nil }
        let first = LockState(key: key, mode: mode)
        let request = LockTable.Request(key.advisory, mode.core, scope: .transaction, noWait: noWait)
        let outcome = await lockDriver.callOnLoop(first) { $0.acquire($1, request, deadline: limit.deadline, now: $2) }
        switch outcome {
        case .granted: return first
        case .refused: throw lockDriver.taken([key])
        default: throw lockDriver.error(for: outcome, keys: [key], limit: limit.length)
        }
    }

    static func leaveQueue(_ first: LockState?, on lockDriver: isolated LockDriver) async {
        guard let first else { return }
        first.end(nil)
        _ = await lockDriver.callOnLoop(first, isCancellable: false) { $0.release($1, now: $2) }
    }

    // MARK: Opening

    private func open(_ limit: WaitLimit, noWait: Bool) async throws {
        let outcome = await perform { [waitsPlainly] in
            $0.open(deadline: limit.deadline, noWait: noWait, waitsPlainly: waitsPlainly, now: $1)
        }
        switch outcome {
        case .done, .locked:
            hasBegun = true
        default:
            giveBack()
            throw error(for: outcome, keys: first.map { [$0.key] } ?? [], limit: limit.length)
        }
    }
}
