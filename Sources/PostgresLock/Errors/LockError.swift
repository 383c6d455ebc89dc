/// Why a lock, or something done with one, has failed.
///
/// Cancellation is not among the reasons: a cancelled task gets `CancellationError`.
///
/// The message says what to do. No part of the error holds a password.
public struct LockError: Error, Sendable {
    /// The kind of failure, to decide upon.
    public let code: Code

    /// What has happened, and what to do about it, for people. Not to be parsed.
    public let message: String

    /// The server's own code for it (appendix A of PostgreSQL's documentation), if the server has refused something.
    public let sqlState: String?

    /// The keys that the error is about; empty if it is about none.
    public let keys: [LockKey]

    /// The error that led to this one: that of the caller's driver, or the one that the body ended with after its lock was lost.
    public let underlying: (any Error)?

    /// The sessions that hold what was waited for, if the server was asked: see ``LockManager/Configuration/Timeouts/explanation``. They may have
    /// released it since.
    public let holders: [LockHolder]

    /// Makes an error, for instance for a test double that has to fail as a lock manager does.
    ///
    /// - Parameters:
    ///   - code: The kind of failure.
    ///   - message: For people.
    ///   - sqlState: The server's own code.
    ///   - keys: The keys that the error is about.
    ///   - underlying: The error that led to this one.
    ///   - holders: The sessions that hold what was waited for.
    public init(
        _ code: Code,
        _ message: String,
        sqlState: String? = nil,
        keys: [LockKey] = [],
        underlying: (any Error)? = nil,
        holders: [LockHolder] = []
    ) {
        self.code = code
        self.message = message
        self.sqlState = sqlState
        self.keys = keys
        self.underlying = underlying
        self.holders = holders
    }

    /// ``Code/isContention`` of the ``code``: whether another holder is the reason.
    public var isContention: Bool { code.isContention }

    /// ``Code/isOutage`` of the ``code``: whether the server, a connection to it, or room in its lock table can't be had at present.
    public var isOutage: Bool { code.isOutage }

    /// ``Code/isRetryable`` of the ``code``: whether the call may succeed later, and can be repeated without doing anything twice.
    public var isRetryable: Bool { code.isRetryable }
}

extension LockError: CustomStringConvertible, CustomDebugStringConvertible {
    /// The code and the message.
    public var description: String {
        "\(code): \(message)"
    }

    /// All properties, the underlying error included.
    public var debugDescription: String {
        var parts = ["LockError(\(code): \(message)"]
        if let sqlState { parts.append("SQLSTATE \(sqlState)") }
        if !keys.isEmpty { parts.append("keys: \(keys.listed)") }
        if let underlying { parts.append("underlying: \(String(reflecting: underlying))") }
        return parts.joined(separator: ", ") + ")"
    }
}

extension LockError {
    /// A call has ended by an outcome that its kind of call does not have.
    static func unfitting(_ keys: [LockKey]) -> LockError {
        LockError(.connectionLost, "The call ended in a way that does not fit it.", keys: keys)
    }

    /// The same error with an underlying one.
    func caused(by error: any Error) -> LockError {
        LockError(code, message, sqlState: sqlState, keys: keys, underlying: error, holders: holders)
    }
}

extension [LockKey] {
    /// All keys, for messages.
    var listed: String { map(\.description).joined(separator: ", ") }

    /// The keys for messages, only the first ten of them.
    var names: String {
        let names = Array(prefix(10)).listed
        return count > 10 ? "\(names) and \(count - 10) more" : names
    }

    /// "the lock …" or "the locks …", for messages.
    var described: String {
        count == 1 ? "the lock \(names)" : "the locks \(names)"
    }
}
