import LibPQ

/// A call that runs statements on a checked-out connection, and waits for the answers to all of them.
///
/// Unchecked, because everything in it that changes is touched on the event loop only.
final class StatementsCall: PendingCall, @unchecked Sendable {
    private let statements: [Statement]
    private let further: [Statement]
    private let connection: LentConnection
    /// As far as there are: the connection can be lost before all are answered.
    private(set) var replies: [Reply] = []

    /// - Parameter further: Sent behind the others, and answered on their own: if the connection is lost in between, the replies to the
    ///   others are there.
    init(_ statements: [Statement], then further: [Statement] = [], on connection: LentConnection) {
        self.statements = statements
        self.further = further
        self.connection = connection
    }

    /// The engine has them sent.
    func submit(to connection: Connection) {
        self.connection.noteSent()
        connection.submit(statements, for: AnswerTarget.call(id, isLast: further.isEmpty).token)
        guard !further.isEmpty else { return }
        connection.submit(further, for: AnswerTarget.call(id, isLast: true).token)
    }

    /// - Parameter areLast: Whether no others will come.
    func note(_ further: [Reply], areLast: Bool) {
        replies += further
        for (index, reply) in further.enumerated() {
            connection.noteAnswered(reply, isLast: areLast && index == further.count - 1)
        }
    }
}
