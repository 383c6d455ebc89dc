/// Locks of a transaction's own scope, for code that takes any ``LockConnection``. By itself a transaction offers more:
/// ``acquire(_:mode:timeout:)`` and ``tryAcquire(_:mode:)``.
extension LockTransaction: LockConnection {
    /// Runs a statement in the transaction.
    public nonisolated(nonsending) func queryBoolean(_ sql: String) async throws -> Bool? {
        try await driver.run(sql, [], mayLock: true).boolean()
    }

    /// Cancels the statement that the transaction runs.
    public var cancelRequestSender: (@Sendable () async -> Void)? {
        { await driver.cancelStatement() }
    }

    /// Marks the transaction as rollback-only: it runs no further statement, and its scope rolls it back, also if the body returns.
    public nonisolated(nonsending) func rollBackTransaction() async throws {
        try await driver.markRollbackOnly()
    }

    /// `.transaction`, since the session goes back to the pool with the end of the transaction.
    public var lockScopes: Set<LockScope> { [.transaction] }
}
