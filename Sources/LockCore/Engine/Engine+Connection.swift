import DequeModule

extension Engine {
    /// What is decided about one connection of the pool.
    struct Connection: Sendable {
        enum Phase: Hashable, Sendable {
            case connecting
            case carrying
            case idle
            /// A blocking lock statement is on its way or in the server's queue.
            case waiting(AdvisoryKey)
            case holding(AdvisoryKey)
            /// The holder's lock is being released.
            case unlocking(AdvisoryKey)
            /// A lock statement failed; whether it took the lock is being found out by unlocking. `reported` is what
            /// the table is to be told, if it is more than "not granted".
            case proving(AdvisoryKey, Mode, reported: Failure?)
            case lent
        }

        var role: Role
        /// A cancel for it went down with the connection that it was sent on, and may still be carried out.
        var mayBeStruck = false
        var phase = Phase.connecting
        /// Sent and not yet answered, in order.
        var inFlight = Deque<Work>()
        /// Kept back until no cancel can strike it any more.
        var deferred: Work?
        /// When the oldest unanswered statement counts as lost, of those that can't block; when an attempt to connect counts as
        /// failed.
        var answerBy: Instant?
        /// What an attempt to connect has failed by, if it takes too long.
        var lateFailure = Failure.noAnswer
        /// How many statements it has been sent in all.
        var sentCount = 0
        var answeredCount: Int { sentCount - inFlight.count }
        /// When each of them was sent.
        var sentTimes = Deque<Instant>()
        /// Since when it owes an answer and has given none.
        var silentSince: Instant?
        /// It has been silent for so long that other connections do its work.
        var isOverdue = false
        /// Since when the server is asked what the session does, and has not said.
        var probedSince: Instant?
        /// Until when the session lives for certain; `nil` before its first answer.
        var provenUntil: Instant?
        /// That time has passed, and who holds something knows it.
        var isSuspect = false
        /// When it was last sent something.
        var lastSent = Instant(nanoseconds: 0)
        var idleSince = Instant(nanoseconds: 0)
        var interrupt: Interrupt?
        /// The statement that runs on a lent connection.
        var statement: RequestID?
        var isStatementAnswered = false
        /// How often it was begun anew, if it is a wait that can be.
        var statementRenewals: Int?
        var statementSentAt = Instant(nanoseconds: 0)
        /// The key that the statement takes, and may wait for.
        var lockWait: AdvisoryKey?
        /// Whether there are locks on a lent connection.
        var isGuarding = false
        /// ``answerBy`` is there because the server says that it has answered.
        var isAnswerMissed = false

        mutating func forgetMissedAnswer() {
            isAnswerMissed = false
            answerBy = nil
        }
    }

    /// An attempt to end what a connection runs, repeated until it answers: a cancel that comes too early is swallowed.
    struct Interrupt: Sendable {
        let onlyLockWaits: Bool
        var cause: EndCause?
        var unanswered = 0
        var rounds = 0
        var nextAt: Instant?
        /// The connection has answered what was to be ended; what is left is to wait for the cancels' own answers.
        var isOver = false
        var giveUpAt: Instant
    }
}
