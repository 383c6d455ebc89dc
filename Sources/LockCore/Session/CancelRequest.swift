/// The request to cancel what a session runs, sent over another session, and repeated until the answer is there: the server ignores a
/// cancel that comes too early.
struct CancelRequest: Sendable {
    /// After so many rounds without an effect the shared session is not asked any more: its role may not be allowed to see the other
    /// session, for instance because roles were changed between the two. While the statement has not reached the server, some rounds have
    /// no effect.
    static let mostRounds = 12

    /// The outcome of one round.
    enum Answer: Hashable, Sendable {
        /// The server has signalled the session.
        case found
        /// The session ran nothing that could be cancelled, or the session that was asked is gone.
        case notFound
        /// The request was sent out of band, which has no answer.
        case unknown
        /// The server has refused the request, for instance with 42501: the role may not cancel the other session.
        case refused
    }

    /// A signalled session ends its wait within moments, or later on a busy machine. A second signal could strike it while it reports the
    /// end, which is an error in the server's log.
    private static let pauseAfterFound = Duration.milliseconds(500)

    /// How long it waits for a shared session that is being opened, which may have to wait itself, for instance for its turn at a pooler.
    static let connectingLimit = Duration.milliseconds(500)

    let onlyLockWaits: Bool
    private(set) var cause: Engine.EndCause?
    /// When the session is closed if it has not answered.
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

    /// Whether a shared session may be asked to carry it out.
    var mayGoOverSharedSession: Bool { rounds < Self.mostRounds }

    /// The statement and all rounds are answered.
    var isSettled: Bool { isStatementAnswered && unanswered == 0 }

    /// There is another reason to cancel. A wait that was to begin anew does not any more.
    mutating func supersede(_ other: CancelRequest) {
        guard cause == .renewed else { return }
        cause = other.cause
        giveUpAt = min(giveUpAt, other.giveUpAt)
    }

    /// - Parameter other: When it goes out of band, if no shared session has carried it out until then.
    mutating func noteSent(orElseAt other: Instant? = nil) {
        rounds += 1
        unanswered += 1
        nextAt = other
    }

    /// It is being carried out, over a shared session or out of band.
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
