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
    /// Locks of ``withLock(_:mode:timeout:isolation:_:)`` that are taken one inside the other are held by several sessions, so
    /// PostgreSQL can't see that two tasks wait for each other. Between sessions it can: it ends a deadlock after its
    /// `deadlock_timeout` (1 s by default), by failing one of the waits with ``LockError/Code/deadlock``. That session goes on, and
    /// holds what it held.
    ///
    /// The session has a connection of its own; while the pool has no free one, the call waits. When the body ends, everything that
    /// the session holds is released, and the connection is reset before it is used again.
    ///
    /// Cancelling the calling task ends the wait at once, or cancels the body. If the connection is lost, the body is
    /// cancelled, and the loss is thrown whatever the body returns or throws.
    ///
    /// - Parameters:
    ///   - timeout: As for ``withLock(_:mode:timeout:isolation:_:)``; it is a connection that is waited for.
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
        let call = observation?.begin(.session, [])
        let session: SessionDriver
        do {
            session = try await SessionDriver.beginSession(timeout, on: driver)
        } catch {
            call?.ended(by: error)
            throw error
        }
        call?.granted([session.ending])
        let scope = ScopedBody(driver: driver, states: [session.ending], kind: .session(session.modes), call: call)
        return try await scope.run(LockSession(driver: session, observation: observation), isolation: isolation, body) {
            try await session.endSession()
        }
    }
}
