// Opening and closing sessions within the pool's limit, and what follows from their silence.
extension Engine {
    // MARK: What the driver reports

    /// A part of an attempt to connect has begun.
    ///
    /// - Parameters:
    ///   - limit: When the attempt has failed if nothing more is heard of it: it may be stuck in a call that does not end. `nil` while it
    ///     waits for its turn, which the limits of other attempts bring.
    ///   - failure: The failure of the attempt in that case.
    package mutating func connecting(_ id: ConnectionID, until limit: Instant?, orElse failure: Failure = .noAnswer) {
        sessions.update(id) { $0.connecting(ServerSession.Connecting(until: limit, lateFailure: failure)) }
    }

    /// - Parameter lockTableSize: For how many locks the server's lock table has room, of all sessions together.
    package mutating func connected(_ id: ConnectionID, lockTableSize: Int? = nil, now: Instant) {
        if let lockTableSize { quota.learn(tableSize: lockTableSize) }
        guard sessions.update(id, { $0.connected(now: now) }) == true else {
            closeConnection(id)
            return
        }
        sessions.noteHeard(now: now)
        pace.noteConnected()
        ensureSharedSession(now: now)
        assignSessions(now: now)
        // It may have ended the pause between two attempts.
        refuseTries(now: now)
    }

    package mutating func connectFailed(_ id: ConnectionID, _ failure: Failure, now: Instant) {
        guard let session = sessions.remove(id) else { return }
        shared.remove(id)
        if shared.isEmpty { sendCancelsOutOfBand() }
        connectNext()
        // A server that refuses a session can be reached.
        if failure.kind != .unreachable { sessions.noteHeard(now: now) }
        let pause = pace.noteFailed(failure, isWaitedFor: !calls.isEmpty, using: &random, now: now)
        actions.append(.log(.connectFailed(session.role, failure, nextAttemptIn: pause)))
        if !failure.isWorthRetrying { failWhatNeeds(session.role, failure, now: now) }
        giveUpIfDue(now: now)
        checkDrained()
    }

    /// The server or the network has ended the session.
    package mutating func lost(_ id: ConnectionID, _ failure: Failure, now: Instant) {
        close(id, because: failure, now: now)
        settleTable(now: now)
    }

    /// A closed session has come to its end at the server, or is not waited for any longer.
    ///
    /// The driver reports it within five seconds: within three if the session ran a statement, and within one if an answer was overdue.
    package mutating func ended(_ id: ConnectionID) {
        pool.ended(id)
        connectNext()
    }

    // MARK: Opening

    /// Opens a shared session if there is work for one, and none is free or about to be.
    mutating func ensureSharedSession(now: Instant) {
        if isSharedSessionNeeded { openSharedSession(now: now) }
    }

    // Getters that are read on each turn are mutating: for one that is not, the compiler may copy the whole engine.

    private var isSharedSessionNeeded: Bool {
        mutating get {
            shared.hasTries || quota.isHoldingBack || contention.polls.isDue || table.areChoicesDue || shared.hasActivityQuestions
                || looks.isDue
                || shared.hasCancels && sessions.contains { $0.role == .shared && $0.liveness.isOverdue }
        }
    }

    /// Whether a round has more than what calls ask for.
    var isMoreDue: Bool {
        mutating get { looks.isDue || releaseLooks.isDue || quota.isCountDue }
    }

    /// Opens a shared session if there is none, or if the only one is silent.
    mutating func openSharedSession(now: Instant) {
        guard configuration.hasSharedSession, shared.count < 2,
            !sessions.contains(where: { $0.role == .shared && !$0.liveness.isOverdue }),
            let id = open(.shared, now: now)
        else { return }
        shared.insert(id)
    }

    /// Of two shared sessions, closes the one that holds nothing if the other one answers.
    mutating func retireSharedSession(now: Instant) {
        guard shared.count > 1 else { return }
        if let unused = sessions.last(where: { $0.isFree && $0.heldCount == 0 && shared.isUnused($0.id) }),
            sessions.contains(where: { $0.id != unused && $0.isShared && !$0.liveness.isOverdue })
        {
            drop(unused)
        }
        assignSessions(now: now)
    }

    /// Gives idle sessions to the keys and calls that have waited longest, and opens further sessions as far as the limit allows.
    mutating func assignSessions(now: Instant) {
        shareOnlySlot()
        assignIdle(now: now)
        if contention.queuedCount > 0, hasRoomToWait {
            // An idle waiting session may be left alone for a moment because the next key is just being polled. That needs no further one.
            let idle = sessions.count { $0.role == .waiting && $0.isIdle }
            open(.waiting, wanted: contention.queuedCount - idle, now: now)
        }
        open(.checkedOut, wanted: checkOuts.count, now: now)
        // Some may have been converted.
        assignIdle(now: now)
        ensureFencingSession(now: now)
    }

    private mutating func assignIdle(now: Instant) {
        while let id = sessions.idle(.waiting), hasRoomToWait, let key = contention.beginNext(on: id) {
            sendWait(key, on: id, now: now)
        }
        while !checkOuts.isEmpty, let id = sessions.idle(.checkedOut), let call = checkOuts.popFirst() {
            sessions.update(id) { $0.checkOut() }
            resolve(call, .checkedOut(id))
        }
    }

    private mutating func open(_ role: Role, wanted: Int, now: Instant) {
        var connecting = sessions.connectingCount(role)
        while connecting < wanted, open(role, now: now) != nil { connecting += 1 }
    }

    @discardableResult
    mutating func open(_ role: Role, now: Instant) -> ConnectionID? {
        guard lifecycle == .running else { return nil }
        let slot = pool.slot(for: role, among: sessions)
        guard take(slot, for: role) else { return nil }
        if case .converting(let id) = slot { return id }
        guard pace.mayAttempt(at: now) else { return nil }
        pace.noteAttempt(now: now)
        let id = sessions.open(role)
        pool.append(id, role)
        connectNext()
        return id
    }

    /// - Returns: Whether there is one.
    @discardableResult
    private mutating func take(_ slot: SessionPool.Slot, for role: Role) -> Bool {
        switch slot {
        case .taken: return false
        case .free: break
        case .converting(let id):
            sessions.update(id) { $0.convert(to: role) }
            actions.append(.convert(id, to: role))
        case .replacing(let id): drop(id)
        }
        return true
    }

    /// Begins the attempts to connect that there is room for.
    private mutating func connectNext() {
        while let next = pool.popUnopened(of: sessions.count) { actions.append(.connect(next.id, next.role)) }
    }

    mutating func becomeIdle(_ id: ConnectionID, now: Instant) {
        guard lifecycle == .running else {
            drop(id)
            checkDrained()
            return
        }
        sessions.update(id) { $0.becomeIdle(now: now) }
        assignSessions(now: now)
    }

    // MARK: One slot for waits and check-outs

    /// How long a wait keeps the only slot while calls wait for a session of their own.
    private static let slice = Duration.milliseconds(500)

    /// Where waits and check-outs have one slot together, they have it in turn: whichever has none gets it from the other.
    private mutating func shareOnlySlot() {
        guard lifecycle == .running, pool.hasOnlySlot(among: sessions) else { return }
        if !checkOuts.isEmpty, take(pool.onlySlot(for: .checkedOut, among: sessions), for: .checkedOut) { return }
        if contention.next != nil, hasRoomToWait { take(pool.onlySlot(for: .waiting, among: sessions), for: .waiting) }
    }

    /// Ends a wait that has had the only slot for long enough: it can last for as long as another process holds the lock. The key is polled
    /// meanwhile, and a call can't go on without a session.
    mutating func yieldOnlySlot(now: Instant) {
        guard let (id, key, at) = slotToYield, at <= now else { return }
        contention.end(key, on: id, .yielding)
        cancelWork(of: id, onlyLockWaits: true, cause: nil, now: now)
    }

    /// Ends the calls that have kept a turn for too long without a session, while other requests want the key. The sessions may be with
    /// transactions that wait, in turn, for locks that those requests hold. The call is made anew, behind the others.
    mutating func yieldTurns(now: Instant) {
        while let (call, turn) = checkOuts.popDueTurn(now: now) {
            if table.isContended(turn) { resolve(call, .ended(.yielded)) }
        }
    }

    var nextYield: Instant? {
        mutating get {
            // With no call in the queue, a look costs nothing.
            guard !checkOuts.isEmpty else { return nil }
            return min(slotToYield?.at ?? .distantFuture, checkOuts.nextTurnEnd ?? .distantFuture)
        }
    }

    private var slotToYield: (id: ConnectionID, key: AdvisoryKey, at: Instant)? {
        // Where the lock table has no room to poll, a wait that is given up might never be taken up again.
        guard !checkOuts.isEmpty, pool.hasOnlySlot(among: sessions), room.map({ $0 > contention.count }) ?? true else { return nil }
        for session in sessions.all where session.cancelRequest == nil {
            guard case .waiting(let key) = session.state, let since = session.renewableWaitSince else { continue }
            return (session.id, key, since.advanced(by: Self.slice))
        }
        return nil
    }

    // MARK: Silence

    /// Closes the sessions that have not answered in time and those that are not used, sends cancel requests again, and tells holders whose
    /// lock is no longer certain.
    mutating func advanceSessions(to now: Instant) {
        for id in sessions.ids {
            // Looked up anew, since the end of one session can put another to use.
            guard let session = sessions[id] else { continue }
            if session.giveUpAt(configuration, heardAt: sessions.heardAt) <= now {
                if case .connecting(let attempt) = session.state {
                    closeConnection(id)
                    connectFailed(id, attempt.lateFailure, now: now)
                } else {
                    close(id, because: .noAnswer, now: now)
                }
            } else if let end = session.idleEnd(configuration), end <= now {
                // A lock may have been granted in this turn, at whose end its record goes out.
                if session.role != .fencing || !records.isAnyToWrite { drop(id) }
            } else {
                continueCancelRequest(of: id, now: now)
                noteSuspect(id, now: now)
            }
        }
    }

    /// Finds the shared sessions that have been silent for too long, if there is work that waits for them. Such a session is kept, since it
    /// may answer yet, and may hold its locks still. What is to be tried goes over another one, as far as the pool's limit allows.
    mutating func noteOverdue(now: Instant) {
        guard isSharedSessionAwaited else { return }
        for session in sessions.all where session.role == .shared {
            guard let since = session.liveness.silentSince, since.advanced(by: configuration.overdueAfter) <= now else { continue }
            noteOverdue(session.id, now: now)
        }
        ensureSharedSession(now: now)
    }

    private mutating func noteOverdue(_ id: ConnectionID, now: Instant) {
        guard sessions[id]?.liveness.isOverdue == false else { return }
        sessions.update(id) { $0.noteOverdue() }
        actions.append(.log(.overdue(id)))
        quota.countAbandoned(on: id, isLost: true, now: now)
        openSharedSession(now: now)
    }

    var nextOverdue: Instant? {
        mutating get {
            guard isSharedSessionAwaited else { return nil }
            return sessions.all.compactMap { session -> Instant? in
                guard session.role == .shared, !session.liveness.isOverdue else { return nil }
                return session.liveness.silentSince?.advanced(by: configuration.overdueAfter)
            }.min()
        }
    }

    private var isSharedSessionAwaited: Bool {
        mutating get { (isSharedSessionNeeded || shared.hasCancels) && !sessions.isAnySharedFree }
    }

    // MARK: Leases

    /// The server has answered what was sent at that time.
    mutating func renew(_ id: ConnectionID, sentAt: Instant, now: Instant) {
        guard let validity = configuration.validity?.validity else { return }
        // A lock that the holder has found in doubt by the clock must not become certain again.
        noteSuspect(id, now: now)
        guard let until = sessions.update(id, sentAt: sentAt, { $0.renew(answerTo: sentAt, validFor: validity) }) ?? nil else { return }
        actions.append(.renew(id, until: until))
    }

    /// The call that has the session wants to give a lock on it out. From then on the session's locks are looked after.
    ///
    /// - Returns: Whether the session lives for certain; if not, it has to answer something first.
    package mutating func guardCheckedOut(_ id: ConnectionID, now: Instant) -> Bool {
        guard sessions[id]?.isCheckedOut == true, isVerified(id, now: now) else { return false }
        sessions.update(id) { $0.setGuarding(true) }
        return true
    }

    /// Nothing is held on it any more.
    package mutating func unguardCheckedOut(_ id: ConnectionID) {
        sessions.update(id) { $0.setGuarding(false) }
    }

    /// Asks the silent sessions that hold something for a heartbeat, so that a broken connection is noticed. The question is a protocol
    /// message that runs no statement: it costs the same whatever the session holds.
    mutating func sendHeartbeats(now: Instant) {
        for session in sessions.all {
            guard let due = session.heartbeat(configuration), due <= now else { continue }
            if session.statement != nil || session.isWaiting {
                askActivity(session.id, now: now)
            } else {
                submit(.heartbeat, on: session.id, now: now)
            }
        }
    }

    /// Tells the holders on a session that has been silent for too long. The session is kept, since it may answer yet.
    mutating func noteSuspect(_ id: ConnectionID, now: Instant) {
        // Read with each answer; most sessions are certain.
        guard let until = sessions.read(id, { $0.liveness.validUntil }) ?? nil, until <= now, let session = sessions[id],
            session.validityEnd(configuration) != nil
        else { return }
        guard !session.isCheckedOut else {
            // There may be a transaction on it, which is best undone.
            return close(id, because: .suspect, now: now)
        }
        sessions.update(id) { $0.noteSuspect() }
        actions.append(.suspect(id, table.holders(on: id).filter { !confirmations.contains($0) }, .suspect))
        // The server ends the session, or answers yet; callers need not wait for either.
        for call in table.releasers(on: id) { resolve(call, .failed(.suspect)) }
        if shared.contains(id) { noteOverdue(id, now: now) }
    }

    // MARK: Closing

    /// Gives a session up. What it held is lost, what was asked on it is asked anew.
    mutating func close(_ id: ConnectionID, because failure: Failure, now: Instant) {
        guard let session = sessions.remove(id) else { return }
        if failure.kind != .shutDown {
            let holders = table.holders(on: id).filter { !confirmations.contains($0) }
            actions.append(.log(.connectionLost(id, session.role, failure, holders: holders)))
        }
        closeConnection(id)
        if session.role == .fencing { records.abandonWriting() }
        if shared.contains(id) { abandonShared(session, failure, now: now) }
        switch session.state {
        case .waiting(let key):
            waitEnded(key, nil, now: now)
        case .verifying(let key, let reported):
            waitEnded(key, reported, now: now)
        case .checkedOut(let checkOut):
            actions.append(.endAccess(id, failure))
            if let statement = checkOut.statement { resolve(statement.call, .failed(failure)) }
        case .connecting, .shared, .idle, .holding, .unlocking, .recording:
            break
        }
        dropRecords(on: id, because: failure)
        table.lost(id, failure, now: now)
        pace.noteLost(using: &random, now: now)
        settleTable(now: now)
        assignSessions(now: now)
    }

    /// Closes a session that has nothing to lose.
    mutating func drop(_ id: ConnectionID) {
        guard sessions.remove(id) != nil else { return }
        shared.remove(id)
        closeConnection(id)
    }

    private mutating func closeConnection(_ id: ConnectionID) {
        pool.close(id)
        actions.append(.close(id))
    }
}
