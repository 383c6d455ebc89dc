import DequeModule

/// One session of the pool, from the attempt to connect to its end: its role, its state, and what it has been sent.
///
/// ```
/// connecting → shared                               one array statement after the other
/// connecting → idle → waiting → holding → unlocking → idle
///                     waiting → verifying → idle, or → waiting anew
///              idle → recording → idle              writes the record of fencing tokens
///              idle → checkedOut → idle             a transaction's, or an explicit session's
/// ```
///
/// The server answers in order, so there is one queue of all that is in flight. While a cancel request for the session is unanswered,
/// everything else is held back, since the request could strike it.
///
/// An event that does not fit the state changes nothing but ``brokenInvariant``.
struct ServerSession: Sendable {
    typealias Work = Engine.Work

    /// Something that was sent and is not answered.
    struct Submission: Sendable {
        let work: Work
        let sentAt: Instant
    }

    /// After how long a statement has certainly arrived, if what was sent over another connection has. They arrive in no order.
    static let arrival = Duration.seconds(1)

    let id: ConnectionID
    private(set) var role: Engine.Role
    private(set) var state = State.connecting(Connecting())
    private(set) var liveness = SessionLiveness()
    private(set) var cancelRequest: CancelRequest?
    /// A cancel request for it was lost with the session that it was sent over, and may still be carried out.
    private(set) var mayBeStruck = false
    /// How many locks a shared session holds.
    private(set) var heldCount = 0
    /// The most that it has held at a time: the server's table of a session's locks never shrinks.
    private(set) var mostHeld = 0
    /// How much it has been sent in all.
    private(set) var sentCount = 0
    private var inFlight = Deque<Submission>()
    private var heldBack: [Work] = []
    /// The invariant that an event contradicts. The session is closed because of it.
    private(set) var brokenInvariant: String?

    init(_ id: ConnectionID, _ role: Engine.Role) {
        self.id = id
        self.role = role
    }

    // MARK: Connecting

    /// A part of the attempt to connect has begun.
    mutating func connecting(_ attempt: Connecting) {
        guard isConnecting else { return }
        state = .connecting(attempt)
    }

    /// - Returns: Whether there was an attempt.
    mutating func connected(now: Instant) -> Bool {
        guard isConnecting else { return false }
        liveness.noteSent(now)
        liveness.noteHeard(owingSince: nil)
        state = role == .shared ? .shared : .idle(since: now)
        return true
    }

    // MARK: Changing its purpose

    /// An idle session serves another purpose.
    mutating func convert(to role: Engine.Role) {
        guard isIdle else { return broken("its role was changed") }
        self.role = role
    }

    mutating func beginWait(for key: AdvisoryKey) {
        switch state {
        case .idle, .verifying(key, _): state = .waiting(key)
        default: broken("a wait was begun")
        }
    }

    /// The wait has ended by a grant.
    mutating func hold(_ key: AdvisoryKey) {
        guard state == .waiting(key) else { return broken("a wait was granted") }
        state = .holding(key)
    }

    /// The wait has failed. It may have taken the lock all the same, which is verified next.
    ///
    /// - Parameter reported: The failure for the lock table; `nil` if the key is only not granted.
    mutating func verify(_ key: AdvisoryKey, reported: Failure?) {
        guard state == .waiting(key) else { return broken("a wait has failed") }
        state = .verifying(key, reported: reported)
    }

    mutating func unlock(_ key: AdvisoryKey) {
        guard state == .holding(key) else { return broken("its lock was released") }
        state = .unlocking(key)
    }

    mutating func record() {
        guard isIdle else { return broken("a record was begun") }
        state = .recording
    }

    mutating func checkOut() {
        guard isIdle else { return broken("it was checked out") }
        state = .checkedOut(CheckOut())
    }

    mutating func becomeIdle(now: Instant) {
        switch state {
        case .checkedOut(let checkOut) where checkOut.statement != nil: broken("it became idle")
        case .verifying, .unlocking, .recording, .checkedOut: state = .idle(since: now)
        case .connecting, .shared, .idle, .waiting, .holding: broken("it became idle")
        }
    }

    // MARK: Checked out

    /// - Returns: Whether it is checked out and runs nothing else. If so, it runs the statement from now on.
    mutating func run(_ statement: CheckOut.Statement) -> Bool {
        guard case .checkedOut(var checkOut) = state else { return false }
        guard checkOut.statement == nil else {
            broken("a second statement was begun")
            return false
        }
        checkOut.statement = statement
        state = .checkedOut(checkOut)
        liveness.noteStatement()
        return true
    }

    /// - Parameter isGuarding: See ``CheckOut/isGuarding``.
    mutating func setGuarding(_ isGuarding: Bool) {
        guard case .checkedOut(var checkOut) = state else { return }
        checkOut.isGuarding = isGuarding
        state = .checkedOut(checkOut)
    }

    // MARK: Sending and being answered

    /// - Returns: Whether it goes out now. If not, it is held back until no cancel request can strike it.
    mutating func submit(_ work: Work, now: Instant) -> Bool {
        guard cancelRequest == nil else {
            heldBack.append(work)
            return false
        }
        send(work, now: now)
        return true
    }

    private mutating func send(_ work: Work, now: Instant) {
        inFlight.append(Submission(work: work, sentAt: now))
        sentCount += 1
        liveness.noteSent(now, owes: true)
    }

    /// The oldest submission in flight is answered.
    mutating func answered(now: Instant) -> Submission? {
        guard let submission = inFlight.popFirst() else {
            broken("an answer came")
            return nil
        }
        liveness.noteHeard(owingSince: inFlight.isEmpty ? nil : now)
        switch submission.work {
        case .statement:
            guard case .checkedOut(var checkOut) = state else { break }
            checkOut.statement?.isAnswered = true
            state = .checkedOut(checkOut)
            cancelRequest?.noteStatementAnswered()
        case .wait:
            cancelRequest?.noteStatementAnswered()
        default:
            break
        }
        return submission
    }

    /// What can go on when no cancel request can strike it any more.
    struct Settled {
        var submitted: [Work] = []
        /// The statement of a checked-out session, and why it was cancelled, if it was.
        var statement: (call: RequestID, cause: Engine.EndCause?)?
    }

    /// - Returns: `nil` as long as what was to be cancelled, or a cancel request for it, is unanswered.
    mutating func settle(now: Instant) -> Settled? {
        var settled = Settled()
        var cause: Engine.EndCause?
        if let request = cancelRequest {
            guard request.isSettled else { return nil }
            cause = request.cause
            cancelRequest = nil
        }
        settled.submitted = heldBack
        heldBack = []
        for work in settled.submitted { send(work, now: now) }
        if case .checkedOut(var checkOut) = state, let statement = checkOut.statement, statement.isAnswered {
            checkOut.statement = nil
            state = .checkedOut(checkOut)
            settled.statement = (statement.call, cause)
        }
        return settled
    }

    // MARK: Cancelling

    /// What it runs is to be cancelled.
    ///
    /// - Returns: Whether a cancel request is to be sent: not if there is one already, or the answer is there.
    mutating func requestCancel(_ request: CancelRequest) -> Bool {
        guard cancelRequest == nil else {
            cancelRequest?.supersede(request)
            return false
        }
        switch state {
        case .waiting: break
        case .checkedOut(let checkOut):
            guard let statement = checkOut.statement, !statement.isAnswered else { return false }
        case .connecting, .shared, .idle, .holding, .unlocking, .verifying, .recording:
            broken("what it runs was to be cancelled")
            return false
        }
        cancelRequest = request
        return true
    }

    /// - Parameter other: See ``CancelRequest/noteSent(orElseAt:)``.
    mutating func noteCancelSent(orElseAt other: Instant? = nil) { cancelRequest?.noteSent(orElseAt: other) }

    mutating func noteCancelTaken() { cancelRequest?.noteTaken() }

    mutating func cancelAnswered(_ answer: CancelRequest.Answer, now: Instant) { cancelRequest?.answered(answer, now: now) }

    mutating func noteMayBeStruck() { mayBeStruck = true }

    // MARK: What it holds

    mutating func noteHeld(_ change: Int) {
        guard heldCount + change >= 0 else { return broken("more was released than it held") }
        heldCount += change
        mostHeld = max(mostHeld, heldCount)
    }

    // MARK: Liveness

    mutating func noteOverdue() { liveness.noteOverdue() }
    mutating func noteAsked(now: Instant) { liveness.noteAsked(now) }
    mutating func forgetAsked() { liveness.forgetAsked() }
    mutating func noteAnswerMissed(now: Instant) { liveness.noteAnswerMissed(now) }
    mutating func noteActive() { liveness.noteActive() }
    mutating func noteSuspect() { liveness.noteSuspect() }

    mutating func renew(answerTo sentAt: Instant, validFor validity: Duration) -> Instant? {
        liveness.renew(answerTo: sentAt, validFor: validity)
    }

    // MARK: Invariants

    private mutating func broken(_ what: String) {
        if brokenInvariant == nil { brokenInvariant = "\(what) while it was \(state.name)" }
    }

    /// What must be true between two events.
    mutating func checkInvariants() {
        switch state {
        case .connecting, .idle, .holding:
            if state.isConnecting, !inFlight.isEmpty { broken("something was sent") }
            if cancelRequest?.isSettled == true { broken("a settled cancel request was kept") }
        case .shared, .recording:
            if cancelRequest != nil { broken("it was to be cancelled") }
        case .waiting:
            if inFlight.isEmpty, heldBack.isEmpty { broken("its wait was never sent") }
        case .verifying, .unlocking:
            if inFlight.isEmpty, heldBack.isEmpty { broken("its unlock was never sent") }
        case .checkedOut(let checkOut):
            if let statement = checkOut.statement, !statement.isAnswered, inFlight.isEmpty, heldBack.isEmpty {
                broken("its statement was never sent")
            }
        }
    }
}

// MARK: - Looking in

extension ServerSession {
    var isConnecting: Bool { state.isConnecting }
    var isIdle: Bool { if case .idle = state { true } else { false } }
    var isWaiting: Bool { if case .waiting = state { true } else { false } }
    var isCheckedOut: Bool { if case .checkedOut = state { true } else { false } }
    var isShared: Bool { state == .shared }

    /// Whether it owes no answer.
    var isAnswered: Bool { inFlight.isEmpty }
    /// A shared session that can be sent a round now.
    var isFree: Bool { isShared && inFlight.isEmpty }

    /// Nothing is under way but heartbeats.
    var isQuiet: Bool { inFlight.allSatisfy { $0.work == .heartbeat } && heldBack.isEmpty && cancelRequest == nil }

    var answeredCount: Int { sentCount - inFlight.count }
    var works: [Work] { inFlight.map(\.work) }
    var oldestWork: Work? { inFlight.first?.work }
    /// Whether batches are in flight, and nothing else.
    var owesOnlyBatches: Bool {
        !inFlight.isEmpty
            && inFlight.allSatisfy {
                switch $0.work {
                case .batch, .tryAny: true
                default: false
                }
            }
    }
    /// The only statement in flight.
    var loneWork: Work? { inFlight.count == 1 ? inFlight.first?.work : nil }

    /// The statement of a checked-out session, until it is settled.
    var statement: CheckOut.Statement? { if case .checkedOut(let checkOut) = state { checkOut.statement } else { nil } }
    /// The same while it is not answered.
    var runningStatement: CheckOut.Statement? { statement.flatMap { $0.isAnswered ? nil : $0 } }

    /// Since when it runs a statement or wait that may last, about which the server can be asked.
    var runsSince: Instant? {
        if isWaiting { return inFlight.count == 1 && cancelRequest == nil ? inFlight.first?.sentAt : nil }
        return runningStatement?.sentAt
    }

    /// Since when it waits for a lock, if the wait can be begun anew.
    var renewableWaitSince: Instant? {
        if isWaiting { return inFlight.last?.sentAt }
        return runningStatement.flatMap { $0.renewals == nil ? nil : $0.sentAt }
    }

    /// The key that it waits for at the server, or is about to.
    var awaitedKey: AdvisoryKey? {
        if case .waiting(let key) = state { key } else { runningStatement?.lockWait }
    }

    /// Whether the server would end the session after the lease without a heartbeat, whatever it holds.
    var isKeptAlive: Bool {
        switch state {
        case .shared, .idle, .holding, .checkedOut, .recording: true
        case .connecting, .waiting, .unlocking, .verifying: false
        }
    }

    /// Whether it has a slot in the queue of a lock, or may hold a lock by that.
    var isInServerQueue: Bool {
        switch state {
        case .waiting, .verifying: true
        case .connecting, .shared, .idle, .holding, .unlocking, .checkedOut, .recording: false
        }
    }

    /// Whether it holds locks that other sessions may ask for, as far as is known.
    var mayHoldLocks: Bool {
        switch state {
        case .holding, .checkedOut: true
        case .shared: heldCount > 0
        case .connecting, .idle, .waiting, .unlocking, .verifying, .recording: false
        }
    }

    func holdsSomething(hasLease: Bool) -> Bool {
        switch state {
        case .holding, .unlocking: true
        case .shared: heldCount > 0
        case .checkedOut(let checkOut): hasLease && checkOut.isGuarding
        case .connecting, .idle, .waiting, .verifying, .recording: false
        }
    }
}
