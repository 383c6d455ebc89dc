/// Why a lock, or something done with one, has failed.
///
/// Cancellation is not among the reasons: a cancelled task gets `CancellationError`.
///
/// The message says what to do. Neither it nor anything else here holds a password.
public struct LockError: Error, Sendable {
    /// What has gone wrong, in general.
    public let code: Code

    /// What has gone wrong, in particular, and what to do.
    public let message: String

    /// The server's own code for it (appendix A of PostgreSQL's documentation), if the server was involved.
    public let sqlState: String?

    /// The keys that it is about, if it is about some.
    public let keys: [LockKey]

    /// What led to it, for instance the error with which the body ended after its lock was lost.
    public let underlying: (any Error)?

    package init(
        _ code: Code,
        _ message: String,
        sqlState: String? = nil,
        keys: [LockKey] = [],
        underlying: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.sqlState = sqlState
        self.keys = keys
        self.underlying = underlying
    }
}

extension LockError: CustomStringConvertible, CustomDebugStringConvertible {
    /// The code and the message.
    public var description: String {
        "\(code): \(message)"
    }

    /// Everything that is known.
    public var debugDescription: String {
        var parts = ["LockError(\(code): \(message)"]
        if let sqlState { parts.append("SQLSTATE \(sqlState)") }
        if !keys.isEmpty { parts.append("keys: \(keys.map(\.description).joined(separator: ", "))") }
        if let underlying { parts.append("underlying: \(String(reflecting: underlying))") }
        return parts.joined(separator: ", ") + ")"
    }
}

extension [LockKey] {
    /// For messages: of very many only the first ones.
    var names: String {
        let names = prefix(10).map(\.description).joined(separator: ", ")
        return count > 10 ? "\(names) and \(count - 10) more" : names
    }
}
