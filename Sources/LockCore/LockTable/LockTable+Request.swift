extension LockTable {
    /// Which session holds the lock at the server.
    package enum Scope: Hashable, Sendable {
        /// On one of the manager's sessions, shared by all of the process.
        case session
        /// On the transaction's own session. The table gives it its turn; the transaction then asks the server itself.
        case transaction
    }

    package struct Request: Hashable, Sendable {
        package let key: AdvisoryKey
        package internal(set) var mode: Mode
        package let scope: Scope
        package let noWait: Bool
        package let place: QueuePlace
        /// Tells the server when no request can want the lock any more; the table itself keeps no time.
        package let deadline: Instant
        package internal(set) var isGranted = false
        /// Whether the server has granted it to the transaction, which has its turn before it asks the server.
        var isServerGranted = false

        package init(
            _ key: AdvisoryKey,
            _ mode: Mode,
            scope: Scope = .session,
            noWait: Bool = false,
            place: QueuePlace = .last,
            deadline: Instant? = nil
        ) {
            self.key = key
            self.mode = mode
            self.scope = scope
            self.noWait = noWait
            self.place = place
            self.deadline = deadline ?? .distantFuture
        }

        /// Whether this holder lets another request hold its lock too.
        func canBeJoined(by other: Request) -> Bool {
            isGranted && key == other.key && mode == .shared && other.mode == .shared && scope == .session
                && other.scope == .session
        }
    }
}
