extension LockManager {
    /// Runs the body with a server session of its own, for locks inside locks.
    ///
    /// ```swift
    /// try await locks.withSession { session in
    ///     try await session.withLock("accounts:1") { _ in
    ///         try await session.withLock("accounts:2") { _ in
    ///             try await transfer()
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// Locks of ``withLock(_:mode:timeout:isolation:_:)`` that are taken one inside the other live on several sessions, so
    /// that PostgreSQL can't see that two tasks wait for each other. What is locked by one session is seen: PostgreSQL ends
    /// a deadlock between sessions after its `deadlock_timeout` (1 s by default), by failing one of the waits with
    /// ``LockError/Code/deadlock``. That session goes on, and holds what it held.
    ///
    /// The session has a connection of its own; while the pool has none to spare, the call waits. When the body ends, in
    /// whatever way, everything that the session holds is released, and the connection is made as good as new before
    /// anybody else gets it.
    ///
    /// Cancelling the calling task ends the wait at once, or cancels the body. If the connection is lost, the body is
    /// cancelled, and the loss is thrown whatever the body returns or throws.
    ///
    /// - Parameters:
    ///   - timeout: How long to wait for a connection. `.zero` waits for nobody to give one back, but for the server, up to
    ///     ``Configuration/Timeouts/unreachable``. `nil` waits without limit, except inside another scope of a lock,
    ///     transaction or session, where ``Configuration/Timeouts/nested`` applies.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets the session. Runs as the body of ``withLock(_:mode:timeout:isolation:_:)`` does.
    /// - Returns: What the body returns, once everything is released.
    /// - Throws: What the body throws; `CancellationError` if the task was cancelled while it waited; ``LockError``, among
    ///   others with the codes ``LockError/Code/poolExhausted``, ``LockError/Code/lockLost`` and, if nothing was held, ``LockError/Code/connectionLost``.
    @discardableResult
    public func withSession<Result>(
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (LockSession) async throws -> Result
    ) async throws -> Result {
        let session = try await SessionDriver.beginSession(timeout, on: driver)
        let result: Result
        do {
            result = try await ScopedBody.run(
                view: LockSession(driver: session),
                leases: [session.ending],
                cancelsOnLoss: configuration.cancelsBodyOnLoss,
                isolation: isolation,
                enclosing: { [owner = ObjectIdentifier(driver)] in
                    [EnclosingLock(owner: owner, state: session.ending, kind: .session(session.modes), task: .current)]
                },
                body
            )
        } catch {
            // Looked at after the release, which may be what finds the loss.
            throw await ScopedBody.failure { try await session.endSession() }?.caused(by: error) ?? error
        }
        try await session.endSession()
        return result
    }
}
