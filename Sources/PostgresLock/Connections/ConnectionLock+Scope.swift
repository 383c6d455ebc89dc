import Logging

extension ConnectionLock {
    /// Takes the lock, runs the body, and releases it, also if the body throws.
    ///
    /// If the body throws, the connection's transaction is rolled back before the release, unless ``rollsBackOnError`` is off. A lock of
    /// the scope ``LockScope/transaction`` stays until the transaction ends, or one of its statements fails.
    ///
    /// - Parameters:
    ///   - timeout: As for ``acquire(timeout:isolation:)``.
    ///   - isolation: The caller's, by default.
    ///   - body: Its result is passed on.
    /// - Returns: What the body returns.
    /// - Throws: What the body throws; what ``acquire(timeout:isolation:)`` throws, then the body has not run; what
    ///   ``rollBack(isolation:)`` and ``release(isolation:)`` throw, with the body's error in ``LockError/underlying``: this says what
    ///   state the connection is in. ``LockError/Code/statementFailed`` if the body has returned in an aborted transaction, which was
    ///   rolled back for the release.
    @discardableResult
    public func withLock<Result>(
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) () async throws -> Result
    ) async throws -> Result {
        _ = try await enter(isolation) {
            try await self.acquire(timeout: timeout, isolation: isolation)
            return true
        }
        return try await runAndLeave(isolation, body)
    }

    /// Takes the lock if it is free, runs the body, and releases it, also if the body throws.
    ///
    /// The body runs as that of ``withLock(timeout:isolation:_:)`` does.
    ///
    /// - Parameters:
    ///   - isolation: The caller's, by default.
    ///   - body: Its result is passed on.
    /// - Returns: What the body returns; `nil` if the lock is taken. Then the body has not run.
    /// - Throws: As ``withLock(timeout:isolation:_:)``, but for ``LockError/Code/timedOut`` and ``LockError/Code/deadlock``.
    @discardableResult
    public func withLockIfAvailable<Result>(
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) () async throws -> Result
    ) async throws -> Result? {
        guard try await enter(isolation, { try await self.tryAcquire(isolation: isolation) }) else { return nil }
        return try await runAndLeave(isolation, body)
    }

    private func runAndLeave<Result>(
        _ isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) () async throws -> Result
    ) async throws -> Result {
        let result: Result
        do {
            result = try await run(isolation, body)
        } catch {
            try await leave(after: error, isolation)
            throw error
        }
        if scope == .session { try await leave(isolation) }
        return result
    }

    private func enter(
        _ isolation: isolated (any Actor)?,
        _ acquire: nonisolated(nonsending) () async throws -> Bool
    ) async throws -> Bool {
        // What was not known before is for the caller to settle.
        let wasUnknown = isUnknown
        do {
            return try await acquire()
        } catch {
            if isUnknown, !wasUnknown {
                // If this fails, the error already says that the lock may be held.
                if rollsBackOnError { try? await rollBack(isolation: isolation) }
                _ = try? await release(isolation: isolation)
            }
            throw error
        }
    }

    private var isUnknown: Bool {
        if case .unknown = state { true } else { false }
    }

    /// Runs the body as a scope of a lock, inside which waits have a limit.
    private func run<Result>(
        _ isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) () async throws -> Result
    ) async throws -> Result {
        let scope = LockState(key: key, mode: mode)
        defer { scope.end(nil) }
        let enclosing = EnclosingLock(owner: ObjectIdentifier(self), state: scope, kind: .connection, task: .current)
        return try await EnclosingLock.$all.withValue(EnclosingLock.open + [enclosing]) { try await body() }
    }

    /// The body has returned.
    private func leave(_ isolation: isolated (any Actor)?) async throws {
        do {
            try await release(isolation: isolation)
        } catch let refusal as LockError where refusal.code == .notReleased && rollsBackOnError {
            do {
                try await rollBack(isolation: isolation)
                try await release(isolation: isolation)
            } catch {
                throw refusal
            }
            throw LockError(
                .statementFailed,
                """
                The body has returned, but the transaction that the connection was in could not go on, since one of its statements had \
                failed. It was rolled back, and the lock \(key) is released.
                """,
                sqlState: refusal.sqlState,
                keys: [key],
                underlying: refusal.underlying
            )
        }
    }

    /// The body has thrown. Releases the lock also if the rollback fails.
    private func leave(after error: any Error, _ isolation: isolated (any Actor)?) async throws {
        var failure: LockError?
        do {
            if rollsBackOnError { try await rollBack(isolation: isolation) }
        } catch {
            failure = error as? LockError
        }
        do {
            if scope == .session { try await release(isolation: isolation) }
        } catch {
            // Whether the lock is held matters more than the rollback.
            failure = error as? LockError
        }
        guard let failure else { return }
        if let cause = failure.underlying {
            logger.warning(
                "a connection could not be left as it should be; the driver's error gives way to that of the lock's body",
                metadata: [LogKey.key: "\(key)", LogKey.reason: "\(type(of: cause))", LogKey.sqlState: "\(failure.sqlState ?? "")"]
            )
        }
        throw failure.caused(by: error)
    }
}
