import Logging

extension ConnectionLock {
    /// Releases the lock. Does nothing if it is not held.
    ///
    /// Cancellation has no effect: a cancelled task releases its locks, too.
    ///
    /// - Parameter isolation: The caller's, by default.
    /// - Returns: Whether the lock was held, and is not held any more. If shared holds remain, the result is false.
    /// - Throws: ``LockError`` with the code ``LockError/Code/invalidArgument`` if the lock ends with its transaction, which has
    ///   not ended; ``LockError/Code/lockLost`` if the session did not hold the lock; ``LockError/Code/notReleased`` if the server could
    ///   not be asked, or has refused: then the call can be repeated.
    @discardableResult
    public func release(isolation: isolated (any Actor)? = #isolation) async throws -> Bool {
        try begin()
        defer { end() }
        switch (state, scope) {
        case (.free, _): return false
        case (_, .transaction): return try await forgetEndedTransaction(isolation)
        case (.held(let count), _): return try await letGo(count, isolation)
        case (.unknown, _):
            let wasHeld = try await releasing(by: statements.unlockIfHeld, isolation) == true
            state = .free
            return wasHeld
        }
    }

    /// - Throws: If the transaction has not ended, since only its end releases the lock.
    private func forgetEndedTransaction(_ isolation: isolated (any Actor)?) async throws -> Bool {
        do {
            guard let mark, try await shielded.isSet(mark, isolation) else {
                state = .free
                return false
            }
        } catch  where connection.sqlState(of: error) != "25P02" {
            throw failure(error)
        }
        throw fault(
            "The lock \(key) ends with its transaction, and can't be released by hand. Commit or roll back, or use the scope .session."
        )
    }

    private func letGo(_ count: Int, _ isolation: isolated (any Actor)?) async throws -> Bool {
        guard count == 1 else {
            state = .held(count: count - 1)
            return false
        }
        guard try await releasing(by: statements.unlock, isolation) == true else {
            state = .free
            throw LockError(
                .lockLost,
                """
                The connection's session does not hold the lock \(key) any more. Either it is not the session that has acquired it, \
                since a pool or the driver has put another one in its place, or SQL has released it. Others may \
                have held the lock meanwhile: stop, and check what was done.
                """,
                keys: [key]
            )
        }
        state = .free
        logger.debug("released a lock on a connection", metadata: [LogKey.key: "\(key)"])
        return true
    }

    private func releasing(by sql: String, _ isolation: isolated (any Actor)?) async throws -> Bool? {
        do {
            return try await shielded.ask(sql, isolation)
        } catch {
            let sqlState = connection.sqlState(of: error)
            // Only after this refusal the lock is certainly still held.
            if sqlState != "25P02" { state = .unknown }
            throw LockError(
                .notReleased,
                sqlState == "25P02"
                    ? """
                    The lock \(key) is still held: the connection is in a transaction that PostgreSQL has aborted, in which nothing can \
                    be released. Roll back, then call release().
                    """
                    : """
                    The lock \(key) could not be released, and may still be held: the connection has failed, or is in a transaction that \
                    PostgreSQL has aborted. Roll back, then call release(); or close the connection.
                    """,
                sqlState: sqlState,
                keys: [key],
                underlying: error
            )
        }
    }

    /// Whether the connection's session holds the lock at present, whether this object or other SQL has taken it.
    ///
    /// The server searches its whole lock table for that, so don't call it for every statement.
    ///
    /// - Parameter isolation: The caller's, by default.
    /// - Throws: ``LockError`` if the server could not be asked.
    public func isHeld(isolation: isolated (any Actor)? = #isolation) async throws -> Bool {
        try begin()
        defer { end() }
        return try await asking(isolation) { try await self.shielded.ask(self.statements.isHeld, isolation) == true }
    }

    /// Rolls back the transaction that the connection is in, if it is in one.
    ///
    /// ``withLock(timeout:isolation:_:)`` does so when its body throws, unless ``rollsBackOnError`` is off. After
    /// ``acquire(timeout:isolation:)``, call it before the release if something in between has failed. Session locks are kept.
    ///
    /// Cancellation has no effect.
    ///
    /// - Parameter isolation: The caller's, by default.
    /// - Throws: ``LockError`` with the code ``LockError/Code/statementFailed`` if the connection could not do it.
    public func rollBack(isolation: isolated (any Actor)? = #isolation) async throws {
        try begin()
        defer { end() }
        // A ROLLBACK outside of a transaction is a warning in the server's log. In an aborted transaction the question fails.
        var isOutside = false
        do { isOutside = try await shielded.markTransaction(isolation) == nil } catch {}
        if !isOutside { try await asking(isolation) { try await self.shielded.rollBackTransaction(isolation) } }
        if scope == .transaction { state = .free }
    }
}
