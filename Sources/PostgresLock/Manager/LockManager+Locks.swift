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
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Result
    ) async throws -> Result {
        let state = try await driver.waitForLock(key, mode, timeout)
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
        LockHandle(try await driver.waitForLock(key, mode, timeout), driver: driver)
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
        guard let state = try await driver.obtain(key, mode, timeout: nil, noWait: true) else { return nil }
        return LockHandle(state, driver: driver)
    }

    // MARK: Inside

    /// Not inlined, since what it has on its stack would be on that of every task that waits for its lock.
    @inline(never)
    private func run<Result>(
        under state: LockState,
        _ isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Result
    ) async throws -> Result {
        try await ScopedBody.runAndRelease(
            view: HeldLock(state: state),
            leases: [state],
            cancelsOnLoss: configuration.cancelsBodyOnLoss,
            isolation: isolation,
            enclosing: { [owner = ObjectIdentifier(driver)] in
                [EnclosingLock(owner: owner, state: state, kind: .lock, task: .current)]
            },
            release: { try await driver.release(state) },
            body
        )
    }
}
