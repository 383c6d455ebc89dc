// Opening connections within the limit, and what becomes of them.
extension Engine {
    // MARK: What the driver reports

    /// A part of an attempt to connect has begun.
    ///
    /// - Parameters:
    ///   - limit: When the attempt has failed if nothing more is heard of it. It may be stuck in a call that does not end. `nil` while
    ///     it waits for its turn, which others' limits bring.
    ///   - failure: What it has failed by then.
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
        assignConnections(now: now)
    }

    package mutating func connectFailed(_ id: ConnectionID, _ failure: Failure, now: Instant) {
        guard let session = sessions.remove(id) else { return }
        shared.remove(id)
        if shared.isEmpty { sendCancelsOutOfBand() }
        connectNext()
        // Whatever refuses a connection is there.
        if failure.kind != .unreachable { sessions.noteHeard(now: now) }
        let pause = pace.noteFailed(failure, isWaitedFor: !calls.isEmpty, using: &random, now: now)
        actions.append(.log(.connectFailed(session.role, failure, nextAttemptIn: pause)))
        if !failure.isWorthRetrying {
            failWhatNeeds(session.role, failure, now: now)
        }
        giveUpIfDue(now: now)
        checkDrained()
    }

    /// The server or the network has ended the connection.
    package mutating func lost(_ id: ConnectionID, _ failure: Failure, now: Instant) {
        close(id, because: failure, now: now)
        settleTable(now: now)
    }

    /// Gives a connection up. What it held is lost, what was asked on it is asked anew.
    mutating func close(_ id: ConnectionID, because failure: Failure, now: Instant) {
        guard let session = sessions.remove(id) else { return }
        if failure.kind != .shutDown { actions.append(.log(.connectionLost(id, session.role, failure))) }
        closeConnection(id)
        if session.role == .fencing { records.abandonWriting() }
        if shared.contains(id) { abandonShared(session, failure, now: now) }
        switch session.state {
        case .waiting(let key):
            contention.forget(key)
            table.waitCancelled(key, now: now)
        case .verifying(let key, let reported):
            contention.forget(key)
            if let reported {
                table.failed(key, reported, now: now)
            } else {
                table.waitCancelled(key, now: now)
            }
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
        assignConnections(now: now)
    }

    private mutating func abandonShared(_ session: ServerSession, _ failure: Failure, now: Instant) {
        let verifications = shared.remove(session.id)
        // With no shared session left, what has not been sent goes back to the table, which knows whether anybody still wants it.
        var unanswered = shared.isEmpty ? takeUnsent() : []
        for work in session.works {
            switch work {
            case .cancel(let target, _): abandonCancel(of: target, failure, now: now)
            case .batch(let batch) where batch.kind.verb == .tryLock: unanswered += batch.keys
            case .look: planNextLook(now: now)
            case .countLocks: quota.countAbandoned(on: session.id, isLost: true, now: now)
            case .batch, .wait, .releaseAll, .changeMode, .begin, .commit, .heartbeat, .askActivity, .position, .statement: break
            }
        }
        // Whatever they hold goes down with the session.
        for (key, failure) in verifications { tryFailed(key, failure, now: now) }
        abandonTries(unanswered, now: now)
        if shared.isEmpty { sendCancelsOutOfBand() }
    }

    /// Nobody will answer these any more, and what they took has gone down with the shared session.
    mutating func abandonTries(_ keys: some Sequence<AdvisoryKey>, now: Instant) {
        for key in keys {
            if !contention.tried(key, isGranted: false, using: &random, now: now) { table.waitCancelled(key, now: now) }
        }
    }

    /// A cancel went down with the shared session, but the server may still carry it out, at any later time. On a waiter it can
    /// only strike an unlock, whose failure closes the connection; in a transaction it could strike anything. A wait that was to be
    /// begun anew is no reason to lose what else the session holds: the cancel strikes nothing but another wait there.
    private mutating func abandonCancel(of id: ConnectionID, _ failure: Failure, now: Instant) {
        let isRenewal = sessions[id]?.cancelRequest.map { $0.cause == .renewed && $0.onlyLockWaits } ?? false
        if sessions[id]?.role == .checkedOut, !isRenewal {
            close(id, because: failure, now: now)
        } else {
            sessions.update(id) { $0.noteMayBeStruck() }
            cancelAnswered(id, .notFound, now: now)
        }
    }

    // MARK: Opening

    /// Opens a shared session if there is something to try, and none that is free to do it or about to be.
    mutating func ensureSharedSession(now: Instant) {
        guard isSharedSessionNeeded else { return }
        openSharedSession(now: now)
    }

    /// Opens a shared session, unless there is one that is free or about to be, or there are as many as there may be. Those that the server
    /// does not answer count only for the limit of all connections.
    mutating func openSharedSession(now: Instant) {
        guard configuration.asksOverOtherSessions,
            !sessions.contains(where: { $0.role == .shared && ($0.isFree || $0.isConnecting) }),
            sessions.count(where: { $0.role == .shared && !$0.liveness.isOverdue }) < configuration.maximumSharedSessions,
            shared.count < 2 * configuration.maximumSharedSessions,
            let id = open(.shared, now: now)
        else { return }
        shared.insert(id)
    }

    /// Gives idle connections to those who have waited longest, and opens further ones as far as the limit allows.
    mutating func assignConnections(now: Instant) {
        shareOnlySlot()
        assignIdle(now: now)
        if contention.queuedCount > 0, hasRoomToWait {
            // A key that is just being polled leaves an idle waiter alone for a moment; that is no reason for another one.
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
        var connecting = connectingCount(role)
        while connecting < wanted, open(role, now: now) != nil {
            connecting += 1
        }
    }

    func connectingCount(_ role: Role) -> Int { sessions.count { $0.role == role && $0.isConnecting } }

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
    mutating func take(_ slot: SessionPool.Slot, for role: Role) -> Bool {
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
    mutating func connectNext() {
        while let next = pool.popUnopened(of: sessions.count) { actions.append(.connect(next.id, next.role)) }
    }

    mutating func becomeIdle(_ id: ConnectionID, now: Instant) {
        guard lifecycle == .running else {
            drop(id)
            checkDrained()
            return
        }
        sessions.update(id) { $0.becomeIdle(now: now) }
        assignConnections(now: now)
    }

    // MARK: Closing

    /// The session of a connection that was closed has come to its end at the server, or is not waited for any longer.
    ///
    /// The driver reports it within a second, or within five if the server was answering.
    package mutating func ended(_ id: ConnectionID) {
        pool.ended(id)
        connectNext()
    }

    /// How many sessions the server may count at present.
    package var sessionCount: Int { pool.sessionCount(of: sessions.count) }

    mutating func closeConnection(_ id: ConnectionID) {
        pool.close(id)
        actions.append(.close(id))
    }

    /// Closes a connection that has nothing to lose.
    mutating func drop(_ id: ConnectionID) {
        guard sessions.remove(id) != nil else { return }
        shared.remove(id)
        closeConnection(id)
    }

    // MARK: Nobody there

    /// Why a call that needs the server has not been served, if that is because there is no way to the server.
    func unreachable(_ call: CallRegister.Call) -> Failure? {
        switch call.kind {
        case .lock(let key):
            guard isWaitingForFencingSession(key) || !isCarrying && isAskedOnSharedSession(key) else { return nil }
        case .checkOut:
            guard pace.isOutage else { return nil }
        case .fencing(let key):
            guard isWaitingForFencingSession(key) else { return nil }
        case .releasing, .changing, .statement:
            return nil
        }
        return pace.failure ?? .stillConnecting
    }

    private func isAskedOnSharedSession(_ key: AdvisoryKey) -> Bool {
        switch table.serverState(of: key) {
        case .trying: true
        case .waiting: contention.isQueued(key)
        case .none, .ending, .held, .changing, .unlocking: false
        }
    }

    private mutating func failWhatNeeds(_ role: Role, _ failure: Failure, now: Instant) {
        switch role {
        case .shared:
            // What is due to be polled needs the shared session too.
            guard !isCarrying else { return }
            for key in takeUnsent() + contention.due {
                contention.forget(key)
                table.failed(key, failure, now: now)
            }
            contention.planPoll(using: &random, now: now)
            settleTable(now: now)
        case .checkedOut:
            while let call = checkOuts.popFirst() {
                resolve(call, .failed(failure))
            }
        case .fencing:
            failRecords(failure)
            settleTable(now: now)
        case .waiting:
            // The shared session goes on polling for them.
            break
        }
    }

    /// Callers without a deadline get an error too, when the server has been out of reach for long enough.
    mutating func giveUpIfDue(now: Instant) {
        guard let failure = pace.beginGivingUp() else { return }
        var ids: [RequestID] = []
        for (id, call) in calls.elements where call.deadline == nil {
            guard !pace.mayGoOn(since: call.since, now: now), unreachable(call) != nil else { continue }
            ids.append(id)
        }
        for id in ids { resolve(id, .failed(failure)) }
        table.cancel(ids, now: now)
        for key in quota.heldBackKeys { dropUnwanted(key, now: now) }
        settleTable(now: now)
    }
}
