// Scopes that have a session of their own: explicit sessions, and transactions.
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

extension LockManager {
    /// Runs the body in a transaction, which holds a lock from its beginning to its end.
    ///
    /// The transaction is committed when the body returns, and rolled back when it throws. The lock ends with the transaction, and not
    /// before, so it protects the transaction's own writes. When a statement fails or is cancelled, PostgreSQL releases the lock at once,
    /// unless the body has set a savepoint before. Then the body is cancelled as if the lock was lost, and its error is thrown. The
    /// transaction has a connection of its own; the call waits until the pool has one.
    ///
    /// Cancelling the calling task ends the wait at once, or cancels the body and the statement that it runs. A commit that has begun is
    /// not cancelled; it has a limit, ``Configuration/Timeouts/commit``.
    ///
    /// The transaction has the default isolation level of the role or the database, usually `READ COMMITTED`. At a higher level the
    /// snapshot is older than the lock: the transaction does not see what the previous holder has changed, and fails with `40001` if it
    /// changes that, too. In this case take the lock around the transaction, by ``withLock(_:mode:timeout:isolation:_:)``.
    ///
    /// The role's time limits for statements and transactions do not apply, since they would end waits. Set your own by
    /// `SET LOCAL statement_timeout`.
    ///
    /// The role's settings for the text form of values (the style of `DateStyle`, `IntervalStyle`, `bytea_output`, `extra_float_digits`)
    /// do not apply either, so that values can be decoded.
    ///
    /// What the body has set for the session (`SET`, temporary tables, `LISTEN`, …) does not outlast the transaction.
    ///
    /// - Parameters:
    ///   - key: What to lock; `nil` locks nothing at first.
    ///   - mode: Alone, or together with other shared holders.
    ///   - timeout: How long to wait for the lock and for a connection, all together. `.zero` waits for no other holder of the lock or
    ///     of a connection, but for the server, up to ``Configuration/Timeouts/unreachable``. `nil` as for
    ///     ``withLock(_:mode:timeout:isolation:_:)``.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets the transaction. Runs as the body of ``withLock(_:mode:timeout:isolation:_:)`` does.
    /// - Returns: What the body returns, once the commit has been confirmed.
    /// - Throws: What the body throws; `CancellationError`; ``LockError``, among others with ``LockError/Code/timedOut`` if the lock is
    ///   taken, ``LockError/Code/poolExhausted`` if the connections are, ``LockError/Code/noAnswer``, and with the code
    ///   ``LockError/Code/commitOutcomeUnknown`` if the connection was lost during the commit, or the server did not answer it in time:
    ///   look at the data before you repeat the call.
    @discardableResult
    public func withTransaction<Result>(
        locking key: LockKey? = nil,
        mode: LockMode = .exclusive,
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (LockTransaction) async throws -> Result
    ) async throws -> Result {
        try await LockTransaction.run(
            over: driver,
            observation,
            locking: key,
            mode: mode,
            timeout: timeout,
            isolation: isolation,
            body
        )
    }

    /// See ``withTransaction(locking:mode:timeout:isolation:_:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    @discardableResult
    public func withTransaction<Result>(
        locking name: some StringProtocol,
        mode: LockMode = .exclusive,
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (LockTransaction) async throws -> Result
    ) async throws -> Result {
        try await withTransaction(locking: LockKey(String(name)), mode: mode, timeout: timeout, isolation: isolation, body)
    }
}
