extension LockManager {
    /// Runs the body in a transaction, which holds a lock from its beginning to its end.
    ///
    /// The transaction is committed when the body returns, and rolled back when it throws. Its lock ends with it, never
    /// before: that is what guards the transaction's own writes best. A statement that fails, or is cancelled, ends both, unless the
    /// body has set a savepoint before: PostgreSQL releases the lock at once. Then the body is cancelled as upon a loss, and what it throws
    /// is thrown. The transaction has a connection of its own; while
    /// the pool has none to spare, the call waits.
    ///
    /// Cancelling the calling task ends the wait at once, or cancels the body, and what it runs on the server. A commit
    /// that has begun is not cancelled, but it is not waited for without limit either: see
    /// ``Configuration/Timeouts/commit``.
    ///
    /// The transaction has the isolation level that the role or the database has for default, `READ COMMITTED` unless they say
    /// otherwise. At a higher one the snapshot is older than the lock: what the last holder has changed is not seen, and to change
    /// it again fails (`40001`). Take the lock around the transaction then: ``withLock(_:mode:timeout:isolation:_:)``, with the
    /// transaction inside.
    ///
    /// The role's time limits for statements and transactions do not apply, since they would end waits: set one for your own by
    /// `SET LOCAL statement_timeout`.
    ///
    /// Nor do the role's settings for the form of values (the style of `DateStyle`, `IntervalStyle`, `bytea_output`,
    /// `extra_float_digits`), so that values can be decoded.
    ///
    /// What the body has set for the session (`SET`, temporary tables, `LISTEN`, …) does not outlast the transaction.
    ///
    /// - Parameters:
    ///   - key: What to lock; `nil` locks nothing at first.
    ///   - mode: Alone, or together with other shared holders.
    ///   - timeout: How long to wait for the lock and for a connection, all together. `.zero` waits for no other holder, of the
    ///     lock or of a connection, but for the server, up to ``Configuration/Timeouts/unreachable``. `nil` as for
    ///     ``withLock(_:mode:timeout:isolation:_:)``.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets the transaction. Runs as the body of ``withLock(_:mode:timeout:isolation:_:)`` does.
    /// - Returns: What the body returns, once the commit has been confirmed.
    /// - Throws: What the body throws; `CancellationError`; ``LockError``, among others with ``LockError/Code/timedOut`` if the lock is
    ///   taken, ``LockError/Code/poolExhausted`` if the connections are, ``LockError/Code/noAnswer``, and with the code
    ///   ``LockError/Code/commitOutcomeUnknown`` if the connection went away during the commit, or nothing was answered in
    ///   time: look at the data before doing it again.
    @discardableResult
    public func withTransaction<Result>(
        locking key: LockKey? = nil,
        mode: LockMode = .exclusive,
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (LockTransaction) async throws -> Result
    ) async throws -> Result {
        try await LockTransaction.run(over: driver, locking: key, mode: mode, timeout: timeout, isolation: isolation, body)
    }
}
