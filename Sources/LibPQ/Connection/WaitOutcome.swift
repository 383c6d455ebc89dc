/// The outcome of a wait that catches its own end, and reports it by a message of the level INFO. Such messages are always sent to the
/// client, and with default settings not written to the server's log.
package enum WaitOutcome: String, Sendable {
    case granted = "PGL00"
    case cancelled = "PGL01"
    case timedOut = "PGL02"

    init?(_ notice: ServerError) {
        guard notice.severity == "INFO", notice.message == notice.sqlState else { return nil }
        self.init(rawValue: notice.sqlState)
    }

    /// The error that the wait would have ended with.
    ///
    /// - Parameter message: The server's. Only the text distinguishes a statement timeout from a cancel request.
    func error(_ message: String?) -> ServerError? {
        switch self {
        case .granted: nil
        case .cancelled:
            ServerError(severity: "ERROR", sqlState: "57014", message: message ?? "canceling statement due to user request")
        case .timedOut:
            ServerError(severity: "ERROR", sqlState: "55P03", message: message ?? "canceling statement due to lock timeout")
        }
    }
}
