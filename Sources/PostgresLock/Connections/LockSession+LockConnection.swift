/// Locks of a session's own scope, for code that takes any ``LockConnection``. By itself a session offers more:
/// ``withLock(_:mode:timeout:isolation:_:)``, ``acquire(_:mode:timeout:)`` and ``tryAcquire(_:mode:)``, which know of each other.
extension LockSession: LockConnection {
    /// Runs a statement in the session.
    public nonisolated(nonsending) func queryBoolean(_ sql: String) async throws -> Bool? {
        try await driver.run(sql, [], mayLock: true).boolean()
    }

    /// Cancels the statement that the session runs.
    public var cancelRequestSender: (@Sendable () async -> Void)? {
        { await driver.cancelStatement() }
    }

    /// `.session`: each of its statements is a transaction of its own.
    public var lockScopes: Set<LockScope> { [.session] }
}
