import LibPQ

/// Waits for the answers to statements on a checked-out connection.
///
/// Unchecked, because everything in it is touched on the event loop only.
final class StatementsCall: PendingCall, @unchecked Sendable {
    private let connection: LentConnection
    /// As far as there are: the connection can be lost before all are answered.
    private(set) var replies: [Reply] = []

    init(on connection: LentConnection) {
        self.connection = connection
    }

    /// - Parameter areLast: Whether no others will come.
    func note(_ further: [Reply], areLast: Bool) {
        replies += further
        for (index, reply) in further.enumerated() {
            connection.noteAnswered(reply, isLast: areLast && index == further.count - 1)
        }
    }
}
