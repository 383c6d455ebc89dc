import LockCore

/// A call that runs statements on a checked-out connection, and waits for the answers to all of them.
///
/// Unchecked, because everything in it that changes is touched on the event loop only.
final class StatementsCall: PendingCall, @unchecked Sendable {
    let submission: CheckedOutSession.Submission
    let body: BodyStatement?
    /// As far as there are: the connection can be lost before all are answered.
    var replies: [CheckedOutSession.Reply] = []
    /// Of the body's statement.
    var result: (any StatementRows)?

    init(_ submission: CheckedOutSession.Submission, _ body: BodyStatement?) {
        self.submission = submission
        self.body = body
    }
}
