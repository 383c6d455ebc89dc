import LockCore

// What the handles of transactions and explicit sessions ask for.
extension SessionDriver {
    // MARK: Statements

    /// Runs the body's own SQL.
    ///
    /// - Parameter mayLock: Whether it may take locks, which are to be looked after.
    func run(_ sql: String, _ parameters: [SQLParameter], mayLock: Bool = false) async throws -> any StatementRows {
        let body = BodyStatement(sql: sql, parameters: parameters)
        if let obstacle = body.obstacle { throw obstacle }
        try await beginAccess()
        defer { endAccess() }
        let (outcome, rows) = await perform(body: body) { $0.run(sql, mayLock: mayLock, now: $1) }
        guard case .done = outcome else { throw error(for: outcome) }
        guard let rows else { throw LockError(.statementFailed, "The statement is empty, or not one that returns.") }
        return rows
    }

    /// Runs the body's own SQL in a span, if statements have spans.
    nonisolated(nonsending) func run(
        _ sql: String,
        _ parameters: [SQLParameter],
        _ observation: Observation?
    ) async throws -> any StatementRows {
        let span: CallSpan? = observation?.tracing?.begin(sql)
        do {
            let rows = try await run(sql, parameters)
            span?.end(nil, nil)
            return rows
        } catch {
            span?.end(nil, error)
            throw error
        }
    }

    /// A `ConnectionLock` on the transaction has taken its lock.
    func noteLock(_ key: LockKey, _ mode: LockMode) {
        guard (try? requireOpen()) != nil else { return }
        note(key)
        machine.noteLock(key.advisory, mode.core)
        performEvents()
    }

    /// Has the transaction rolled back at its end, also if its body handles the error that was the reason for it.
    func markRollbackOnly() throws {
        try requireOpen()
        machine.markRollbackOnly()
    }

    // MARK: Locks of a transaction

    /// Takes a further lock, until the end of the transaction.
    ///
    /// - Returns: Whether it was taken; `false` only for a call that does not wait.
    func lock(_ key: LockKey, _ mode: LockMode, timeout: Duration?, noWait: Bool) async throws -> Bool {
        // The key of the first lock is no conflict: PostgreSQL grants a session again what it holds.
        if first?.key != key { _ = try lockDriver.check(key, mode, timeout: timeout) }
        let limit = WaitLimit(timeout, noWait: noWait, isNested: true, lockDriver.configuration.timeouts, now: lockDriver.now)
        try await beginAccess(keys: [key], limit: limit)
        defer { endAccess() }
        return try await take(key, mode, limit, noWait: noWait) != .refused
    }

    private func take(_ key: LockKey, _ mode: LockMode, _ limit: WaitLimit, noWait: Bool) async throws -> CheckedOutSession.Outcome {
        note(key)
        let outcome = await perform { [waitsPlainly] in
            $0.lock(key.advisory, mode.core, deadline: limit.deadline, noWait: noWait, waitsPlainly: waitsPlainly, now: $1)
        }
        switch outcome {
        case .locked, .refused: return outcome
        default: throw naming(certainKeys, in: error(for: outcome, keys: [key], limit: limit.length))
        }
    }

    // MARK: Locks of an explicit session

    /// The error for a lock that is taken, of a call that does not wait.
    func taken(_ key: LockKey) -> any Error {
        naming(isCheckedOut ? certainKeys : [], in: lockDriver.taken([key]))
    }

    /// - Returns: `nil` if the lock is taken, and the call does not wait.
    func obtain(_ key: LockKey, _ mode: LockMode, timeout: Duration?, noWait: Bool, isScoped: Bool) async throws -> LockState? {
        _ = try lockDriver.check(key, mode, timeout: timeout, session: modes)
        let isInside = EnclosingLock.all.contains { $0.state.isOpen && $0.state !== ending }
        try requireOpen()
        func makeLimit() -> WaitLimit {
            let isNested = isInside || !machine.holdings.isEmpty
            return WaitLimit(timeout, noWait: noWait, isNested: isNested, lockDriver.configuration.timeouts, now: lockDriver.now)
        }
        var limit = makeLimit()
        try await beginAccess(keys: [key], limit: limit)
        defer { endAccess() }
        let lock = LockState(key: key, mode: mode)
        if let held = machine.holdings[key.advisory] {
            guard held == .shared, mode == .shared else { throw alreadyHeld(key, LockMode(core: held)) }
            lock.token = locks(on: key).first?.state.token
        } else {
            // Another task may have taken a lock meanwhile.
            if limit.duration == nil { limit = makeLimit() }
            guard case .locked(let position) = try await take(key, mode, limit, noWait: noWait) else { return nil }
            lock.token = position.map(token)
            try requireOpen()
        }
        lock.grantedAt = lockDriver.now
        lock.validity = ending.validity
        add(lock, isScoped: isScoped)
        return lock
    }

    private func token(_ position: WALPosition) -> FencingToken {
        lockDriver.assumeIsolated { $0.transport.note(position) }
        return FencingToken(position, index: 0)
    }

    /// Releases a lock that has no scope.
    func unlock(_ key: LockKey) async throws {
        try await beginAccess(keys: [key], isCancellable: false)
        defer { endAccess() }
        let held = locks(on: key)
        guard let lock = held.last(where: { !$0.isScoped })?.state else {
            throw LockError(
                .invalidArgument,
                held.isEmpty
                    ? "The session does not hold the lock \(key), so it can't release it."
                    : "The session holds the lock \(key) by withLock, whose end releases it.",
                keys: [key]
            )
        }
        try await giveBack(lock)
    }

    /// Ends the scope of a lock.
    func release(_ lock: LockState) async throws {
        guard lock.isOpen else {
            if let loss = lock.loss { throw loss }
            return
        }
        do {
            try await beginAccess(keys: [lock.key], isCancellable: false)
        } catch {
            // The end of the session releases everything.
            guard ending.loss != nil else { return }
            throw lock.loss ?? error
        }
        defer { endAccess() }
        try await giveBack(lock)
    }

    private func giveBack(_ lock: LockState) async throws {
        guard let isLast = remove(lock) else { return }
        lockDriver.noteExpiry(of: [lock])
        _ = lock.beginRelease()
        if isLast {
            let outcome = await perform { $0.unlock(lock.key.advisory, now: $1) }
            guard case .done = outcome else { throw error(for: outcome, keys: [lock.key]) }
        }
        if let loss = lock.loss { throw loss }
    }

    // MARK: Ending

    func commit() async throws {
        let outcome = try await endTransaction { $0.commit(now: $1) }
        guard case .commitAnswered(tag: "COMMIT") = outcome else { throw error(for: outcome) }
    }

    /// - Returns: Whether the transaction had failed by one of its statements.
    func rollBack() async -> Bool {
        do {
            _ = try await endTransaction { $0.rollBack(now: $1) }
            return machine.isAborted
        } catch {
            // The session is lost, and the transaction with it.
            return false
        }
    }

    private func endTransaction(
        _ end: (inout CheckedOutSession, Instant) -> CheckedOutSession.Step
    ) async throws -> CheckedOutSession.Outcome {
        if (try? requireOpen()) != nil { beginEnd() }
        do {
            try await beginAccess(isCancellable: false)
        } catch {
            await Self.leaveQueue(first, on: lockDriver)
            throw error
        }
        defer { endAccess() }
        // The server releases the lock before it answers.
        _ = ending.beginRelease()
        let outcome = await perform(end)
        giveBack()
        await Self.leaveQueue(first, on: lockDriver)
        return outcome
    }

    func endSession() async throws {
        guard isCheckedOut else {
            if let loss = ending.loss { throw loss }
            return
        }
        _ = ending.beginRelease()
        beginEnd()
        await beginLastAccess()
        defer { endAccess() }
        let keys = heldKeys
        let locks = takeLocks()
        lockDriver.noteExpiry(of: locks)
        for lock in locks { _ = lock.beginRelease() }
        let outcome = await perform { $0.end(now: $1) }
        giveBack()
        guard case .done = outcome else { throw error(for: outcome, keys: keys) }
        if let loss = locks.lazy.compactMap(\.loss).first { throw loss }
    }
}
