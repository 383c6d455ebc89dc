import LibPQ
import LockCore

/// A call that runs statements on a checked-out connection, and waits for the answers to all of them.
///
/// Unchecked, because everything in it that changes is touched on the event loop only.
final class StatementsCall: PendingCall, @unchecked Sendable {
    private let statements: CheckedOutStatements
    private let submission: CheckedOutSession.Submission
    /// As far as there are: the connection can be lost before all are answered.
    private(set) var answers: [Reply] = []

    init(_ submission: CheckedOutSession.Submission, as statements: CheckedOutStatements) {
        self.submission = submission
        self.statements = statements
    }

    /// The engine has them sent.
    func submit(to connection: Connection) {
        let further = submission.further.flatMap(statements.sql)
        connection.submit(submission.statements.flatMap(statements.sql), for: AnswerTarget.call(id, isLast: further.isEmpty).token)
        guard !further.isEmpty else { return }
        connection.submit(further, for: AnswerTarget.call(id, isLast: true).token)
    }

    func note(_ further: [Reply]) {
        answers += further
    }

    /// Those to statements that are answered in full.
    var replies: [CheckedOutSession.Reply] {
        var rest = answers[...]
        var replies: [CheckedOutSession.Reply] = []
        for statement in submission.statements + submission.further {
            let count = statements.sql(statement).count
            guard count > 0, rest.count >= count else { break }
            replies.append(statements.reply(to: statement, rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return replies
    }
}
