/// The server's answer to one statement.
package struct Reply: Sendable {
    /// For a statement with the shape `booleans`: its values, including those before an error.
    package var booleans: [Bool] = []
    /// For a statement with the shape `rows` that has succeeded.
    package var result: QueryResult?
    package var error: ServerError?
    /// For a statement with the shape `waitOutcome` that has reported its outcome, and has not failed afterwards.
    package private(set) var waitOutcome: WaitOutcome?
    /// The state of the session's transaction after the statement.
    package var transaction = Transaction.unknown

    package init() {}

    package enum Transaction: Sendable {
        case none
        case open
        /// A statement has failed. The transaction can only be rolled back, as a whole or to a savepoint; locks taken since then are
        /// released already.
        case aborted
        /// Another statement was sent behind this one.
        case unknown
    }

    /// The statement was a wait that has reported its outcome. One that was granted has no error.
    mutating func note(_ outcome: WaitOutcome, _ message: String?) {
        guard error == nil else { return }
        waitOutcome = outcome
        error = outcome.error(message)
        if outcome == .granted { booleans = [true] }
    }
}
