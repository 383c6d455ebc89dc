/// What a wait has come to that catches its own end, and says so by a message of the level INFO: one that always comes to the
/// client, and never to the server's log at its default settings.
package enum WaitOutcome: String, Sendable {
    case granted = "PGL00"
    case cancelled = "PGL01"
    case timedOut = "PGL02"

    /// The text of the messages; with the level and the code nothing else is taken for one.
    package static let message = "pglock"

    init?(_ notice: ServerError) {
        guard notice.severity == "INFO", notice.message == Self.message else { return nil }
        self.init(rawValue: notice.sqlState)
    }

    /// The error that the wait would have ended with.
    ///
    /// - Parameter message: The server's. A statement timeout is a cancel, too, and only the text tells.
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
