extension LockManager {
    /// Takes several locks, all of them or none, runs the body, and gives them back, also if the body throws.
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
    /// That order is one of ``withLocks(_:timeout:isolation:_:)`` among themselves. Where the same keys are also locked by
    /// transactions, which need a connection each besides, give a timeout.
    ///
    /// The body runs as that of ``withLock(_:mode:timeout:isolation:_:)`` does. If any of the locks is lost while it runs,
    /// the body's task is cancelled, and the loss is thrown whatever the body returns or throws.
    ///
    /// Cancelling the calling task ends the wait at once, gives back what was had so far, or cancels the body. A task that
    /// asks for a lock that its own scope holds gets ``LockError/Code/alreadyHeld`` instead of waiting for itself.
    ///
    /// - Parameters:
    ///   - requests: What to lock, and how. If there are none, there is nothing to wait for: the body runs at once, without
    ///     the server.
    ///   - timeout: How long to wait for all of them together, connecting included. `.zero` tries all at once, and waits for
    ///     the server only, up to ``Configuration/Timeouts/unreachable``. `nil` waits without limit, except inside another lock's body, where ``Configuration/Timeouts/nested``
    ///     applies.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets a view of the locks. Its result is passed on.
    /// - Returns: What the body returns.
    /// - Throws: What the body throws; `CancellationError` if the task was cancelled while it waited; ``LockError``, above
    ///   all with ``LockError/Code/timedOut`` if the lock is taken, ``LockError/Code/noAnswer`` if the deadline came before the server
    ///   said so, ``LockError/Code/cannotConnect`` and ``LockError/Code/lockLost``. It names the
    ///   keys that could not be had.
    @discardableResult
    public func withLocks<Result>(
        _ requests: [LockRequest],
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (HeldLocks) async throws -> Result
    ) async throws -> Result {
        let states = try await driver.waitForLocks(requests, timeout)
        return try await ScopedBody.runAndRelease(
            view: HeldLocks(states: states),
            leases: states,
            cancelsOnLoss: configuration.cancelsBodyOnLoss,
            isolation: isolation,
            enclosing: { [owner = ObjectIdentifier(driver)] in
                states.map { EnclosingLock(owner: owner, state: $0, kind: .lock, task: .current) }
            },
            release: { try await driver.release(states) },
            body
        )
    }

    /// Takes several locks, all of them or none.
    ///
    /// Prefer ``withLocks(_:timeout:isolation:_:)``, which can't forget to give them back.
    ///
    /// Cancelling the task ends the wait at once, and gives back what was had so far.
    ///
    /// - Parameters:
    ///   - requests: As for ``withLocks(_:timeout:isolation:_:)``. Without any, the result is a handle of no locks.
    ///   - timeout: As for ``withLocks(_:timeout:isolation:_:)``.
    /// - Returns: The held locks. Dropping them gives them back.
    /// - Throws: `CancellationError` if the task was cancelled; ``LockError`` otherwise.
    public nonisolated(nonsending) func acquire(
        all requests: [LockRequest],
        timeout: Duration? = nil
    ) async throws -> LockSetHandle {
        LockSetHandle(try await driver.waitForLocks(requests, timeout), driver: driver)
    }

    /// Takes several locks if all of them are free.
    ///
    /// Waits for the server's answer, but not for the locks. Cancelling the task ends that wait at once.
    ///
    /// - Parameter requests: As for ``withLocks(_:timeout:isolation:_:)``. Without any, the result is a handle of no locks.
    /// - Returns: The held locks, or `nil` if somebody else holds one of them or waits for it in this process.
    /// - Throws: `CancellationError` if the task was cancelled; ``LockError`` if the server could not be asked.
    public nonisolated(nonsending) func tryAcquire(all requests: [LockRequest]) async throws -> LockSetHandle? {
        var acquisition = try LockSetAcquisition(requests, timeout: .zero, driver: driver)
        guard case .complete = try await acquisition.run() else { return nil }
        return LockSetHandle(acquisition.states, driver: driver)
    }
}
