/// What the server has answered to one statement.
package struct Reply: Sendable {
    /// Of a statement with the shape `booleans`: its rows, also those that came before an error.
    package var booleans: [Bool] = []
    /// Of a statement with the shape `rows` that has succeeded.
    package var result: QueryResult?
    package var error: ServerError?
    /// Of a statement with the shape `waitOutcome` that has said it, and has not failed afterwards.
    package private(set) var waitOutcome: WaitOutcome?
    /// What the session's transaction was like afterwards.
    package var transaction = Transaction.unknown

    package init() {}

    package enum Transaction: Sendable {
        case none
        case open
        /// By an error: it can only be rolled back, to a savepoint or as a whole. What it had locked since then is released already.
        case aborted
        /// Something else was sent behind the statement.
        case unknown
    }

    /// The statement was a wait that has said itself what it came to. One that was granted has no error.
    mutating func note(_ outcome: WaitOutcome, _ message: String?) {
        guard error == nil else { return }
        waitOutcome = outcome
        error = outcome.error(message)
        if outcome == .granted { booleans = [true] }
    }
}
