extension LockManager {
    /// Takes several locks, all of them or none, runs the body, and releases them, also if the body throws.
    ///
    /// ```swift
    /// try await locks.withLocks([.exclusive("account:1"), .exclusive("account:2"), .shared("rates")], timeout: .seconds(5)) { _ in
    ///     try await transfer()
    /// }
    /// ```
    ///
    /// Tasks and processes that name the same keys in different order never wait for each other in a ring: the locks are
    /// taken in one order everywhere. Free ones cost one round trip together. A key that is named twice is taken once, in
    /// the stronger of the modes.
    ///
    /// That order holds among calls that take several locks. Where the same keys are also locked by transactions, which need a
    /// connection each besides, give a timeout.
    ///
    /// The body runs as that of ``withLock(_:mode:timeout:isolation:_:)`` does. If any of the locks is lost while it runs,
    /// the body's task is cancelled, and the loss is thrown whatever the body returns or throws.
    ///
    /// Cancelling the calling task ends the wait at once, releases what was granted so far, or cancels the body. A task that
    /// asks for a lock that its own scope holds gets ``LockError/Code/alreadyHeld`` instead of waiting for itself.
    ///
    /// - Parameters:
    ///   - requests: What to lock, and how. If there are none, the body runs at once, without the server.
    ///   - timeout: As for ``withLock(_:mode:timeout:isolation:_:)``, for all of them together.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets a view of the locks.
    /// - Returns: What the body returns.
    /// - Throws: As ``withLock(_:mode:timeout:isolation:_:)``. The error names the keys that it is about.
    @discardableResult
    public func withLocks<Result>(
        _ requests: [LockRequest],
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (HeldLocks) async throws -> Result
    ) async throws -> Result {
        let states = try await driver.waitForLocks(requests, timeout, observation)
        return try await hold(states, HeldLocks(states: states), isolation, body)
    }

    /// Takes several locks if all of them are free, runs the body, and releases them, also if the body throws. If one of them is taken,
    /// the body does not run.
    ///
    /// Waits for the server's answer, up to ``Configuration/Timeouts/unreachable``, but not for the locks. Otherwise as
    /// ``withLocks(_:timeout:isolation:_:)``.
    ///
    /// - Parameters:
    ///   - requests: As for ``withLocks(_:timeout:isolation:_:)``.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets a view of the locks.
    /// - Returns: What the body returns; `nil` if one of the locks has another holder, or a task of this process waits for it.
    /// - Throws: What the body throws; `CancellationError` if the task was cancelled before the locks were taken; ``LockError`` if the
    ///   server could not be asked, or if a lock is lost.
    @discardableResult
    public func withLocksIfAvailable<Result>(
        _ requests: [LockRequest],
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (HeldLocks) async throws -> Result
    ) async throws -> Result? {
        guard let states = try await driver.tryLocks(requests, observation) else { return nil }
        return try await hold(states, HeldLocks(states: states), isolation, body)
    }

    /// Takes several locks, all of them or none.
    ///
    /// Prefer ``withLocks(_:timeout:isolation:_:)``, which can't forget to release them.
    ///
    /// Cancelling the task ends the wait at once, and releases what was granted so far.
    ///
    /// - Parameters:
    ///   - requests: As for ``withLocks(_:timeout:isolation:_:)``. Without any, the result is a handle of no locks.
    ///   - timeout: As for ``withLocks(_:timeout:isolation:_:)``.
    /// - Returns: The held locks. Dropping them releases them.
    /// - Throws: `CancellationError` if the task was cancelled; ``LockError`` otherwise.
    public nonisolated(nonsending) func acquire(
        all requests: [LockRequest],
        timeout: Duration? = nil
    ) async throws -> LockSetHandle {
        LockSetHandle(try await driver.waitForLocks(requests, timeout, observation), driver: driver)
    }

    /// Takes several locks if all of them are free.
    ///
    /// Prefer ``withLocksIfAvailable(_:isolation:_:)``, which can't forget to release them.
    ///
    /// Waits for the server's answer, but not for the locks. Cancelling the task ends that wait at once.
    ///
    /// - Parameter requests: As for ``withLocks(_:timeout:isolation:_:)``. Without any, the result is a handle of no locks.
    /// - Returns: The held locks, or `nil` if one of them has another holder, or a task of this process waits for it.
    /// - Throws: `CancellationError` if the task was cancelled; ``LockError`` if the server could not be asked.
    public nonisolated(nonsending) func tryAcquire(all requests: [LockRequest]) async throws -> LockSetHandle? {
        guard let states = try await driver.tryLocks(requests, observation) else { return nil }
        return LockSetHandle(states, driver: driver)
    }
}
