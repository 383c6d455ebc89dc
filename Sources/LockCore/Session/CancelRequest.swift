/// The end that is made of what a session runs, over another session, repeated until the answer is there: a cancel that comes too early is
/// swallowed.
struct CancelRequest: Sendable {
    /// After so many rounds without an effect the shared session is not asked any more: it may not be allowed to see the other one,
    /// for instance because roles were changed between the two. While the statement has not reached the server, some are normal.
    static let mostRounds = 12

    /// What has become of one round.
    enum Answer: Hashable, Sendable {
        /// The session was told to end what it ran.
        case found
        /// It ran nothing that could be cancelled, or the session that was to tell it is gone.
        case notFound
        /// It was sent by other means than a session, which do not look what they strike and do not tell.
        case unknown
        /// The server has refused it, for instance with 42501: this role may not cancel the other session.
        case refused
    }

    /// A session that was told ends its wait within moments; on a busy machine it does not come to do so for some time. Told again
    /// meanwhile, it could be struck where it reports its end, and that is an error in the server's log.
    private static let pauseAfterFound = Duration.milliseconds(500)

    /// How long it waits for a shared session that is being opened, which may have to wait itself, for instance for its turn at a pooler.
    static let connectingLimit = Duration.milliseconds(500)

    let onlyLockWaits: Bool
    private(set) var cause: Engine.EndCause?
    /// When the session is given up if it has not answered.
    private(set) var giveUpAt: Instant
    /// When it is sent again.
    private(set) var nextAt: Instant?
    private var rounds = 0
    private var unanswered = 0
    private(set) var isStatementAnswered = false

    init(onlyLockWaits: Bool, cause: Engine.EndCause?, giveUpAt: Instant) {
        self.onlyLockWaits = onlyLockWaits
        self.cause = cause
        self.giveUpAt = giveUpAt
    }

    /// Whether the shared session may be asked to carry it out.
    var mayGoOverSharedSession: Bool { rounds < Self.mostRounds }

    /// The answer to the statement is there, and those to all cancels.
    var isSettled: Bool { isStatementAnswered && unanswered == 0 }

    /// Another reason has come. What is being ended to begin anew is not to begin anew any more.
    mutating func supersede(_ other: CancelRequest) {
        guard cause == .renewed else { return }
        cause = other.cause
        giveUpAt = min(giveUpAt, other.giveUpAt)
    }

    /// - Parameter other: When it goes by other means, if it is not taken over a shared session until then.
    mutating func noteSent(orElseAt other: Instant? = nil) {
        rounds += 1
        unanswered += 1
        nextAt = other
    }

    /// A shared session, or something else, carries it out.
    mutating func noteTaken() { nextAt = nil }

    mutating func answered(_ answer: Answer, now: Instant) {
        unanswered -= 1
        let pause: Duration =
            switch answer {
            case .found: Self.pauseAfterFound
            case .unknown: .milliseconds(100)
            case .notFound, .refused: .milliseconds(min(1 << min(rounds, 7), 100))
            }
        if !isStatementAnswered { nextAt = now.advanced(by: pause) }
        if answer == .refused { rounds = Self.mostRounds }
    }

    mutating func noteStatementAnswered() {
        isStatementAnswered = true
        nextAt = nil
    }
}
