/// What a lock ends with, unless it is released before.
public struct LockScope: Hashable, Sendable {
    private let name: String

    /// The session, that is the connection. The lock outlives transactions, and has to be released.
    public static let session = LockScope(name: "session")

    /// The transaction. The lock ends with its commit or rollback, or with a rollback to a savepoint that was set before the lock. It
    /// can't be released otherwise.
    public static let transaction = LockScope(name: "transaction")
}

extension LockScope: CustomStringConvertible {
    /// `session` or `transaction`.
    public var description: String { name }
}
