extension LockManager {
    /// Takes a lock, runs the body, and releases the lock, also if the body throws.
    ///
    /// The body runs in the caller's isolation and may use whatever its surroundings may use. If the lock is lost while it
    /// runs, the body's task is cancelled, and the loss is thrown whatever the body returns or throws.
    ///
    /// Cancelling the calling task ends the wait at once, or cancels the body. A task that asks again for a lock that its
    /// own `withLock` holds gets ``LockError/Code/alreadyHeld`` instead of waiting for itself; shared locks may be taken
    /// again.
    ///
    /// - Parameters:
    ///   - key: What to lock. A `String` will do.
    ///   - mode: Alone, or together with other shared holders.
    ///   - timeout: How long to wait, connecting included. `.zero` waits for the server's answer only, up to
    ///     ``Configuration/Timeouts/unreachable``. `nil` waits without limit, except inside another scope of a lock, session or
    ///     transaction, where ``Configuration/Timeouts/nested`` applies.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets a view of the lock.
    /// - Returns: What the body returns.
    /// - Throws: What the body throws; `CancellationError` if the task was cancelled while it waited; ``LockError``, above
    ///   all with ``LockError/Code/timedOut`` if the lock is taken, ``LockError/Code/noAnswer`` if the deadline came before the server
    ///   said so, ``LockError/Code/cannotConnect`` and ``LockError/Code/lockLost``.
    @discardableResult
    @inlinable
    public func withLock<Result>(
        _ key: LockKey,
        mode: LockMode = .exclusive,
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Result
    ) async throws -> Result {
        var result: Result?
        try await holdWhenGranted(key, mode, timeout, isolation) { result = try await body($0) }
        guard let result else { preconditionFailure("The body has neither returned nor thrown.") }
        return result
    }

    /// Takes a lock if it is free, runs the body, and releases the lock, also if the body throws. If the lock is taken, the body does
    /// not run.
    ///
    /// Waits for the server's answer, up to ``Configuration/Timeouts/unreachable``, but not for the lock. Otherwise as
    /// ``withLock(_:mode:timeout:isolation:_:)``.
    ///
    /// - Parameters:
    ///   - key: What to lock. A `String` will do.
    ///   - mode: Alone, or together with other shared holders.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets a view of the lock.
    /// - Returns: What the body returns; `nil` if another holder has the lock, or a task of this process waits for it.
    /// - Throws: What the body throws; `CancellationError` if the task was cancelled before the lock was taken; ``LockError`` if the
    ///   server could not be asked, or if the lock is lost.
    @discardableResult
    @inlinable
    public func withLockIfAvailable<Result>(
        _ key: LockKey,
        mode: LockMode = .exclusive,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Result
    ) async throws -> Result? {
        var result: Result?
        try await holdIfAvailable(key, mode, isolation) { result = try await body($0) }
        return result
    }

    /// Takes a lock, waiting for it if need be.
    ///
    /// Prefer ``withLock(_:mode:timeout:isolation:_:)``, which can't forget to release it.
    ///
    /// Cancelling the task ends the wait at once. If the server grants the lock in that very moment, it is released.
    ///
    /// A handle is not bound to a task. So a task that asks for the key of a handle that it has waits for itself, and
    /// ``Configuration/Timeouts/nested`` does not apply: give a timeout.
    ///
    /// - Parameters:
    ///   - key: What to lock. A `String` will do.
    ///   - mode: Alone, or together with other shared holders.
    ///   - timeout: As for ``withLock(_:mode:timeout:isolation:_:)``.
    /// - Returns: The held lock. Dropping it releases the lock.
    /// - Throws: `CancellationError` if the task was cancelled; ``LockError`` otherwise.
    public nonisolated(nonsending) func acquire(
        _ key: LockKey,
        mode: LockMode = .exclusive,
        timeout: Duration? = nil
    ) async throws -> LockHandle {
        LockHandle(try await driver.waitForLock(key, mode, timeout, observation), driver: driver)
    }

    /// Takes a lock if it is free.
    ///
    /// Prefer ``withLockIfAvailable(_:mode:isolation:_:)``, which can't forget to release it.
    ///
    /// Waits for the server's answer, up to ``Configuration/Timeouts/unreachable``, but not for the lock. Cancelling the task ends
    /// that wait at once.
    ///
    /// - Parameters:
    ///   - key: What to lock. A `String` will do.
    ///   - mode: Alone, or together with other shared holders.
    /// - Returns: The held lock, or `nil` if another holder has it, or a task of this process waits for it.
    /// - Throws: `CancellationError` if the task was cancelled; ``LockError`` if the server could not be asked.
    public nonisolated(nonsending) func tryAcquire(_ key: LockKey, mode: LockMode = .exclusive) async throws -> LockHandle? {
        guard let state = try await driver.obtain(key, mode, timeout: nil, noWait: true, observation) else { return nil }
        return LockHandle(state, driver: driver)
    }

    // MARK: One of several

    /// Takes one of several locks, the first that is free, runs the body, and releases the lock, also if the body throws.
    ///
    /// ```swift
    /// try await locks.withLock(anyOf: ["printer:1", "printer:2", "printer:3"]) { lock in
    ///     print("printing on \(lock.key)")
    ///     try await work()
    /// }
    /// ```
    ///
    /// Never more than one is taken, and which one is left to chance. If none is free, all are tried again, four times a second at least, and a lock
    /// that another task of this process releases is passed on at once. Calls of other processes may come ahead, those of this process for the
    /// same keys are served in their order. A key that other tasks of this process wait for is theirs first.
    ///
    /// Otherwise as ``withLock(_:mode:timeout:isolation:_:)``. A key that the task holds already is left out.
    ///
    /// - Parameters:
    ///   - keys: At least one. A key that is named twice counts once.
    ///   - mode: Alone, or together with other shared holders.
    ///   - timeout: As for ``withLock(_:mode:timeout:isolation:_:)``.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets a view of the lock, whose ``HeldLock/key`` says which one it is.
    /// - Returns: What the body returns.
    /// - Throws: As ``withLock(_:mode:timeout:isolation:_:)``; ``LockError`` with the code ``LockError/Code/invalidArgument`` if there is no key.
    @discardableResult
    public func withLock<Result>(
        anyOf keys: [LockKey],
        mode: LockMode = .exclusive,
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Result
    ) async throws -> Result {
        let state = try await driver.waitForAny(of: keys, mode, timeout, observation)
        return try await hold([state], HeldLock(state: state), isolation, body)
    }

    /// Takes one of several locks if one is free, runs the body, and releases the lock, also if the body throws. If all are taken, the body
    /// does not run.
    ///
    /// Waits for the server's answer, up to ``Configuration/Timeouts/unreachable``, but not for a lock. Otherwise as
    /// ``withLock(anyOf:mode:timeout:isolation:_:)``.
    ///
    /// - Parameters:
    ///   - keys: At least one.
    ///   - mode: Alone, or together with other shared holders.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets a view of the lock.
    /// - Returns: What the body returns; `nil` if each lock has another holder, or a task of this process waits for it.
    /// - Throws: What the body throws; `CancellationError` if the task was cancelled before a lock was taken; ``LockError`` if the server could
    ///   not be asked, or if the lock is lost.
    @discardableResult
    public func withLockIfAvailable<Result>(
        anyOf keys: [LockKey],
        mode: LockMode = .exclusive,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Result
    ) async throws -> Result? {
        guard let state = try await driver.obtainAny(of: keys, mode, timeout: nil, noWait: true, observation) else { return nil }
        return try await hold([state], HeldLock(state: state), isolation, body)
    }

    /// Takes one of several locks, the first that is free, waiting if need be.
    ///
    /// Prefer ``withLock(anyOf:mode:timeout:isolation:_:)``, which can't forget to release it. Otherwise as ``acquire(_:mode:timeout:)``.
    ///
    /// - Parameters:
    ///   - keys: At least one.
    ///   - mode: Alone, or together with other shared holders.
    ///   - timeout: As for ``withLock(_:mode:timeout:isolation:_:)``.
    /// - Returns: The held lock, whose ``LockHandle/key`` says which one it is. Dropping it releases the lock.
    /// - Throws: `CancellationError` if the task was cancelled; ``LockError`` otherwise.
    public nonisolated(nonsending) func acquire(
        anyOf keys: [LockKey],
        mode: LockMode = .exclusive,
        timeout: Duration? = nil
    ) async throws -> LockHandle {
        LockHandle(try await driver.waitForAny(of: keys, mode, timeout, observation), driver: driver)
    }

    /// Takes one of several locks if one is free.
    ///
    /// Prefer ``withLockIfAvailable(anyOf:mode:isolation:_:)``, which can't forget to release it. Otherwise as ``tryAcquire(_:mode:)``.
    ///
    /// - Parameters:
    ///   - keys: At least one.
    ///   - mode: Alone, or together with other shared holders.
    /// - Returns: The held lock, or `nil` if each has another holder, or a task of this process waits for it.
    /// - Throws: `CancellationError` if the task was cancelled; ``LockError`` if the server could not be asked.
    public nonisolated(nonsending) func tryAcquire(anyOf keys: [LockKey], mode: LockMode = .exclusive) async throws -> LockHandle? {
        guard let state = try await driver.obtainAny(of: keys, mode, timeout: nil, noWait: true, observation) else { return nil }
        return LockHandle(state, driver: driver)
    }

    // MARK: Holding

    // The generic part of the functions above is compiled into their callers, where the types are known. What it calls is not generic: generic
    // code looks types up at run time, and allocates each of its variables.

    @usableFromInline
    func holdWhenGranted(
        _ key: LockKey,
        _ mode: LockMode,
        _ timeout: Duration?,
        _ isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Void
    ) async throws {
        try await hold(try await driver.waitForLock(key, mode, timeout, observation), isolation, body)
    }

    /// If the lock is taken, the body does not run.
    @usableFromInline
    func holdIfAvailable(
        _ key: LockKey,
        _ mode: LockMode,
        _ isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Void
    ) async throws {
        guard let state = try await driver.obtain(key, mode, timeout: nil, noWait: true, observation) else { return }
        try await hold(state, isolation, body)
    }

    /// Runs the body under a lock that was taken for it, and releases the lock.
    ///
    /// Not inlined: its variables would be part of the memory of each task that waits for its lock.
    @inline(never)
    private func hold(
        _ state: LockState,
        _ isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Void
    ) async throws {
        try await hold([state], isolation) { try await body(HeldLock(state: state)) }
    }

    /// The same for several locks.
    func hold<Result, View>(
        _ states: [LockState],
        _ view: View,
        _ isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) (View) async throws -> Result
    ) async throws -> Result {
        var result: Result?
        try await hold(states, isolation) { result = try await body(view) }
        return ScopedBody.returned(result)
    }

    private func hold(
        _ states: [LockState],
        _ isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) () async throws -> Void
    ) async throws {
        let scope = ScopedBody(driver: driver, states: states, kind: .lock, call: states.first?.observed)
        try await scope.run(isolation, body) { try await driver.release(states) }
    }
}

// Names as keys.
extension LockManager {
    /// See ``withLock(_:mode:timeout:isolation:_:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    @discardableResult
    @inlinable
    public func withLock<Result>(
        _ name: some StringProtocol,
        mode: LockMode = .exclusive,
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Result
    ) async throws -> Result {
        try await withLock(LockKey(String(name)), mode: mode, timeout: timeout, isolation: isolation, body)
    }

    /// See ``withLockIfAvailable(_:mode:isolation:_:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    @discardableResult
    @inlinable
    public func withLockIfAvailable<Result>(
        _ name: some StringProtocol,
        mode: LockMode = .exclusive,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Result
    ) async throws -> Result? {
        try await withLockIfAvailable(LockKey(String(name)), mode: mode, isolation: isolation, body)
    }

    /// See ``acquire(_:mode:timeout:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    public nonisolated(nonsending) func acquire(
        _ name: some StringProtocol,
        mode: LockMode = .exclusive,
        timeout: Duration? = nil
    ) async throws -> LockHandle {
        try await acquire(LockKey(String(name)), mode: mode, timeout: timeout)
    }

    /// See ``tryAcquire(_:mode:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    public nonisolated(nonsending) func tryAcquire(_ name: some StringProtocol, mode: LockMode = .exclusive) async throws -> LockHandle? {
        try await tryAcquire(LockKey(String(name)), mode: mode)
    }

    /// See ``withLock(anyOf:mode:timeout:isolation:_:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    @discardableResult
    public func withLock<Result>(
        anyOf names: [some StringProtocol],
        mode: LockMode = .exclusive,
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Result
    ) async throws -> Result {
        try await withLock(anyOf: names.map { LockKey(String($0)) }, mode: mode, timeout: timeout, isolation: isolation, body)
    }

    /// See ``withLockIfAvailable(anyOf:mode:isolation:_:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    @discardableResult
    public func withLockIfAvailable<Result>(
        anyOf names: [some StringProtocol],
        mode: LockMode = .exclusive,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Result
    ) async throws -> Result? {
        try await withLockIfAvailable(anyOf: names.map { LockKey(String($0)) }, mode: mode, isolation: isolation, body)
    }

    /// See ``acquire(anyOf:mode:timeout:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    public nonisolated(nonsending) func acquire(
        anyOf names: [some StringProtocol],
        mode: LockMode = .exclusive,
        timeout: Duration? = nil
    ) async throws -> LockHandle {
        try await acquire(anyOf: names.map { LockKey(String($0)) }, mode: mode, timeout: timeout)
    }

    /// See ``tryAcquire(anyOf:mode:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    public nonisolated(nonsending) func tryAcquire(
        anyOf names: [some StringProtocol],
        mode: LockMode = .exclusive
    ) async throws -> LockHandle? {
        try await tryAcquire(anyOf: names.map { LockKey(String($0)) }, mode: mode)
    }
}
