import DequeModule

/// Decides everything for one lock manager: which call gets which lock, over which session, and when a call gives up.
///
/// The engine is a value without clock, sockets or continuations. Events go in together with the time, and actions come out. The driver
/// carries the actions out and reports what comes of them. The simulation runs the same value against a model of the server, so no
/// decision may depend on the order of a dictionary, which differs from run to run.
///
/// The engine is not copyable: it is large, and each closure or getter that reads it would copy all of it.
///
/// Each session has a role. A shared session runs everything that can't block, many keys in one statement; there is a second one only while
/// the first is silent. A waiting session runs one blocking lock statement, so that PostgreSQL's own queue decides between processes.
/// Contended keys for which there is no waiting session are tried again from time to time on the shared session. A checked-out session runs
/// the statements of one transaction or explicit session. The fencing session writes the records that fencing tokens are made of.
package struct Engine: ~Copyable, Sendable {
    enum Lifecycle: Hashable, Sendable {
        case running
        case draining
        case terminated
    }

    let configuration: Configuration
    var lifecycle = Lifecycle.running
    var actions = Deque<Action>()
    var random: SplitMix64

    // Calls and keys.
    var calls = CallRegister()
    var table: LockTable
    var confirmations = Confirmations()
    var records = FencingRecords()
    var contention = Contention()
    var quota: LockTableQuota

    // Sessions.
    var sessions: SessionTable
    var pool: SessionPool
    var checkOuts = CheckOutQueue()
    var pace: ConnectingPace
    var shared = SharedSessions()

    // What the server is asked from time to time.
    var looks: HarmLooks
    var releaseLooks: ReleaseLooks
    var deadlineLooks = DeadlineLooks()
    /// When other hosts are asked; `nil` while nothing is held.
    private var surveyAt: Instant?
    /// When they are to be asked at the earliest, whatever is held until then.
    private var surveyDue: Instant?
    /// Whether the log says already that the server hides what sessions do.
    var hasLoggedHiddenActivity = false

    package init(configuration: Configuration) {
        self.configuration = configuration
        table = LockTable(limit: configuration.handoff)
        random = SplitMix64(seed: configuration.seed)
        sessions = SessionTable(leastPause: configuration.leastPause)
        pool = SessionPool(configuration)
        pace = ConnectingPace(timeout: configuration.connectTimeout)
        looks = HarmLooks(interval: configuration.lookInterval)
        releaseLooks = ReleaseLooks(interval: configuration.releaseLookInterval)
        quota = LockTableQuota(configuration.capacity, waitsBeyond: configuration.maximumConnections)
    }

    // MARK: The turn

    /// Something happens. The driver takes the resulting actions out by ``nextAction()`` at once.
    ///
    /// - Parameter event: Calls one or several of the methods that say what has happened.
    package mutating func handle(now: Instant, _ event: (inout Engine, Instant) -> Void) {
        event(&self, now)
        endBroken(now: now)
    }

    package mutating func nextAction() -> Action? {
        actions.popFirst()
    }

    /// What is left for the driver to do at the end of a turn.
    package struct TurnEnd: Sendable {
        /// The session whose answer is all that the process waits for, if the answer can't take long.
        package let loneConnection: ConnectionID?
        /// Whether a caller waits for an answer, or something is not sent before one comes.
        package let isAnswerNeeded: Bool
        /// When ``advance(to:)`` is due if nothing happens before; `nil` for never.
        package let wake: Instant?
    }

    /// Ends a turn, that is the handling of the events that have arrived together: what they ask of the server goes out.
    package mutating func endTurn(now: Instant) -> TurnEnd {
        flush(now: now)
        endBroken(now: now)
        return TurnEnd(loneConnection: loneConnection, isAnswerNeeded: isAnswerNeeded, wake: nextWake(now: now))
    }

    // MARK: Time

    /// Does everything that is due.
    package mutating func advance(to now: Instant) {
        while let id = calls.popDue(now: now) { end(id, cause: .timedOut(uncertainty(of: id)), now: now) }
        askBeforeDeadlines(now: now)
        if looks.takePlanned(now: now) { lookSoon(now: now) }
        if releaseLooks.takePlanned(now: now) { lookForRequestsSoon(now: now) }
        quota.countIfPlanned(now: now)
        yieldOnlySlot(now: now)
        yieldTurns(now: now)
        advanceSessions(to: now)
        if pace.takeAttempt(now: now) {
            ensureSharedSession(now: now)
            assignSessions(now: now)
            refuseTries(now: now)
        }
        for id in shared.idleTransactions(among: sessions, now: now) { endTransaction(on: id, isOpen: true, now: now) }
        sendHeartbeats(now: now)
        survey(now: now)
        table.pollChoicesIfPlanned(now: now)
        if contention.takePlannedPoll(now: now) || table.areChoicesDue { ensureSharedSession(now: now) }
        if pace.isGivingUpDue(at: now) { giveUpIfDue(now: now) }
        settleTable(now: now)
        noteOverdue(now: now)
        retireSharedSession(now: now)
    }

    /// When ``advance(to:)`` is due if nothing happens before.
    private mutating func nextWake(now: Instant) -> Instant? {
        guard lifecycle != .terminated else { return nil }
        var next: Instant
        if let known = sessions.knownDue, known > now {
            next = known
            assert(known <= sessions.due(configuration), "What is due would come too late.")
        } else {
            next = sessions.computeDue(configuration)
            surveyAt = nil
        }
        planLookForRequests(now: now)
        // Once it is planned, it stays so for a moment in which nothing is held.
        let surveyAt = surveyAt ?? nextSurvey(now: now)
        func consider(_ at: Instant?) {
            if let at, at < next { next = at }
        }
        consider(calls.nextDeadline())
        consider(nextOverdue)
        consider(shared.nextTransactionEnd(among: sessions))
        consider(surveyAt)
        consider(pace.next)
        consider(contention.polls.plannedAt)
        consider(table.nextChoicePoll)
        consider(calls.nextLook())
        consider(deadlineLooks.repeatAt)
        consider(looks.plannedAt)
        consider(releaseLooks.plannedAt)
        consider(quota.nextCount)
        consider(nextYield)
        return next == .distantFuture ? nil : next
    }

    /// With several hosts, another one may be promoted while the one that holds the locks lives on and does not know. So while the process
    /// holds something, the driver asks the other hosts at intervals.
    private mutating func survey(now: Instant) {
        guard let due = nextSurvey(now: now), due <= now, let interval = configuration.surveyInterval else { return }
        surveyAt = now.advanced(by: interval)
        surveyDue = surveyAt
        actions.append(.survey)
    }

    /// A time at which nothing is held does not put the question off: a process that holds each lock for a moment would never ask.
    ///
    /// - Returns: `nil` while nothing is held.
    private mutating func nextSurvey(now: Instant) -> Instant? {
        guard let interval = configuration.surveyInterval, isAnythingHeld else {
            surveyAt = nil
            return nil
        }
        let at = surveyAt ?? max(surveyDue ?? now.advanced(by: interval), now)
        (surveyAt, surveyDue) = (at, at)
        return at
    }

    /// Without a lease it is not known what a checked-out session holds.
    private var isAnythingHeld: Bool {
        let (hasLease, hasSharedSession) = (configuration.lease != nil, configuration.hasSharedSession)
        return sessions.contains { $0.holdsSomething(hasLease: hasLease) || !hasLease && hasSharedSession && $0.isCheckedOut }
    }

    // MARK: What the lock table decides

    /// Carries out what the lock table has decided, until it asks for nothing more.
    mutating func settleTable(now: Instant) {
        repeat {
            if confirmations.isAnyUnclaimed {
                for request in confirmations.takeUnclaimed() { table.release(request, now: now) }
            }
            while let action = table.nextAction() { perform(action, now: now) }
        } while confirmations.isAnyUnclaimed
        checkDrained()
    }

    private mutating func perform(_ action: LockTable.Action, now: Instant) {
        switch action {
        case .grant(let id): grant(id, now: now)
        case .choose(let id, let key): actions.append(.choose(id, key))
        case .refuse(let id): resolve(id, .refused)
        case .fail(let id, let failure), .releaseFailed(let id, let failure), .changeFailed(let id, let failure):
            resolve(id, .failed(failure))
        case .lose(let ids, let failure): lose(ids, failure)
        case .released(let id): resolve(id, .released)
        case .changed(let id, let isChanged): resolve(id, .changed(isChanged))
        case .tryLock(let key, let mode):
            shared.appendTry(key, mode)
            ensureSharedSession(now: now)
        case .waitLock(let key, let mode): queueWait(key, mode, now: now)
        case .waitToJoin(let key): queueWait(key, .shared, mayPoll: false, now: now)
        case .endWait(let key): endWait(key, now: now)
        case .giveBack(let key, let mode, on: let session): unlock(key, mode, on: session, now: now)
        case .unlock(let key, let mode, on: let session):
            dropRecord(key)
            unlock(key, mode, on: session, now: now)
        case .changeMode(let key, to: let mode, on: let session): submit(.changeMode(key, to: mode), on: session, now: now)
        }
    }

    /// A call that has not been told of the grant is not told of the loss.
    private mutating func lose(_ ids: [RequestID], _ failure: Failure) {
        var holders: [RequestID] = []
        for id in ids {
            if takeConfirmed(id) == nil { holders.append(id) } else { resolve(id, .failed(failure)) }
        }
        if !holders.isEmpty { actions.append(.lose(holders, failure)) }
    }

    // MARK: Giving out grants

    /// The table has granted a request. Its caller is told once the session lives for certain and there is a token.
    private mutating func grant(_ id: RequestID, now: Instant) {
        guard configuration.lease != nil || configuration.isFencing, let session = table.session(of: id) else {
            return resolve(id, .granted)
        }
        let key = configuration.isFencing ? table.request(id)?.key : nil
        let grant = Confirmations.Grant(session: session, holder: id, key: key)
        if isReady(grant, now: now) { return give(id, grant) }
        confirmations.insert(id, grant)
        if let key, records.begin(key, on: session) { ensureFencingSession(now: now) }
        if !isVerified(session, now: now) || key.map(records.isWritten) ?? false { verify(session, now: now) }
    }

    private func isReady(_ grant: Confirmations.Grant, now: Instant) -> Bool {
        isVerified(grant.session, now: now) && (grant.key.map(records.isConfirmed) ?? true)
    }

    /// Whether a lock on this session may be given out.
    func isVerified(_ id: ConnectionID, now: Instant) -> Bool {
        guard let margin = configuration.validity?.margin, let validUntil = sessions.read(id, { $0.liveness.validUntil }) else {
            return true
        }
        // An answer from long ago is confirmed first.
        return validUntil.map { $0 >= now.advanced(by: margin) } ?? false
    }

    private mutating func give(_ id: RequestID, _ grant: Confirmations.Grant) {
        if let key = grant.key, let (position, index) = records.takeToken(key) {
            actions.append(.giveToken(grant.holder, position, index: index))
        }
        resolve(id, id == grant.holder ? .granted : .changed(true))
    }

    /// Asks the session for a heartbeat, unless it owes an answer.
    private mutating func verify(_ id: ConnectionID, now: Instant) {
        guard let session = sessions[id], session.isAnswered, session.cancelRequest == nil else { return }
        submit(.heartbeat, on: id, now: now)
    }

    /// Gives out the grants that are confirmed by what the session has answered, or asks for a further answer.
    mutating func settleUnconfirmed(on id: ConnectionID, now: Instant) {
        guard !confirmations.isEmpty, let answeredCount = sessions[id]?.answeredCount else { return }
        let waiting = confirmations.waiting(on: id)
        guard !waiting.isEmpty else { return }
        var isAnswerNeeded = !isVerified(id, now: now)
        for (call, grant) in waiting {
            if let key = grant.key, records.confirm(key, answeredCount: answeredCount) { isAnswerNeeded = true }
            guard isReady(grant, now: now) else { continue }
            _ = takeConfirmed(call)
            give(call, grant)
        }
        if isAnswerNeeded { verify(id, now: now) }
    }

    private mutating func takeConfirmed(_ call: RequestID) -> Confirmations.Grant? {
        let grant = confirmations.take(call)
        records.endRenewal(of: call, grant)
        return grant
    }

    // MARK: Invariants

    /// Closes the sessions whose state contradicts an invariant. Their locks are lost, so the fault shows and causes no wrong grant. A
    /// debug build traps.
    private mutating func endBroken(now: Instant) {
        if let (key, what) = table.takeBroken() {
            assertionFailure("\(key): \(what.rawValue)")
            giveUp(key, because: what.rawValue, now: now)
        }
        guard sessions.isChanged else { return }
        let (broken, contended) = (sessions.takeBroken(), contention.takeBroken())
        guard !broken.isEmpty || !contended.isEmpty else { return }
        for (id, what) in broken + contended {
            assertionFailure("\(id): \(what)")
            actions.append(.log(.invariantBroken(id, what)))
            close(id, because: Failure(.connectionLost, .impossibleSession(what)), now: now)
        }
    }

    /// The state of a key contradicts an invariant. The session that holds the key is closed, and all that is known of the key is dropped.
    mutating func giveUp(_ key: AdvisoryKey, because what: String, now: Instant) {
        actions.append(.log(.keyBroken(key, what)))
        let failure = Failure(.connectionLost, .impossibleLock(what))
        if let session = table.entry(of: key)?.session { close(session, because: failure, now: now) }
        table.giveUp(key, failure, now: now)
        settleTable(now: now)
    }

    // MARK: Shutting down

    /// Refuses new calls and fails the waiting ones; holders may still release their locks. Ends by `terminated`.
    package mutating func shutdown(now: Instant) {
        guard lifecycle == .running else { return }
        lifecycle = .draining
        let waiting = calls.elements.filter(\.value.endsByShutdown).map(\.id)
        for id in waiting { resolve(id, .failed(.shutDown)) }
        table.cancel(waiting, now: now)
        // What was never sent needs no answer, and no session is opened for it.
        for key in sessions.isAnyShared ? quota.takeHeldBack() : takeUnsent() {
            contention.forget(key)
            table.waitCancelled(key, now: now)
        }
        for session in sessions.all where session.isIdle || session.isConnecting { drop(session.id) }
        settleTable(now: now)
    }

    /// The grace period is over: everything ends now, held locks included.
    package mutating func terminate(now: Instant) {
        shutdown(now: now)
        guard lifecycle == .draining else { return }
        for id in sessions.ids {
            if sessions[id]?.isWaiting == true { actions.append(.cancelOutOfBand(id)) }
            close(id, because: .shutDown, now: now)
        }
        for (id, _) in Array(calls.elements) { resolve(id, .failed(.shutDown)) }
        settleTable(now: now)
        if lifecycle == .draining { noteTerminated() }
    }

    mutating func checkDrained() {
        guard lifecycle == .draining, calls.isEmpty, table.isEmpty, shared.isQuiet, sessions.all.allSatisfy(\.isFree) else { return }
        for id in sessions.ids { drop(id) }
        noteTerminated()
    }

    private mutating func noteTerminated() {
        lifecycle = .terminated
        actions.append(.terminated)
    }

    // MARK: Looking in

    /// See ``LockTable/session(of:)``.
    package func session(of id: RequestID) -> ConnectionID? { table.session(of: id) }

    /// The state, for the reader of a failed test.
    package var summary: String {
        "\(lifecycle), calls \(calls.elements), sessions \(sessions.all), waits \(contention), unsent \(shared), table \(table)"
    }

    package var isTerminated: Bool { lifecycle == .terminated }
    package var connectionCount: Int { sessions.count }
    /// How many sessions the server may count at present.
    package var sessionCount: Int { pool.sessionCount(of: sessions.count) }
    package var waitingCount: Int { calls.elements.count { $0.value.isWaiting } }
    package var heldKeys: [AdvisoryKey] { table.heldKeys }

    /// Whether a session of the process holds the key in shared mode.
    package func isShared(_ key: AdvisoryKey) -> Bool {
        if case .held(.shared, _) = table.serverState(of: key) { true } else { false }
    }

    /// Whether the call waits for a lock.
    package func isWaiting(_ id: RequestID) -> Bool { table.isQueued(id) }

    /// Nothing is held, asked for, or on its way.
    package var isQuiet: Bool {
        calls.isEmpty && table.isEmpty && contention.count == 0 && shared.isQuiet && records.isEmpty
            && sessions.all.allSatisfy(\.isQuiet)
    }
}
