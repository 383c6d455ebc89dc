/// A server session of the body's own, for locks inside locks. See ``LockManager/withSession(timeout:isolation:_:)``.
///
/// It can be copied and used by child tasks. A session waits for one lock at a time: other calls, releases included, come after
/// that. After its scope every call fails.
///
/// A lock belongs to the session, not to the task that has taken it. What the session holds keeps other sessions out, but not the
/// tasks that share the session. So a lock that the session holds is not given out a second time
/// (``LockError/Code/alreadyHeld``). Only shared locks can be taken again, in shared mode, and are then released as often as they
/// were taken.
///
/// Its requests go to the server directly, where they queue with those of other processes. They have no part in the handoff between
/// tasks of one manager.
public struct LockSession: Sendable {
    let driver: SessionDriver
    let observation: Observation?

    /// Takes a lock, runs the body, and releases the lock, also if the body throws.
    ///
    /// The body runs as that of ``LockManager/withLock(_:mode:timeout:isolation:_:)`` does. If the session is lost while it
    /// runs, it is cancelled, and the loss is thrown. Cancelling the calling task ends the wait at once, or cancels the body.
    ///
    /// - Parameters:
    ///   - key: What to lock. A `String` will do.
    ///   - mode: Alone, or together with other shared holders.
    ///   - timeout: How long to wait; `.zero` waits for the server's answer only. `nil` waits without limit for the session's first
    ///     lock, and as long as ``LockManager/Configuration/Timeouts/nested`` if the session holds another one, or is itself inside
    ///     another scope.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets a view of the lock.
    /// - Returns: What the body returns.
    /// - Throws: What the body throws; `CancellationError` if the task was cancelled while it waited; ``LockError``, above
    ///   all with the codes ``LockError/Code/timedOut``, ``LockError/Code/noAnswer``, ``LockError/Code/deadlock``, ``LockError/Code/alreadyHeld`` and
    ///   ``LockError/Code/lockLost``.
    @discardableResult
    public func withLock<Result>(
        _ key: LockKey,
        mode: LockMode = .exclusive,
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Result
    ) async throws -> Result {
        let state = try await waitForLock(key, mode, timeout, isScoped: true)
        return try await hold(state, isolation, body)
    }

    /// Takes a lock if it is free, runs the body, and releases the lock, also if the body throws. If the lock is taken, the body does
    /// not run.
    ///
    /// Waits for the server's answer, but not for the lock. Otherwise as ``withLock(_:mode:timeout:isolation:_:)``.
    ///
    /// - Parameters:
    ///   - key: What to lock. A `String` will do.
    ///   - mode: Alone, or together with other shared holders.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets a view of the lock.
    /// - Returns: What the body returns; `nil` if another session holds the lock.
    /// - Throws: What the body throws; `CancellationError` if the task was cancelled before the lock was taken; ``LockError`` if the
    ///   server could not be asked, if the lock is lost, or with the code ``LockError/Code/alreadyHeld``.
    @discardableResult
    public func withLockIfAvailable<Result>(
        _ key: LockKey,
        mode: LockMode = .exclusive,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Result
    ) async throws -> Result? {
        guard let state = try await obtain(key, mode, timeout: nil, noWait: true, isScoped: true) else { return nil }
        return try await hold(state, isolation, body)
    }

    /// Takes a lock, waiting for it if need be. It is held until ``release(_:)``, or until the session ends.
    ///
    /// Cancelling the task ends the wait at once. If the server grants the lock in that very moment, it is released. An error leaves
    /// the session as it was, with all that it held. If that can't be made certain, the connection is closed, and all the session's
    /// locks are lost.
    ///
    /// - Parameters:
    ///   - key: What to lock. A `String` will do.
    ///   - mode: Alone, or together with other shared holders.
    ///   - timeout: As for ``withLock(_:mode:timeout:isolation:_:)``.
    /// - Throws: `CancellationError` if the task was cancelled; ``LockError`` otherwise.
    public func acquire(_ key: LockKey, mode: LockMode = .exclusive, timeout: Duration? = nil) async throws {
        _ = try await waitForLock(key, mode, timeout, isScoped: false)
    }

    /// Takes a lock if it is free. It is held until ``release(_:)``, or until the session ends.
    ///
    /// Waits for the server's answer, but not for the lock.
    ///
    /// - Parameters:
    ///   - key: What to lock. A `String` will do.
    ///   - mode: Alone, or together with other shared holders.
    /// - Returns: Whether the lock was taken.
    /// - Throws: ``LockError`` if the server could not be asked, or with the code ``LockError/Code/alreadyHeld``;
    ///   `CancellationError`.
    public func tryAcquire(_ key: LockKey, mode: LockMode = .exclusive) async throws -> Bool {
        try await obtain(key, mode, timeout: nil, noWait: true, isScoped: false) != nil
    }

    /// Releases a lock that ``acquire(_:mode:timeout:)`` or ``tryAcquire(_:mode:)`` has taken.
    ///
    /// Returns when the server has confirmed it. Not ended by cancellation: a cancelled task releases its locks all the
    /// same. A shared lock that was taken several times is free for others after the last release.
    ///
    /// - Parameter key: What was locked. A `String` will do.
    /// - Throws: ``LockError`` with the code ``LockError/Code/invalidArgument`` if the session does not hold the lock, or
    ///   holds it by ``withLock(_:mode:timeout:isolation:_:)``; with ``LockError/Code/lockLost`` or
    ///   ``LockError/Code/connectionLost`` if it was lost before or is lost thereby, with everything else that the session
    ///   held.
    public func release(_ key: LockKey) async throws {
        try await driver.unlock(key)
    }

    private nonisolated(nonsending) func waitForLock(
        _ key: LockKey,
        _ mode: LockMode,
        _ timeout: Duration?,
        isScoped: Bool
    ) async throws -> LockState {
        let state: LockState?
        do {
            state = try await obtain(key, mode, timeout: timeout, noWait: timeout == .zero, isScoped: isScoped)
        } catch {
            throw await driver.lockDriver.explanations.explain(error, by: driver.lockDriver)
        }
        guard let state else { throw await driver.taken(key) }
        return state
    }

    /// - Returns: `nil` if the lock is taken, and the call does not wait.
    private nonisolated(nonsending) func obtain(
        _ key: LockKey,
        _ mode: LockMode,
        timeout: Duration?,
        noWait: Bool,
        isScoped: Bool
    ) async throws -> LockState? {
        let call = observation?.begin(.sessionLock, [LockRequest(key, mode: mode)])
        do {
            let state = try await driver.obtain(key, mode, timeout: timeout, noWait: noWait, isScoped: isScoped)
            guard let state else {
                call?.refused()
                return nil
            }
            if isScoped { state.observed = call }
            // A lock without a scope is released by its key, or with all others at the end of the session.
            call?.granted([state], isWaitOnly: !isScoped)
            return state
        } catch {
            call?.ended(by: error)
            throw error
        }
    }

    private func hold<Result>(
        _ state: LockState,
        _ isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Result
    ) async throws -> Result {
        // Code inside sees the session's scope, which stands for all that it holds.
        let scope = ScopedBody(driver: driver.lockDriver, states: [state], kind: nil, call: state.observed)
        return try await scope.run(HeldLock(state: state), isolation: isolation, body) {
            try await driver.release(state)
        }
    }

    /// Runs a statement whose rows, if it has any, don't matter.
    ///
    /// Each statement is a transaction of its own; for several in one, use
    /// ``LockManager/withTransaction(locking:mode:timeout:isolation:_:)``. Settings, temporary tables and the like last as
    /// long as the session. Leave advisory locks to the methods above: one that SQL releases is lost behind their back.
    ///
    /// Cancelling the task cancels the statement on the server.
    ///
    /// - Parameters:
    ///   - sql: One statement, with `$1`, `$2`, … for the parameters.
    ///   - parameters: Sent beside the statement, never inside it.
    /// - Returns: How many rows were touched.
    /// - Throws: ``LockError`` with the code ``LockError/Code/statementFailed`` and the server's SQLSTATE,
    ///   ``LockError/Code/invalidArgument`` if the statement begins a transaction, or ``LockError/Code/connectionLost``;
    ///   `CancellationError`.
    @discardableResult
    public func execute(_ sql: String, _ parameters: [SQLParameter] = []) async throws -> Int {
        try await driver.run(sql, parameters, observation).affectedRows
    }

    /// Runs a statement and returns its rows.
    ///
    /// All rows are kept in memory.
    ///
    /// - Parameters:
    ///   - sql: As for ``execute(_:_:)``.
    ///   - parameters: As for ``execute(_:_:)``.
    /// - Returns: The rows.
    /// - Throws: As ``execute(_:_:)``.
    public func query(_ sql: String, _ parameters: [SQLParameter] = []) async throws -> QueryRows {
        QueryRows(result: try await driver.run(sql, parameters, observation))
    }
}

// Names as keys.
extension LockSession {
    /// See ``withLock(_:mode:timeout:isolation:_:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    @discardableResult
    public func withLock<Result>(
        _ name: some StringProtocol,
        mode: LockMode = .exclusive,
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Result
    ) async throws -> Result {
        try await withLock(LockKey(String(name)), mode: mode, timeout: timeout, isolation: isolation, body)
    }

    /// See ``withLockIfAvailable(_:mode:isolation:_:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    @discardableResult
    public func withLockIfAvailable<Result>(
        _ name: some StringProtocol,
        mode: LockMode = .exclusive,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (HeldLock) async throws -> Result
    ) async throws -> Result? {
        try await withLockIfAvailable(LockKey(String(name)), mode: mode, isolation: isolation, body)
    }

    /// See ``acquire(_:mode:timeout:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    public func acquire(_ name: some StringProtocol, mode: LockMode = .exclusive, timeout: Duration? = nil) async throws {
        try await acquire(LockKey(String(name)), mode: mode, timeout: timeout)
    }

    /// See ``tryAcquire(_:mode:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    public func tryAcquire(_ name: some StringProtocol, mode: LockMode = .exclusive) async throws -> Bool {
        try await tryAcquire(LockKey(String(name)), mode: mode)
    }

    /// See ``release(_:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    public func release(_ name: some StringProtocol) async throws {
        try await release(LockKey(String(name)))
    }
}
