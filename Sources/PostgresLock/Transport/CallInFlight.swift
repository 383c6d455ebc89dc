import LibPQ
import LockCore

/// The statements of a call on a checked-out session that are not answered in full.
struct CallInFlight {
    let connection: ConnectionID
    private let statements: CheckedOutStatements
    /// In the order in which they were sent.
    private var open: ArraySlice<CheckedOutSession.Statement>
    private var answers: [Reply] = []

    init(_ submission: CheckedOutSession.Submission, _ statements: CheckedOutStatements, on connection: ConnectionID) {
        self.connection = connection
        self.statements = statements
        open = (submission.statements + submission.further)[...]
    }

    /// Adds answers.
    ///
    /// - Returns: The replies to the statements that are now answered in full, and the rows of the body's statement if it is one of these.
    mutating func note(_ further: [Reply]) -> (connection: ConnectionID, replies: [CheckedOutSession.Reply], body: (any StatementRows)?) {
        answers += further
        // Slices, because there may be thousands of statements, and to remove each from an array takes quadratic time.
        var rest = answers[...]
        var replies: [CheckedOutSession.Reply] = []
        var body: (any StatementRows)?
        while let next = open.first, case let count = statements.sql(next).count, rest.count >= max(count, 1) {
            replies.append(statements.reply(to: next, rest.prefix(count)))
            if next == .body { body = rest.first?.result }
            rest = rest.dropFirst(count)
            open = open.dropFirst()
        }
        answers = Array(rest)
        return (connection, replies, body)
    }
}
