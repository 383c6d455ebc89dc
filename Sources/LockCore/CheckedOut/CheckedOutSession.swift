import DequeModule

/// What a transaction or an explicit session does on the session that is checked out for it, and what that does to its locks.
///
/// A value without I/O. An operation (a lock, a statement of the body, the end) begins with its first step; the driver carries it out, says what came
/// of it, and gets the next step, until the operation has ended. One operation runs after the other. What happens to locks meanwhile is told by
/// ``nextEvent()``, before the next step.
///
/// What runs on the session is a call of the engine (``Engine/beginStatement(_:on:deadline:answerBy:lockWait:renewals:now:)``), whose outcome
/// comes with the answers.
package struct CheckedOutSession: Sendable {
    package let scope: Scope
    /// What the transaction was begun with.
    package let first: (key: AdvisoryKey, mode: Mode)?
    let settings: Settings

    /// What was locked since.
    package private(set) var holdings: [AdvisoryKey: Mode] = [:]
    /// Once the last operation has ended: whether the session is certainly as good as new.
    package var isClean = false
    /// Those that were locked shared before they were locked exclusively, and are so still, below that.
    private(set) var sharedBelow: Set<AdvisoryKey> = []
    /// Why the session is gone, if it is.
    package private(set) var loss: Failure?
    /// Whether the body is over: nothing more is sent for it.
    package private(set) var isAtEnd = false
    /// Whether the transaction can only be rolled back, by our own decision.
    private var isRollbackOnly = false
    /// Whether an error has taken locks along.
    package private(set) var isAborted = false

    /// After the last answer.
    var transaction = TransactionState.unknown
    var savepoints = Savepoints()
    /// Whether the session may differ from a new one in more than its locks.
    package var hasRunSQL = false
    /// Whether its body has run a statement that may have taken locks. What that has taken is not in ``holdings``, and is to be looked
    /// after to the end.
    private(set) var mayHoldOthers = false
    /// Whether it has the settings of the role.
    var hasRoleSettings = false
    /// Whether its transactions may be deferrable, in which our own statements would wait for others' transactions.
    var mayDefer = false
    /// Whether waits that say what has ended them are not to be had on it.
    var waitsPlainly = false
    /// What the body has for `default_transaction_deferrable`, while our own statements have it off.
    var deferrable: String?

    var operation: Operation?
    private var events = Deque<Event>()
    private var changedKeys: [AdvisoryKey] = []

    package init(_ scope: Scope, first: (key: AdvisoryKey, mode: Mode)? = nil, _ settings: Settings) {
        self.scope = scope
        self.first = first
        self.settings = settings
    }

    // MARK: Looking in

    /// All that it holds: what it was begun with, then the others in their order.
    package var heldKeys: [AdvisoryKey] {
        let further = holdings.keys.filter { $0 != first?.key }.sorted()
        return (first.map { [$0.key] } ?? []) + further
    }

    /// Why the transaction can only be rolled back.
    package var unusable: Unusable? { isRollbackOnly ? .rollbackOnly : isAborted ? .aborted : nil }

    // MARK: What happens beside the operations

    /// The session is gone, and all that was held on it.
    package mutating func noteLost(_ failure: Failure) {
        if loss == nil { loss = failure }
    }

    /// The body is over. What it has begun is cancelled by the driver.
    package mutating func beginEnd() { isAtEnd = true }

    /// The transaction is rolled back at its end, whatever its body makes of the error that was the reason for it.
    package mutating func markRollbackOnly() { isRollbackOnly = true }

    /// The body has taken a lock by SQL of its own.
    package mutating func noteLock(_ key: AdvisoryKey, _ mode: Mode) {
        hold(key, mode)
        // Another task's statement may have failed since.
        noteAbort(because: nil)
    }

    /// A statement of the body that may take locks has been run.
    mutating func noteMayHoldOthers() { mayHoldOthers = true }

    /// The keys of ``holdings`` that have changed since they were asked for last; some maybe several times.
    package mutating func takeChangedKeys() -> [AdvisoryKey] {
        defer { changedKeys = [] }
        return changedKeys
    }

    package mutating func nextEvent() -> Event? {
        events.popFirst()
    }

    // MARK: Locks

    mutating func note(_ event: Event) { events.append(event) }

    /// Has no effect on a key that is held already, in that mode or alone.
    mutating func hold(_ key: AdvisoryKey, _ mode: Mode) {
        let held = holdings[key] ?? (first?.key == key ? first?.mode : nil)
        guard held == nil || (held == .shared && mode == .exclusive) else { return }
        if holdings[key] == .shared { sharedBelow.insert(key) }
        holdings[key] = mode
        changedKeys.append(key)
        savepoints.noteLock(key)
    }

    mutating func letGo(_ key: AdvisoryKey) {
        holdings[key] = nil
        changedKeys.append(key)
        sharedBelow.remove(key)
        savepoints.forget(key)
    }

    /// The body has rolled back to before this lock. One that was shared before is so again.
    mutating func rollBack(_ key: AdvisoryKey) {
        if sharedBelow.remove(key) != nil {
            holdings[key] = .shared
            changedKeys.append(key)
            savepoints.noteRolledBack(key)
            events.append(.rolledBack(key, to: .shared))
        } else {
            letGo(key)
            events.append(.rolledBack(key, to: nil))
        }
    }

    /// An error has released what the transaction had locked since the latest savepoint that is certain, long before the rollback.
    mutating func noteAbort(because cause: Engine.Outcome?) {
        guard scope == .transaction, transaction == .aborted, loss == nil else { return }
        let isAll = !savepoints.isBaseSet
        let keys = isAll ? heldKeys : savepoints.exposed.sorted()
        guard isAll || !keys.isEmpty else { return }
        isAborted = true
        events.append(.released(keys, isAll: isAll, because: cause))
        if !isAll { for key in keys { letGo(key) } }
    }

    /// What the session holds is not known any more.
    mutating func giveUp(_ failure: Failure) {
        guard loss == nil else { return }
        loss = failure
        events.append(.givenUp(failure))
    }

    // MARK: Steps

    /// What may be cancelled is not begun any more when the body is over.
    mutating func send(_ submission: Submission, for operation: Operation, orElse: (inout CheckedOutSession) -> Step) -> Step {
        guard !isAtEnd || loss != nil else { return orElse(&self) }
        self.operation = operation
        return .send(submission)
    }

    /// Statements whose outcome has to be known; nothing cancels them, but a session that does not answer in time counts as gone.
    ///
    /// - Parameter limit: For all the answers together.
    mutating func settle(
        _ statements: [Statement],
        then further: [Statement] = [],
        within limit: Duration? = nil,
        for operation: Operation,
        now: Instant
    ) -> Step {
        self.operation = operation
        var submission = Submission(statements: statements, further: further)
        submission.answerBy = now.advanced(by: limit ?? settings.answerLimit)
        submission.isCancellable = false
        return .send(submission)
    }

    mutating func end(_ outcome: Outcome) -> Step {
        operation = nil
        return .end(outcome)
    }

    // MARK: Invariants

    /// Something has happened that can't happen. The session is given up, and its locks are lost: that is loud, and gives out no wrong
    /// grant. In a build for debugging it is a trap.
    mutating func broken(_ what: String) -> Step {
        assertionFailure(what)
        events.append(.invariantBroken(what))
        giveUp(Failure(.connectionLost, .impossibleSession(what)))
        isClean = false
        return end(.failed(.failed(loss ?? Failure.suspect)))
    }

    /// An operation was begun while one is under way.
    var brokenBySecond: Step {
        mutating get { broken("an operation was begun while another one was under way") }
    }

    // MARK: Resetting

    var resetting: [Statement] {
        settings.hasSettings ? [.reset(isThorough: hasRunSQL, mayDefer: mayDefer)] : []
    }

    /// Whether the answers to ``resetting`` are there, and say that it is done.
    func isReset(_ replies: some Collection<Reply>) -> Bool {
        replies.count == resetting.count && replies.allSatisfy { $0.failure == nil }
    }

    // MARK: Answers

    /// What was sent is answered, as far as it is, and nothing that was sent to cancel it can strike any more; or the session is gone.
    package mutating func answered(_ replies: [Reply], _ outcome: Engine.Outcome, now: Instant) -> Step {
        if let last = replies.last { transaction = last.transaction }
        var (outcome, lost) = (outcome, Failure?.none)
        switch outcome {
        case .settled:
            break
        case .failed(let failure):
            lost = loss ?? failure
            outcome = .failed(loss ?? failure)
        default:
            return broken("statements have ended by \(outcome)")
        }
        let answer = Answer(replies: replies, outcome: outcome, loss: lost)
        guard let operation else { return broken("statements were answered, and none were sent") }
        switch operation {
        case .opening(let submission): return opened(submission.failure(replies, outcome), now: now)
        case .taking(let attempt, let target): return attempted(attempt, target, answer, now: now)
        case .undoing(let attempt, let target): return undone(attempt, target, answer, now: now)
        case .releasingStep(let target, let isHeld): return stepReleased(target, isHeld, answer, now: now)
        case .recording(let target, let submission): return recorded(target, submission.failure(replies, outcome), answer, now: now)
        case .certifying: return broken("statements were answered, and none were sent")
        case .checkingActivity(let target): return activityChecked(target, answer, now: now)
        case .backingOut(let outcome, let cause): return backedOut(outcome, because: cause)
        case .verifying(let key, let mode, let outcome): return verified(key, mode, answer, then: outcome)
        case .preparing(let next): return prepared(for: next, answer, now: now)
        case .settingBase(let next): return baseSet(next, answer, now: now)
        case .running(let body, let submission): return bodyRun(body, submission.failure(replies, outcome), answer, now: now)
        case .looking(let body, let locks): return looked(body, locks, answer, now: now)
        case .endingBegun: return end(.begunBySQL)
        case .unlocking(let key, let batches): return unlocked(key, batches, answer)
        case .committing: return committed(answer)
        case .rollingBack(let outcome): return rolledBack(answer, outcome)
        case .ending(let keys, let batches): return ended(keys, batches, answer)
        }
    }
}
