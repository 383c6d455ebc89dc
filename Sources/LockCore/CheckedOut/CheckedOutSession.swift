import DequeModule

/// Decides the statements of a transaction or an explicit session on the session that is checked out for it, and what they do to its locks.
///
/// It is a value without I/O. An operation (a lock, a statement of the body, the end) begins with its first step. The driver carries the
/// step out, reports the result, and gets the next step, until the operation has ended. One operation runs after the other. ``nextEvent()``
/// tells before the next step what has happened to locks meanwhile.
///
/// Each submission is a call of the engine (``Engine/beginStatement(_:on:deadline:answerBy:lockWait:renewals:now:)``), whose outcome comes
/// with the answers.
package struct CheckedOutSession: Sendable {
    package let scope: Scope
    /// What the transaction was begun with.
    package let first: (key: AdvisoryKey, mode: Mode)?
    let settings: Settings

    /// The further locks.
    package private(set) var holdings: [AdvisoryKey: Mode] = [:]
    /// After the last operation: whether the session is certainly in the state of a new one.
    package var isClean = false
    /// The keys that were locked shared before they were locked exclusively. The session holds both locks.
    private(set) var sharedBelow: Set<AdvisoryKey> = []
    /// Why the session is gone; `nil` if it is not.
    package private(set) var loss: Failure?
    /// Whether the body has ended: nothing more is sent for it.
    package private(set) var isAtEnd = false
    /// Whether the transaction can only be rolled back because the manager has decided it.
    private var isRollbackOnly = false
    /// Whether an error has released locks.
    package private(set) var isAborted = false

    /// After the last answer.
    var transaction = TransactionState.unknown
    var savepoints = Savepoints()
    /// Whether the session may differ from a new one in more than its locks.
    package var hasRunSQL = false
    /// Whether its body has run a statement that may have taken locks. They are not in ``holdings``, and the session stays guarded to its
    /// end because of them.
    private(set) var mayHoldOthers = false
    /// Whether the session has the settings of the role.
    var hasRoleSettings = false
    /// Whether its transactions may be deferrable: then the library's own statements would wait for transactions of other sessions.
    var mayDefer = false
    /// Whether the session can't run waits that report what has ended them.
    var waitsPlainly = false
    /// The body's value of `default_transaction_deferrable`, while it is off for the library's own statements.
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

    /// The keys of all its locks: the one that it was begun with, then the others in their order.
    package var heldKeys: [AdvisoryKey] {
        let further = holdings.keys.filter { $0 != first?.key }.sorted()
        return (first.map { [$0.key] } ?? []) + further
    }

    /// Why the transaction can only be rolled back.
    package var unusable: Unusable? { isRollbackOnly ? .rollbackOnly : isAborted ? .aborted : nil }

    // MARK: What happens beside the operations

    /// The session is gone, with all its locks.
    package mutating func noteLost(_ failure: Failure) {
        if loss == nil { loss = failure }
    }

    /// The body has ended. The driver cancels what it has begun.
    package mutating func beginEnd() { isAtEnd = true }

    /// The transaction is rolled back at its end, also if its body catches the error that is the reason.
    package mutating func markRollbackOnly() { isRollbackOnly = true }

    /// The body has taken a lock by its own SQL.
    package mutating func noteLock(_ key: AdvisoryKey, _ mode: Mode) {
        hold(key, mode)
        // A statement of another task may have failed since.
        noteAbort(because: nil)
    }

    /// A statement of the body that may take locks has been run.
    mutating func noteMayHoldOthers() { mayHoldOthers = true }

    /// The keys whose ``holdings`` have changed since the last call. A key may occur several times.
    package mutating func takeChangedKeys() -> [AdvisoryKey] {
        defer { changedKeys = [] }
        return changedKeys
    }

    package mutating func nextEvent() -> Event? {
        events.popFirst()
    }

    // MARK: Locks

    mutating func note(_ event: Event) { events.append(event) }

    /// Has no effect on a key that is held in that mode or exclusively.
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

    /// The body has rolled back to before this lock. A lock that was shared before is shared again.
    mutating func noteRolledBack(_ key: AdvisoryKey) {
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

    /// An error has released the locks that the transaction has taken since the latest certain savepoint, long before the rollback.
    mutating func noteAbort(because cause: Engine.Outcome?) {
        guard scope == .transaction, transaction == .aborted, loss == nil else { return }
        let isAll = !savepoints.isBaseSet
        let keys = isAll ? heldKeys : savepoints.exposed.sorted()
        guard isAll || !keys.isEmpty else { return }
        isAborted = true
        events.append(.released(keys, isAll: isAll, because: cause))
        if !isAll { for key in keys { letGo(key) } }
    }

    /// It is not known any more what the session holds.
    mutating func giveUp(_ failure: Failure) {
        guard loss == nil else { return }
        loss = failure
        events.append(.givenUp(failure))
    }

    // MARK: Steps

    /// Statements that can be cancelled. After the end of the body they are not sent.
    mutating func send(_ submission: Submission, for operation: Operation, orElse: (inout CheckedOutSession) -> Step) -> Step {
        guard !isAtEnd || loss != nil else { return orElse(&self) }
        self.operation = operation
        return .send(submission)
    }

    /// Statements whose outcome has to be known. They are not cancelled, but a session that does not answer in time counts as gone.
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

    /// An event contradicts an invariant. The session is given up and its locks are lost, so the fault shows and causes no wrong grant. A
    /// debug build traps.
    mutating func broken(_ what: String) -> Step {
        assertionFailure(what)
        events.append(.invariantBroken(what))
        giveUp(Failure(.connectionLost, .impossibleSession(what)))
        isClean = false
        return end(.failed(.failed(loss ?? Failure.suspect)))
    }

    /// A second operation was begun.
    var brokenBySecond: Step {
        mutating get { broken("an operation was begun while another one was under way") }
    }

    // MARK: Resetting

    var resetting: [Statement] {
        settings.hasSettings ? [.reset(isThorough: hasRunSQL, mayDefer: mayDefer)] : []
    }

    /// Whether the statements of ``resetting`` were answered without an error.
    func isReset(_ replies: some Collection<Reply>) -> Bool {
        replies.count == resetting.count && replies.allSatisfy { $0.failure == nil }
    }

    // MARK: Answers

    /// The submission is answered, and no cancel request for it can have an effect any more; or the session is gone, and there may be fewer
    /// replies.
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
