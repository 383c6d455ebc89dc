/// Takes one lock on a checked-out session: by a try, and if that is refused by a wait that leaves no line in the server's log when it is
/// cancelled. So a free lock costs no more than a plain statement, and a taken one costs one more round trip.
struct LockAttempt: Sendable {
    typealias Statement = CheckedOutSession.Statement
    typealias Submission = CheckedOutSession.Submission

    enum Decision: Hashable {
        case send(Submission)
        /// What was sent so far has to be undone, and then ``begin(now:)`` is due again.
        case undo
        case held
        /// The try was refused, and the caller does not wait.
        case refused
        case failed(Engine.Outcome)
        /// It is not known which lock was waited for.
        case confused(Submission.Verdict)
    }

    private enum Stage {
        case trying(Submission)
        case waiting(Submission, isPlain: Bool)
    }

    let key: AdvisoryKey
    let mode: Mode
    let scope: CheckedOutSession.Scope
    let deadline: Instant?
    let noWait: Bool
    /// Statements that are sent ahead, in the same round trip.
    var beginning: [Statement] = []
    /// Whether a wait that harms other sessions is begun anew.
    var isRenewable = true
    /// Whether a try may wait too, for the snapshot of a deferrable transaction.
    var mayDefer = false
    let answerLimit: Duration
    /// Whether the session can't run waits that report what has ended them.
    private(set) var waitsPlainly: Bool
    /// Whether they were refused to the session's present role, so that other sessions may be able to run them.
    private(set) var isRefusedToRole = false
    private var renewals = 0
    private var stage: Stage?

    init(
        _ key: AdvisoryKey,
        _ mode: Mode,
        in scope: CheckedOutSession.Scope,
        deadline: Instant?,
        noWait: Bool,
        answerLimit: Duration,
        waitsPlainly: Bool
    ) {
        self.key = key
        self.mode = mode
        self.scope = scope
        self.deadline = deadline
        self.noWait = noWait
        self.answerLimit = answerLimit
        self.waitsPlainly = waitsPlainly
    }

    // MARK: Events

    /// Called first, and again after all was undone.
    mutating func begin(now: Instant) -> Submission {
        guard noWait || !waitsPlainly && !mayDefer else { return wait(after: beginning) }
        var submission = Submission(statements: beginning + [.tryLock(key, mode)])
        submission.deadline = deadline
        submission.answerBy = now.advanced(by: answerLimit)
        submission.isUndone = true
        stage = .trying(submission)
        return submission
    }

    mutating func answered(_ replies: [CheckedOutSession.Reply], _ outcome: Engine.Outcome, now: Instant) -> Decision {
        switch stage {
        case .trying(let submission): tried(submission.verdict(replies, outcome), replies.last, now: now)
        case .waiting(let submission, let isPlain): waited(submission.verdict(replies, outcome), replies, isPlain: isPlain)
        case nil: .failed(outcome)
        }
    }

    private mutating func tried(_ verdict: Submission.Verdict, _ reply: CheckedOutSession.Reply?, now: Instant) -> Decision {
        switch verdict {
        case .toBeginAnew: return .undo
        case .failed(let outcome): return .failed(outcome)
        case .succeeded: break
        }
        if reply?.rows.first == true { return .held }
        if noWait { return .refused }
        if let deadline, deadline <= now { return .failed(.settled(cause: .timedOut(nil))) }
        // The statements that were sent ahead are done.
        return .send(wait(after: []))
    }

    private mutating func waited(_ verdict: Submission.Verdict, _ replies: [CheckedOutSession.Reply], isPlain: Bool) -> Decision {
        // The wait may have taken a key that was set before.
        if scope == .session, replies.dropLast().contains(where: { $0.failure != nil }) { return .confused(verdict) }
        switch verdict {
        case .toBeginAnew:
            renewals += 1
            return .undo
        case .failed(let outcome):
            guard !isPlain, case .failed(let failure) = outcome, failure.isOfMissingLanguage else { return .failed(outcome) }
            isRefusedToRole = failure.isOfMissingPrivilege
        case .succeeded:
            if isPlain || replies.last?.hasSaidOutcome == true { return .held }
        }
        waitsPlainly = true
        return .undo
    }

    private mutating func wait(after beginning: [Statement]) -> Submission {
        let statements: [Statement] = waitsPlainly ? [.lock(key, mode)] : [.setAwaited(key), .wait(key.space, mode)]
        var submission = Submission(statements: beginning + statements)
        submission.deadline = deadline
        submission.lockWait = key
        submission.renewals = isRenewable ? renewals : nil
        submission.isUndone = true
        stage = .waiting(submission, isPlain: waitsPlainly)
        return submission
    }
}

extension Failure {
    /// PL/pgSQL is not installed, or the role may not use it.
    package var isOfMissingLanguage: Bool { sqlState == "42704" || isOfMissingPrivilege }

    fileprivate var isOfMissingPrivilege: Bool { sqlState == "42501" }

    /// The server has cancelled the statement.
    fileprivate var isCancellation: Bool { sqlState == "57014" }
}

extension CheckedOutSession.Submission {
    enum Verdict: Hashable {
        case succeeded
        /// The wait was ended because it harmed other sessions.
        case toBeginAnew
        case failed(Engine.Outcome)
    }

    /// Only here it is known which of several reasons was the cause: a deadline may come while something else fails.
    func verdict(_ replies: [CheckedOutSession.Reply], _ outcome: Engine.Outcome) -> Verdict {
        guard case .settled(let cause) = outcome else { return .failed(outcome) }
        let failure = replies.lazy.compactMap(\.failure).first
        if cause == .renewed {
            if failure?.isCancellation == true { return .toBeginAnew }
        } else if let cause, failure?.isCancellation ?? (isUndone && !(replies.last?.isRefusal == true && cause != .cancelled)) {
            // Only if the server has ended a wait for the lock, it is known at the deadline that the lock was taken.
            let isTaken = lockWait != nil && replies.last?.failure?.isCancellation == true
            return .failed(.settled(cause: cause == .cancelled || isTaken ? cause : .timedOut(.unanswered)))
        }
        return failure.map { .failed(.failed($0)) } ?? .succeeded
    }

    /// How they have failed, if they have. For statements that are not begun anew.
    func failure(_ replies: [CheckedOutSession.Reply], _ outcome: Engine.Outcome) -> Engine.Outcome? {
        switch verdict(replies, outcome) {
        case .succeeded: nil
        case .failed(let outcome): outcome
        case .toBeginAnew: outcome
        }
    }
}

extension CheckedOutSession.Reply {
    /// Whether the lock is certainly not held: a try was refused, or the wait has reported what has ended it.
    var isRefusal: Bool { failure == nil ? rows == [false] : hasSaidOutcome }
}
