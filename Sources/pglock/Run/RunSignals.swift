import Foundation

/// The signals that pglock sends, or takes for a good end, by what they are for.
enum RunSignals {
    static let terminate = SIGTERM
    static let kill = SIGKILL
    /// A stopped command could not act on SIGTERM.
    static let resume = SIGCONT
    /// These end a hold without a command in peace.
    static let endHold: Set<Int32> = [SIGINT, SIGTERM]
}
