/// Locks of a transaction's own scope, for code that takes any ``LockConnection``. By itself a transaction offers more:
/// ``lock(_:mode:timeout:)`` and ``tryLock(_:mode:)``.
extension LockTransaction: LockConnection {
    /// Runs a statement in the transaction.
    public nonisolated(nonsending) func queryBoolean(_ sql: String) async throws -> Bool? {
        try await driver.run(sql, [], mayLock: true).boolean()
    }

    /// Ends the statement that the transaction runs.
    public var cancelRequestSender: (@Sendable () async -> Void)? {
        { await driver.cancelStatement() }
    }

    /// Lets nothing more be done in the transaction, which its scope rolls back, even if the error does not leave it.
    public nonisolated(nonsending) func rollBackTransaction() async throws {
        try await driver.markRollbackOnly()
    }

    /// `.transaction`: a lock of the session's would have to end with the transaction, too.
    public var lockScopes: Set<LockScope> { [.transaction] }
}
