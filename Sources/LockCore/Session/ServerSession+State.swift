extension ServerSession {
    enum State: Hashable, Sendable {
        case connecting(Connecting)
        /// Runs what can't block, for all calls.
        case shared
        case idle(since: Instant)
        /// A blocking lock statement is on its way, or in the server's queue.
        case waiting(AdvisoryKey)
        case holding(AdvisoryKey)
        /// The lock that it holds is being released.
        case unlocking(AdvisoryKey)
        /// Its wait has failed, and everything is unlocked to verify that it holds nothing.
        case verifying(AdvisoryKey, reported: Failure?)
        /// Writes a record that fencing tokens come from.
        case recording
        case checkedOut(CheckOut)

        var isConnecting: Bool { if case .connecting = self { true } else { false } }

        /// For messages.
        var name: String {
            switch self {
            case .connecting: "connecting"
            case .shared: "shared"
            case .idle: "idle"
            case .waiting: "waiting"
            case .holding: "holding a lock"
            case .unlocking: "releasing its lock"
            case .verifying: "verifying that it holds nothing"
            case .recording: "writing a record"
            case .checkedOut(let checkOut): checkOut.statement == nil ? "checked out" : "running a statement"
            }
        }
    }

    /// An attempt to connect.
    struct Connecting: Hashable, Sendable {
        /// When it has failed if nothing more is heard of it; `nil` while it waits for its turn behind other attempts.
        var until: Instant?
        /// Its failure in that case.
        var lateFailure = Failure.noAnswer
    }

    /// What a transaction or an explicit session runs on its session.
    struct CheckOut: Hashable, Sendable {
        struct Statement: Hashable, Sendable {
            let call: RequestID
            let sentAt: Instant
            /// When the session counts as dead if there is no answer; `nil` for no limit.
            let answerBy: Instant?
            /// The key that the statement takes, and may wait for. Then it is cancelled only while it waits for a lock.
            let lockWait: AdvisoryKey?
            /// How often it was begun anew, if it is a renewable wait.
            let renewals: Int?
            var isAnswered = false
        }

        var statement: Statement?
        /// Whether its locks are given out, so that their holders have to be told of a loss.
        var isGuarding = false
    }
}
