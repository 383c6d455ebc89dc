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
    static let names = "pglock.names"
    static let count = "pglock.count"
    static let processID = "pglock.backend_pid"
    static let database = "db.namespace"
    static let sqlState = "db.response.status_code"
}

extension Logger.Metadata {
    /// Adds a reason and its SQLSTATE, as far as there are any.
    func adding(_ reason: String, _ sqlState: String?) -> Logger.Metadata {
        var metadata = self
        if !reason.isEmpty { metadata[LogKey.reason] = "\(reason.sentence)" }
        if let sqlState, !sqlState.isEmpty { metadata[LogKey.sqlState] = "\(sqlState)" }
        return metadata
    }
}
