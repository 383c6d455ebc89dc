// What users ask for, and what they are told. Each call ends by exactly one `resolve`.
extension Engine {
    // MARK: Locks

    /// Asks for a lock.
    ///
    /// - Parameters:
    ///   - id: Names the call, and the lock if it is granted.
    ///   - deadline: When the caller stops waiting.
    ///   - enclosing: See ``LockTable/request(_:_:enclosing:now:)``.
    ///   - isRefusedBefore: Whether the same caller has asked for the lock just before, and was refused.
    package mutating func acquire(
        _ id: RequestID,
        _ request: LockTable.Request,
        deadline: Instant? = nil,
        enclosing: RequestID? = nil,
        isRefusedBefore: Bool = false,
        now: Instant
    ) {
        let call = CallRegister.Call(.lock(request.key), since: now, deadline: deadline, isRefusedBefore: isRefusedBefore)
        guard begin(id, call, now: now) else { return }
        table.request(id, request, enclosing: enclosing, now: now)
        settleTable(now: now)
        if checkOuts.isAnyTurnUnwanted, table.isQueued(id) { checkOuts.want(request.key, now: now) }
        if deadline != nil { planLook(for: id, request.key, now: now) }
    }

    /// Asks for any one of several keys.
    package mutating func acquireAny(_ id: RequestID, _ choice: LockTable.Choice, deadline: Instant? = nil, now: Instant) {
        guard begin(id, CallRegister.Call(.choice, since: now, deadline: deadline), now: now) else { return }
        table.requestAny(id, choice, now: now)
        settleTable(now: now)
        ensureSharedSession(now: now)
        if deadline != nil, configuration.hasSharedSession { calls.planLook(for: id, now: now) }
    }

    /// Gives a lock back. Can't be cancelled, and ends by `released` or `failed`.
    ///
    /// - Parameter isAwaited: Whether the caller waits for the end of the release.
    package mutating func release(_ id: RequestID, isAwaited: Bool = true, now: Instant) {
        calls.begin(id, CallRegister.Call(.releasing, since: now, isAwaited: isAwaited))
        let session = table.session(of: id)
        table.release(id, now: now)
        settleTable(now: now)
        // A caller that releases a lock whose session is in doubt is told so at once.
        guard configuration.lease != nil, let session, calls[id] != nil else { return }
        noteSuspect(session, now: now)
        if sessions.read(session, { $0.liveness.isSuspect }) == true { resolve(id, .failed(.suspect)) }
    }

    /// Takes what the request `id` holds in the other mode. Can't be cancelled, and ends by `changed` or `failed`.
    package mutating func change(_ call: RequestID, of id: RequestID, to mode: Mode, now: Instant) {
        calls.begin(call, CallRegister.Call(.changing, since: now))
        table.change(call, of: id, to: mode, now: now)
        settleTable(now: now)
    }

    /// Asks for a token for the holder `id` that is greater than the tokens of all that have shared the lock with it. Can't be cancelled,
    /// and ends by `changed` or `failed`.
    package mutating func requestToken(_ call: RequestID, of id: RequestID, now: Instant) {
        guard let session = table.session(of: id), let key = table.request(id)?.key else {
            calls.begin(call, CallRegister.Call(.changing, since: now))
            resolve(call, .failed(Failure(.notHeld, .notHeld)))
            return
        }
        calls.begin(call, CallRegister.Call(.fencing(key), since: now))
        guard lifecycle == .running else { return resolve(call, .failed(.shutDown)) }
        dropRecord(key)
        confirmations.insert(call, Confirmations.Grant(session: session, holder: id, key: key))
        records.renew(key, for: call, on: session)
        ensureFencingSession(now: now)
    }

    /// The server has granted a transaction the lock for which the table has granted the request its turn.
    package mutating func transactionGranted(_ id: RequestID) { table.transactionGranted(id) }

    /// The server has released that lock, since the transaction has failed. The transaction keeps its turn.
    package mutating func transactionReleased(_ id: RequestID, now: Instant) { table.transactionReleased(id, now: now) }

    // MARK: Checked-out sessions

    /// Asks for a session of the caller's own.
    ///
    /// - Parameters:
    ///   - noWait: Ends by `refused` if all slots are taken. A session that has to be opened is waited for.
    ///   - turn: A key's turn that the caller has meanwhile, and until when it is kept although other requests want it. After that
    ///     the call ends by the cause `yielded`.
    package mutating func checkOut(
        _ id: RequestID,
        deadline: Instant? = nil,
        noWait: Bool = false,
        turn: (id: RequestID, until: Instant)? = nil,
        now: Instant
    ) {
        guard begin(id, CallRegister.Call(.checkOut, since: now, deadline: deadline), now: now) else { return }
        if let turn, let key = table.request(turn.id)?.key {
            checkOuts.append(id, noWait: noWait, turn: CheckOutQueue.Turn(request: turn.id, key: key, until: turn.until))
            if table.isContended(turn.id) { checkOuts.want(key, keptUntil: turn.until) }
        } else {
            checkOuts.append(id, noWait: noWait)
        }
        assignSessions(now: now)
        if noWait, pace.mayAttempt(at: now), sessions.connectingCount(.checkedOut) < checkOuts.count { resolve(id, .refused) }
    }

    /// If the pause between two attempts to connect is over, it is known which calls have to wait until another session is given back.
    mutating func refuseTries(now: Instant) {
        guard pace.mayAttempt(at: now) else { return }
        for id in checkOuts.tries(behind: sessions.connectingCount(.checkedOut)) { resolve(id, .refused) }
    }

    /// Takes a checked-out session back.
    ///
    /// - Parameter isClean: Whether the session is outside a transaction and holds nothing. If not, it is closed, and the server cleans up.
    package mutating func giveBack(_ id: ConnectionID, isClean: Bool, now: Instant) {
        guard let session = sessions[id], session.isCheckedOut else { return }
        // A cancel request without an answer may still be carried out, and must not strike what the next call runs.
        guard isClean, lifecycle == .running, !session.mayBeStruck else {
            drop(id)
            assignSessions(now: now)
            checkDrained()
            return
        }
        becomeIdle(id, now: now)
    }

    /// A statement begins on a checked-out session. Ends by `settled`, or by `failed` if the session is lost.
    ///
    /// - Parameters:
    ///   - deadline: When the statement is cancelled.
    ///   - answerBy: When the session counts as dead if there is no answer until then.
    ///   - lockWait: The key that the statement takes, and may wait for. Then it is cancelled only while it waits for a lock.
    ///   - renewals: For a wait for a lock that may be ended, by the cause `renewed`, to be begun anew: how often it was already.
    package mutating func beginStatement(
        _ id: RequestID,
        on session: ConnectionID,
        deadline: Instant? = nil,
        answerBy: Instant? = nil,
        lockWait: AdvisoryKey? = nil,
        renewals: Int? = nil,
        now: Instant
    ) {
        calls.begin(id, CallRegister.Call(.statement(session), since: now, deadline: deadline))
        let statement = ServerSession.CheckOut.Statement(
            call: id,
            sentAt: now,
            answerBy: answerBy,
            lockWait: lockWait,
            renewals: renewals
        )
        guard sessions.update(session, { $0.run(statement) }) == true else {
            resolve(id, .failed(.gone))
            return
        }
        submit(.statement(id), on: session, now: now)
        if renewals != nil { looks.noteWait(now: now) }
    }

    // MARK: Beginning and ending

    private mutating func begin(_ id: RequestID, _ call: CallRegister.Call, now: Instant) -> Bool {
        calls.begin(id, call)
        if call.deadline == nil { pace.noteCaller(since: now) }
        guard lifecycle == .running else {
            resolve(id, .failed(.shutDown))
            return false
        }
        pace.hurry(deadline: call.deadline, using: &random, now: now)
        return true
    }

    /// The caller's task was cancelled. Has no effect on a call that has ended.
    package mutating func cancel(_ id: RequestID, now: Instant) {
        end(id, cause: .cancelled, now: now)
    }

    mutating func end(_ id: RequestID, cause: EndCause, now: Instant) {
        guard let call = calls[id] else { return }
        switch call.kind {
        case .lock(let key):
            resolve(id, .ended(cause))
            table.cancel(id, now: now)
            dropUnwanted(key, now: now)
            settleTable(now: now)
        case .choice:
            resolve(id, .ended(cause))
            table.cancel(id, now: now)
            settleTable(now: now)
        case .checkOut:
            resolve(id, .ended(cause))
        case .statement(let session):
            cancelWork(of: session, onlyLockWaits: sessions[session]?.statement?.lockWait != nil, cause: cause, now: now)
        case .releasing, .changing, .fencing:
            break
        }
    }

    mutating func resolve(_ id: RequestID, _ outcome: Outcome) {
        guard calls.end(id) else { return }
        if !checkOuts.isEmpty { checkOuts.remove(id) }
        if !confirmations.isEmpty { records.endRenewal(of: id, confirmations.takeEnded(id)) }
        actions.append(.resolve(id, outcome))
    }

    // MARK: Deadlines

    /// Why it is not known whether a call that has come to its deadline could have had what it asked for; `nil` if it is known that it
    /// could not: the server has said since the call began that the lock was taken, or this process has held it.
    mutating func uncertainty(of id: RequestID) -> Failure? {
        guard let call = calls[id] else { return nil }
        switch call.kind {
        case .lock(let key):
            if let failure = unreachable(id, call) { return failure }
            // Granted, but the session or the token is not confirmed.
            guard !confirmations.contains(id) else { return .unanswered }
            return call.isRefusedBefore || table.isTaken(key, since: call.since) ? nil : .unanswered
        case .choice:
            if let failure = unreachable(id, call) { return failure }
            guard !confirmations.contains(id) else { return .unanswered }
            return table.undecidedKeys(of: id, since: call.since).isEmpty ? nil : .unanswered
        case .fencing:
            return unreachable(id, call) ?? .unanswered
        case .checkOut:
            let isConnecting = checkOuts.isAmongFirst(sessions.connectingCount(.checkedOut), id)
            let isFull = pool.slot(for: .checkedOut, among: sessions) == .taken
            return isConnecting || !isFull ? pace.failure ?? .stillConnecting : nil
        case .releasing, .changing, .statement:
            // The answer to a statement tells its sender.
            return nil
        }
    }

    /// Why a call that needs the server has not been served, if the reason is that the server can't be reached.
    private func unreachable(_ id: RequestID, _ call: CallRegister.Call) -> Failure? {
        let isAffected =
            switch call.kind {
            case .lock(let key): isWaitingForFencingSession(key) || !sessions.isAnyShared && isAskedOnSharedSession(key)
            case .choice:
                table.request(id).map { isWaitingForFencingSession($0.key) } ?? !sessions.isAnyShared
            case .checkOut: pace.isOutage
            case .fencing(let key): isWaitingForFencingSession(key)
            case .releasing, .changing, .statement: false
            }
        return isAffected ? pace.failure ?? .stillConnecting : nil
    }

    private func isAskedOnSharedSession(_ key: AdvisoryKey) -> Bool {
        switch table.serverState(of: key) {
        case .trying: true
        case .waiting: contention.isQueued(key)
        case .none, .choosing, .ending, .held, .changing, .unlocking: false
        }
    }

    /// Fails the callers without a deadline for which the server has been out of reach for long enough.
    mutating func giveUpIfDue(now: Instant) {
        guard let failure = pace.beginGivingUp() else { return }
        var ids: [RequestID] = []
        for (id, call) in calls.elements where call.deadline == nil {
            guard !pace.mayGoOn(since: call.since, now: now), unreachable(id, call) != nil else { continue }
            ids.append(id)
        }
        for id in ids { resolve(id, .failed(failure)) }
        table.cancel(ids, now: now)
        for key in quota.heldBackKeys { dropUnwanted(key, now: now) }
        settleTable(now: now)
    }

    /// A session of this role can't be opened, and another attempt would not change that.
    mutating func failWhatNeeds(_ role: Role, _ failure: Failure, now: Instant) {
        switch role {
        case .shared:
            guard !sessions.isAnyShared else { return }
            for key in takeUnsent() + contention.due {
                contention.forget(key)
                table.failed(key, failure, now: now)
            }
            contention.planPoll(using: &random, now: now)
            table.failDueChoices(failure)
            settleTable(now: now)
        case .checkedOut:
            while let call = checkOuts.popFirst() { resolve(call, .failed(failure)) }
        case .fencing:
            failUnconfirmed(records.failAll(), failure)
            settleTable(now: now)
        case .waiting:
            // The shared session goes on polling for these keys.
            break
        }
    }

    // MARK: Fencing tokens

    /// Writes one record for all grants that wait for one.
    ///
    /// A record may have to wait for the disk, so it is written on a session of its own.
    mutating func writeRecord(now: Instant) {
        guard records.isAnyToWrite, let id = fencingSession, sessions[id]?.isIdle == true, records.beginWriting() else { return }
        sessions.update(id) { $0.record() }
        submit(.position, on: id, now: now)
    }

    mutating func recordWritten(_ position: WALPosition, on id: ConnectionID, now: Instant) {
        becomeIdle(id, now: now)
        for session in records.written(position, sentCount: { [sessions] in sessions[$0]?.sentCount }) {
            settleUnconfirmed(on: session, now: now)
        }
    }

    mutating func recordFailed(_ failure: Failure, on id: ConnectionID, now: Instant) {
        becomeIdle(id, now: now)
        failUnconfirmed(records.writingFailed(), failure)
    }

    /// There are no tokens of these keys for the calls that wait for one.
    private mutating func failUnconfirmed(_ keys: Set<AdvisoryKey>, _ failure: Failure) {
        guard !keys.isEmpty else { return }
        for call in confirmations.calls(waitingFor: keys) { resolve(call, .failed(failure)) }
    }

    /// The lock is released.
    mutating func dropRecord(_ key: AdvisoryKey) {
        for call in records.drop(key) { resolve(call, .failed(Failure(.notHeld, .releasedWithoutToken))) }
    }

    mutating func dropRecords(on id: ConnectionID, because failure: Failure) {
        for call in records.drop(on: id) { resolve(call, .failed(failure)) }
    }

    private var fencingSession: ConnectionID? {
        configuration.isFencing ? sessions.first { $0.role == .fencing } : nil
    }

    mutating func ensureFencingSession(now: Instant) {
        guard records.isAnyToWrite, fencingSession == nil else { return }
        open(.fencing, now: now)
    }

    /// Whether a lock is granted, and there is no session to write its record.
    private func isWaitingForFencingSession(_ key: AdvisoryKey) -> Bool {
        guard records.isUnwritten(key) else { return false }
        return fencingSession.map { sessions[$0]?.isConnecting == true } ?? true
    }
}
