import LibPQ
import LockCore

/// Statements of a call on a checked-out session, as far as they are answered.
struct CallInFlight {
    let connection: ConnectionID
    private let statements: CheckedOutStatements
    /// Those that are not answered in full, in their order.
    private var open: ArraySlice<CheckedOutSession.Statement>
    private var answers: [Reply] = []

    init(_ submission: CheckedOutSession.Submission, _ statements: CheckedOutStatements, on connection: ConnectionID) {
        self.connection = connection
        self.statements = statements
        open = (submission.statements + submission.further)[...]
    }

    /// - Returns: The replies to the statements that are answered in full thereby, and the rows of the body's.
    mutating func note(_ further: [Reply]) -> (connection: ConnectionID, replies: [CheckedOutSession.Reply], body: (any StatementRows)?) {
        answers += further
        // There may be thousands of statements, so what is done with is not removed one by one.
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
