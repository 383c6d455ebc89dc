/// Locks of a transaction's own scope, for code that takes any ``LockConnection``. By itself a transaction offers more:
/// ``lock(_:mode:timeout:)`` and ``tryLock(_:mode:)``.
extension LockTransaction: LockConnection {
    /// Runs a statement in the transaction.
    public nonisolated(nonsending) func queryBoolean(_ sql: String) async throws -> Bool? {
        try await loan.manager.run(sql, [], on: loan).boolean()
    }

    /// Ends the statement that the transaction runs.
    public var statementCanceller: (@Sendable () async -> Void)? {
        { await loan.manager.cancelStatement(on: loan) }
    }

    /// Does nothing: the transaction is rolled back by its own scope, which the error leaves.
    public nonisolated(nonsending) func rollBackTransaction() async throws {}

    /// `.transaction`: a lock of the session's would have to end with the transaction, too.
    public var lockScopes: Set<LockScope> { [.transaction] }
}
