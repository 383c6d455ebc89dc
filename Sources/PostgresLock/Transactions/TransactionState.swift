import DequeModule
import LibPQ
import LockCore

/// What is known of one running transaction. Confined to its manager.
final class TransactionState {
    let connection: ConnectionID
    let lease: LeaseState?
    private var expected = 0
    private var replies: [Reply] = []

    /// Statements of one transaction are run one after the other, in the order in which they were asked for.
    private var isBusy = false
    private var line = Deque<CheckedContinuation<Void, Never>>()

    init(connection: ConnectionID, lease: LeaseState?) {
        self.connection = connection
        self.lease = lease
    }

    func expect(_ count: Int) {
        expected = count
        replies = []
    }

    /// Returns whether all replies are there.
    func take(_ reply: Reply) -> Bool {
        replies.append(reply)
        return replies.count == expected
    }

    func takeReplies() -> [Reply] {
        defer { replies = [] }
        return replies
    }

    var firstError: ServerError? {
        replies.lazy.compactMap(\.error).first
    }

    func lose(_ error: LockError) {
        ending.end(error)
    }

    /// Ends with the transaction; lost if its connection is.
    var ending: LeaseState { lease ?? ownEnding }
    private let ownEnding = LeaseState(key: LockKey(number: 0), mode: .shared)

    // MARK: One after the other

    func waitForTurn(isolation: isolated LockManager) async {
        guard isBusy else {
            isBusy = true
            return
        }
        await withCheckedContinuation { line.append($0) }
    }

    func endTurn() {
        guard let next = line.popFirst() else {
            isBusy = false
            return
        }
        next.resume()
    }
}
