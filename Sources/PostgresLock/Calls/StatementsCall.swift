import LockCore

/// A call that runs statements on a checked-out session, and waits for the answers to all of them.
///
/// Unchecked, because everything in it that changes is touched on the event loop only.
final class StatementsCall: PendingCall, @unchecked Sendable {
    let submission: CheckedOutSession.Submission
    let body: BodyStatement?
    /// The replies so far: the session can be lost before all statements are answered.
    var replies: [CheckedOutSession.Reply] = []
    /// The rows of the body's statement.
    var result: (any StatementRows)?

    init(_ submission: CheckedOutSession.Submission, _ body: BodyStatement?) {
        self.submission = submission
        self.body = body
    }
}
