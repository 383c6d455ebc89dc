/// A server session of the body's own, for locks inside locks. See ``LockManager/withSession(timeout:isolation:_:)``.
///
/// It can be copied and used by child tasks. A session waits for one lock at a time: whatever else is asked of it meanwhile,
/// releases included, comes after that. After its scope it refuses to do anything.
///
/// A lock belongs to the session, not to the task that has taken it. What the session holds keeps other sessions out, and
/// everything else that uses the same key; between the tasks that share the session it arbitrates nothing, so a lock that
/// the session holds is not given out a second time (``LockError/Code/alreadyHeld``). Only shared locks can be taken again,
/// in shared mode, and are then released as often as they were taken.
///
/// Its locks go to the server directly, where they queue with those of other processes. They have no part in what tasks of
/// one manager pass on to each other without the server.
public struct LockSession: Sendable {
    let driver: SessionDriver

    /// Takes a lock, waiting for it if need be, runs the body, and gives the lock back, also if the body throws.
    ///
    /// The body runs as that of ``LockManager/withLock(_:mode:timeout:isolation:_:)`` does. If the session is lost while it
    /// runs, it is cancelled, and the loss is thrown. Cancelling the calling task ends the wait at once, or cancels the body.
    ///
    /// - Parameters:
    ///   - key: What to lock.
    ///   - mode: Alone, or together with other shared holders.
    ///   - timeout: How long to wait; `.zero` tries without waiting. `nil` waits without limit for the session's first lock,
    ///     and as long as ``LockManager/Configuration/Timeouts/nested`` if the session holds another one, or is itself inside
    ///     another scope.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets a view of the lock. Its result is passed on.
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
        let lease = try await driver.waitForLock(key, mode, timeout, isScoped: true)
        return try await ScopedBody.runAndRelease(
            view: HeldLock(state: lease),
            leases: [lease],
            cancelsOnLoss: driver.lockDriver.configuration.cancelsBodyOnLoss,
            isolation: isolation,
            // The session stands for all that it holds.
            enclosing: { [] },
            release: { try await driver.release(lease) },
            body
        )
    }

    /// Takes a lock, waiting for it if need be, until it is released by ``unlock(_:)`` or the session ends.
    ///
    /// Cancelling the task ends the wait at once. Should the server grant the lock in that very moment, it is given back.
    /// An error leaves the session as it was: what it held before, it holds. If even that can't be made certain, its
    /// connection is closed, and all its locks are lost.
    ///
    /// - Parameters:
    ///   - key: What to lock.
    ///   - mode: Alone, or together with other shared holders.
    ///   - timeout: As for ``withLock(_:mode:timeout:isolation:_:)``.
    /// - Throws: `CancellationError` if the task was cancelled; ``LockError`` otherwise.
    public func lock(_ key: LockKey, mode: LockMode = .exclusive, timeout: Duration? = nil) async throws {
        _ = try await driver.waitForLock(key, mode, timeout, isScoped: false)
    }

    /// Takes a lock if it is free, until it is released by ``unlock(_:)`` or the session ends.
    ///
    /// - Parameters:
    ///   - key: What to lock.
    ///   - mode: Alone, or together with other shared holders.
    /// - Returns: Whether the lock was taken.
    /// - Throws: ``LockError`` if the server could not be asked, or with the code ``LockError/Code/alreadyHeld``;
    ///   `CancellationError`.
    public func tryLock(_ key: LockKey, mode: LockMode = .exclusive) async throws -> Bool {
        try await driver.obtain(key, mode, timeout: nil, noWait: true, isScoped: false) != nil
    }

    /// Releases a lock that ``lock(_:mode:timeout:)`` or ``tryLock(_:mode:)`` has taken.
    ///
    /// Returns when the server has confirmed it. Not ended by cancellation: a cancelled task releases its locks all the
    /// same. A shared lock that was taken several times is free for others after the last release.
    ///
    /// - Parameter key: What was locked.
    /// - Throws: ``LockError`` with the code ``LockError/Code/invalidArgument`` if the session does not hold the lock, or
    ///   holds it by ``withLock(_:mode:timeout:isolation:_:)``; with ``LockError/Code/lockLost`` or
    ///   ``LockError/Code/connectionLost`` if it was lost before or is lost thereby, with everything else that the session
    ///   held.
    public func unlock(_ key: LockKey) async throws {
        try await driver.unlock(key)
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
        try await driver.run(sql, parameters).affectedRows
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
        QueryRows(result: try await driver.run(sql, parameters))
    }
}
