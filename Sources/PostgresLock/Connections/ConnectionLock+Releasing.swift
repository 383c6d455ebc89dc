import Logging

extension ConnectionLock {
    /// Releases the lock; without effect if it is not held.
    ///
    /// Not ended by cancellation: a cancelled task releases its locks all the same.
    ///
    /// - Parameter isolation: The caller's, by default.
    /// - Returns: Whether the lock was held, and is not any more: false also if shared holds remain.
    /// - Throws: ``LockError`` with the code ``LockError/Code/invalidArgument`` if the lock ends with its transaction, which has
    ///   not ended; ``LockError/Code/lockLost`` if the server knows nothing of the lock; ``LockError/Code/notReleased`` if the
    ///   server could not be asked, or refused: then it may be tried again.
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

    /// - Throws: If the transaction has not ended: nothing else releases what it has locked.
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
                since a pool or the driver has put another one in its place, or somebody has released it by SQL. Others may \
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
            // The one refusal after which it is held as before.
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

    /// Whether the connection's session holds the lock at the moment, as the server sees it, by whatever means.
    ///
    /// Looks through the server's lock table: not for every statement.
    ///
    /// - Parameter isolation: The caller's, by default.
    /// - Throws: ``LockError`` if the server could not be asked.
    public func isHeld(isolation: isolated (any Actor)? = #isolation) async throws -> Bool {
        try begin()
        defer { end() }
        do {
            return try await shielded.ask(statements.isHeld, isolation) == true
        } catch {
            throw failure(error)
        }
    }

    /// Rolls back the transaction that the connection is in, if it is in one.
    ///
    /// ``withLock(timeout:isolation:_:)`` does so when its body throws, unless ``rollsBackOnError`` is off. Those who acquire and
    /// release by hand call it before the release, when something in between has failed. Session locks are kept.
    ///
    /// Not ended by cancellation.
    ///
    /// - Parameter isolation: The caller's, by default.
    /// - Throws: ``LockError`` with the code ``LockError/Code/statementFailed`` if the connection could not do it.
    public func rollBack(isolation: isolated (any Actor)? = #isolation) async throws {
        try begin()
        defer { end() }
        // Without a transaction a ROLLBACK is a warning in the server's log. An aborted one refuses to answer.
        var isOutside = false
        do { isOutside = try await shielded.markTransaction(isolation) == nil } catch {}
        do {
            if !isOutside { try await shielded.rollBackTransaction(isolation) }
        } catch {
            throw failure(error)
        }
        if scope == .transaction { state = .free }
    }
}
