import LibPQ
import LockCore
import Logging

extension ConnectionLock {
    /// Takes the lock, waiting for it if it is taken.
    ///
    /// Cancelling the task ends the wait at once if the connection has a ``LockConnection/cancelRequestSender``, and within
    /// ``cancellationLatency`` if not.
    ///
    /// - Parameters:
    ///   - timeout: How long the server may make the call wait; `.zero` does not wait for the lock; `nil` waits without limit, except
    ///     inside another lock's scope, where ``nestedTimeout`` applies. A server that does not answer is waited for
    ///     ``responseTimeout`` longer.
    ///   - isolation: The caller's, by default.
    /// - Throws: ``LockError`` with the codes ``LockError/Code/timedOut``, ``LockError/Code/deadlock``,
    ///   ``LockError/Code/alreadyHeld`` if the lock is exclusive and held by this object, ``LockError/Code/invalidArgument``, above
    ///   all if the scope is a transaction and there is none, or ``LockError/Code/statementFailed`` with the driver's error;
    ///   `CancellationError`.
    public func acquire(timeout: Duration? = nil, isolation: isolated (any Actor)? = #isolation) async throws {
        if let timeout, timeout < .zero {
            throw fault("The timeout for the lock \(key) is negative (\(timeout)). Use .zero to try without waiting.")
        }
        let limit = (timeout ?? (EnclosingLock.isInside ? nestedTimeout : nil))?.bounded
        guard try await obtain(timeout: limit, isolation: isolation) else {
            let advice =
                timeout == nil
                ? """
                The task holds another lock, so a limit was set (nestedTimeout): two tasks that take two locks in opposite order would \
                wait for each other without end. Take locks in one order everywhere, or give a timeout.
                """
                : "Give it time, or try again later."
            throw LockError(.timedOut, "Waited \((limit ?? .zero).shown) for the lock \(key), which is taken. \(advice)", keys: [key])
        }
    }

    /// Takes the lock if it is free.
    ///
    /// - Parameter isolation: The caller's, by default.
    /// - Returns: Whether the lock was taken.
    /// - Throws: As ``acquire(timeout:isolation:)``, except ``LockError/Code/timedOut`` and ``LockError/Code/deadlock``.
    public func tryAcquire(isolation: isolated (any Actor)? = #isolation) async throws -> Bool {
        try await obtain(timeout: .zero, isolation: isolation)
    }

    private func obtain(timeout: Duration?, isolation: isolated (any Actor)?) async throws -> Bool {
        try begin()
        defer { end() }
        try Task.checkCancellation()
        if try await joinOwn(isolation) { return true }
        let clock = ContinuousClock()
        let deadline = timeout.map { clock.now + $0 }
        if scope == .transaction { mark = try await transactionMark(isolation) }
        var isGranted = try await acquiring(isolation) { try await self.answer(to: self.statements.tryLock, isolation) }
        while !isGranted {
            let left = deadline.map { clock.now.duration(to: $0) }
            if let left, left <= .zero { return false }
            isGranted = try await wait(atMost: left, isolation)
        }
        state = .held(count: 1)
        if let transaction = connection as? LockTransaction { await transaction.driver.noteLock(key, mode) }
        logger.debug("acquired a lock on a connection", metadata: [LogKey.key: "\(key)"])
        return true
    }

    /// Counts one more shared hold, if this object holds the lock in shared mode.
    private func joinOwn(_ isolation: isolated (any Actor)?) async throws -> Bool {
        switch state {
        case .free:
            return false
        case .unknown:
            throw fault(
                """
                Whether the lock \(key) is held is not known, since the connection failed when it was last used. Call \
                release() first, or close the connection.
                """
            )
        case .held(let count):
            guard try await isStillHeld(isolation) else {
                state = .free
                return false
            }
            guard mode == .shared else {
                throw LockError(
                    .alreadyHeld,
                    "The lock \(key) is held by this connection already (\(scope)). Use it, or another key.",
                    keys: [key]
                )
            }
            // Counted here, since a hold in the session whose answer is lost would be one too many.
            state = .held(count: count + 1)
            return true
        }
    }

    /// Whether the lock's transaction has neither ended nor been rolled back to a savepoint before the lock.
    private func isStillHeld(_ isolation: isolated (any Actor)?) async throws -> Bool {
        guard scope == .transaction, let mark else { return true }
        return try await asking(isolation) { try await self.shielded.isSet(mark, isolation) }
    }

    private func transactionMark(_ isolation: isolated (any Actor)?) async throws -> ConnectionLockStatements.Mark {
        guard let mark = try await asking(isolation, { try await self.shielded.markTransaction(isolation) }) else {
            throw fault(
                """
                The lock \(key) is to end with a transaction, but the connection is in none: it would be released at once. \
                Begin one before, or use the scope .session.
                """
            )
        }
        return mark
    }

    // MARK: Waiting

    /// Waits once.
    ///
    /// - Returns: Whether the lock was granted.
    private func wait(atMost limit: Duration?, _ isolation: isolated (any Actor)?) async throws -> Bool {
        let sender = connection.cancelRequestSender
        let latency = cancellationLatency.bounded
        let slice = sender == nil ? min(limit ?? latency, latency) : limit
        let wait = statements.wait(atMost: Self.milliseconds(slice))
        let ending = try await acquiring(isolation) {
            _ = try await self.answer(to: wait.request, isolation)
            let cancellation = StatementCancellation(sender)
            do {
                _ = try await self.shielded.ask(wait.sql, isolation, .waiting(slice)) { cancellation.begin() }
            } catch {
                await cancellation.end(atMost: self.responseTimeout)
                throw error
            }
            await cancellation.end(atMost: self.responseTimeout)
            return try await self.ending(of: wait, isolation)
        }
        switch ending {
        case .granted:
            return true
        case .timedOut:
            try Task.checkCancellation()
            return false
        case .deadlocked:
            throw LockError(
                .deadlock,
                "PostgreSQL has found a deadlock, and broken it by refusing the lock \(key). Take locks in the same order everywhere.",
                sqlState: "40P01",
                keys: [key]
            )
        case .cancelled:
            try Task.checkCancellation()
            throw LockError(
                .statementFailed,
                """
                The wait for the lock \(key) was canceled by the server: by the session's statement_timeout, or by another \
                session's pg_cancel_backend. It is not held.
                """,
                sqlState: "57014",
                keys: [key]
            )
        }
    }

    private func ending(
        of wait: ConnectionLockStatements.Wait,
        _ isolation: isolated (any Actor)?
    ) async throws -> ConnectionLockStatements.Wait.Ending {
        for ending in ConnectionLockStatements.Wait.Ending.allCases where try await answer(to: wait.hasEnded(by: ending), isolation) {
            return ending
        }
        throw unexpected(
            """
            The session that has answered knows nothing of the wait for the lock \(key): the connection does not keep to one session of \
            the server. Behind a pooler of transactions, only the scope .transaction works.
            """
        )
    }

    /// The Boolean that a statement returns if it has run.
    private func answer(to sql: String, _ isolation: isolated (any Actor)?) async throws -> Bool {
        guard let answer = try await shielded.ask(sql, isolation) else {
            throw unexpected("The connection returned no Boolean where the server returns one: see LockConnection.queryBoolean(_:).")
        }
        return answer
    }

    private func unexpected(_ message: String) -> LockError {
        LockError(.statementFailed, message, keys: [key])
    }

    /// For `lock_timeout`, where 0 is no limit. A longer wait than its range consists of several.
    private static func milliseconds(_ limit: Duration?) -> Int32 {
        limit.map { max(1, $0.whole(.milliseconds(1))) } ?? 0
    }

    // MARK: After errors

    /// Runs statements that may acquire the lock. If they fail, makes sure that it is not held.
    private func acquiring<Result>(
        _ isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) () async throws -> Result
    ) async throws -> Result {
        do {
            return try await body()
        } catch {
            let sqlState = connection.sqlState(of: error)
            guard await isNotHeld(after: sqlState, isolation) else {
                state = .unknown
                throw LockError(
                    .statementFailed,
                    """
                    The connection failed to run a statement for the lock \(key), and whether it is held could not be found out: roll \
                    back and call release(), or close the connection. Look at the driver's error (underlying).
                    """,
                    sqlState: sqlState,
                    keys: [key],
                    underlying: error
                )
            }
            // The cancel request may reach the server before the wait has begun, or after it has ended.
            if Task.isCancelled, sqlState == nil || sqlState == "57014" { throw CancellationError() }
            throw failure(error)
        }
    }

    /// Makes sure that a failed statement has left no lock.
    ///
    /// - Returns: Whether that is certain.
    private func isNotHeld(after sqlState: String?, _ isolation: isolated (any Actor)?) async -> Bool {
        // The transaction had been aborted before, so the server has not run the statement.
        if sqlState == "25P02" { return true }
        do {
            if scope == .session {
                _ = try await shielded.ask(statements.unlockIfHeld, isolation)
                return true
            }
            // An error of the server has aborted the transaction, and its locks are released. One of the driver says nothing about that.
            if sqlState != nil { return true }
            return try await shielded.ask(statements.isHeld, isolation) == false
        } catch {
            return false
        }
    }
}
