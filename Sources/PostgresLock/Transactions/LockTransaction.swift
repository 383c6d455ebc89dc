/// A transaction on a connection of its own, and the locks that end with it.
///
/// It can be copied and used by child tasks; their statements run one after the other. After the scope of
/// ``LockManager/withTransaction(locking:mode:timeout:isolation:_:)`` every call fails.
public struct LockTransaction: Sendable {
    let driver: SessionDriver
    let observation: Observation?

    /// A view of the lock that the transaction was begun with; `nil` if it was begun without one.
    public var lock: HeldLock? {
        driver.first.map { HeldLock(state: $0) }
    }

    /// Runs a statement whose rows, if it has any, don't matter.
    ///
    /// Cancelling the task cancels the statement on the server; as after every failed statement, the transaction can then
    /// only be rolled back.
    ///
    /// - Parameters:
    ///   - sql: One statement, with `$1`, `$2`, … for the parameters. One that ends the transaction (`COMMIT`, `ROLLBACK`) takes
    ///     its locks along: that is an error, with the code ``LockError/Code/invalidArgument``, and the transaction is lost.
    ///     Savepoints are fine. Before the first one the library sets one of its own, which stays: from then on what PostgreSQL refuses
    ///     inside a savepoint fails (`pg_export_snapshot()`, `SET TRANSACTION READ WRITE`), so do that before.
    ///   - parameters: Sent beside the statement, never inside it.
    /// - Returns: How many rows were touched.
    /// - Throws: ``LockError`` with the code ``LockError/Code/statementFailed`` and the server's SQLSTATE, or
    ///   ``LockError/Code/connectionLost``; `CancellationError`.
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

    /// Takes a further lock, until the end of the transaction.
    ///
    /// If that fails, the transaction goes on as before. Like everything else that was done since a savepoint, a lock is undone by a
    /// rollback to it; and a statement that fails releases at once what was locked since the latest savepoint. Others may hold it then,
    /// so the body is cancelled as upon a loss. A savepoint between the lock and the statement keeps the lock. PostgreSQL sees
    /// deadlocks between transactions, and ends one by failing one of its waits.
    ///
    /// - Parameters:
    ///   - key: What to lock. A `String` will do.
    ///   - mode: Alone, or together with other shared holders.
    ///   - timeout: How long to wait; `.zero` waits for the server's answer only; `nil` waits as long as
    ///     ``LockManager/Configuration/Timeouts/nested``.
    /// - Throws: ``LockError``, above all with the codes ``LockError/Code/timedOut``, ``LockError/Code/noAnswer`` and
    ///   ``LockError/Code/deadlock``; `CancellationError`.
    public func acquire(_ key: LockKey, mode: LockMode = .exclusive, timeout: Duration? = nil) async throws {
        let isGranted: Bool
        do {
            isGranted = try await lock(key, mode, timeout: timeout, noWait: timeout == .zero)
        } catch {
            throw await driver.lockDriver.explanations.explain(error, by: driver.lockDriver)
        }
        guard isGranted else { throw driver.lockDriver.taken([key]) }
    }

    /// Takes a further lock, until the end of the transaction, if it is free.
    ///
    /// Waits for the server's answer, but not for the lock.
    ///
    /// - Parameters:
    ///   - key: What to lock. A `String` will do.
    ///   - mode: Alone, or together with other shared holders.
    /// - Returns: Whether the lock was taken.
    /// - Throws: ``LockError`` if the server could not be asked; `CancellationError`.
    public func tryAcquire(_ key: LockKey, mode: LockMode = .exclusive) async throws -> Bool {
        try await lock(key, mode, timeout: nil, noWait: true)
    }

    private nonisolated(nonsending) func lock(_ key: LockKey, _ mode: LockMode, timeout: Duration?, noWait: Bool) async throws -> Bool {
        let call = observation?.begin(.transactionLock, [LockRequest(key, mode: mode)])
        do {
            let isGranted = try await driver.lock(key, mode, timeout: timeout, noWait: noWait)
            if isGranted { call?.granted([], isWaitOnly: true) } else { call?.refused() }
            return isGranted
        } catch {
            call?.ended(by: error)
            throw error
        }
    }
}

// Names as keys.
extension LockTransaction {
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
}
