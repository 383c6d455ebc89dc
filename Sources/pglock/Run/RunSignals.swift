import Foundation

/// The signals that pglock sends, and those that end a hold.
enum RunSignals {
    static let terminate = SIGTERM
    static let kill = SIGKILL
    /// Sent with SIGTERM, since a stopped command would not handle that.
    static let resume = SIGCONT
    /// The signals by which a hold without a command ends with the status 0.
    static let endHold: Set<Int32> = [SIGINT, SIGTERM]
}
