import LibPQ
import Logging

/// The metadata keys of this library's log lines.
enum LogKey {
    static let connection = "pglock.connection"
    static let role = "pglock.role"
    static let reason = "pglock.reason"
    static let retryIn = "pglock.retry_in"
    static let wasHeld = "pglock.was_held"
    static let key = "pglock.key"
    /// The first of several.
    static let keys = "pglock.keys"
    static let mode = "pglock.mode"
    /// What the caller calls the locks.
    static let name = "pglock.name"
    static let outcome = "pglock.outcome"
    static let waited = "pglock.waited"
    static let heldFor = "pglock.held_for"
    static let names = "pglock.names"
    static let count = "pglock.count"
    static let processID = "pglock.backend_pid"
    static let database = "db.namespace"
    static let sqlState = "db.response.status_code"
}

extension Logger.Metadata {
    /// Adds the names of the first keys, and how many there are.
    ///
    /// - Parameter keys: The first of them, at least ten if there are as many.
    mutating func add(_ keys: some Collection<LockKey>, count: Int) {
        guard count > 0 else { return }
        self[LogKey.keys] = .array(keys.prefix(10).map { "\($0)" })
        self[LogKey.count] = "\(count)"
    }

    /// Adds a reason and its SQLSTATE, as far as there are any.
    func adding(_ reason: String, _ sqlState: String?) -> Logger.Metadata {
        var metadata = self
        if !reason.isEmpty { metadata[LogKey.reason] = "\(reason.sentence)" }
        if let sqlState, !sqlState.isEmpty { metadata[LogKey.sqlState] = "\(sqlState)" }
        return metadata
    }
}
