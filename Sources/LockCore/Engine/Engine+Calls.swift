// What users ask for. Each call ends by exactly one `resolve`, whatever happens.
extension Engine {
    /// Asks for a lock.
    ///
    /// - Parameters:
    ///   - id: Names the call, and the lock if it is granted.
    ///   - deadline: When the caller stops waiting.
    ///   - enclosing: See ``LockTable/request(_:_:enclosing:now:)``.
    ///   - isRefusedBefore: Whether the same caller has asked for it just before, and was refused.
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
        if let deadline { planLook(for: id, request.key, deadline: deadline, now: now) }
    }

    /// Gives a lock back. Can't be cancelled, and ends by `released` or `failed`.
    package mutating func release(_ id: RequestID, now: Instant) {
        calls.begin(id, CallRegister.Call(.releasing, since: now))
        let session = table.session(of: id)
        table.release(id, now: now)
        settleTable(now: now)
        if let session { endReleaseInDoubt(id, on: session, now: now) }
    }

    /// Takes what the request `id` holds in the other mode. Can't be cancelled, and ends by `changed` or `failed`.
    package mutating func change(_ call: RequestID, of id: RequestID, to mode: Mode, now: Instant) {
        calls.begin(call, CallRegister.Call(.changing, since: now))
        table.change(call, of: id, to: mode, now: now)
        settleTable(now: now)
    }

    /// Asks for a connection of the caller's own.
    ///
    /// - Parameter isTry: Ends by `refused` if all the places are taken. A connection that has to be made is waited for.
    /// - Parameter turn: A key's turn that the caller has meanwhile, and until when it is kept although others want it: then
    ///   the call ends by the cause `yielded`.
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
        assignConnections(now: now)
        if noWait, pace.mayAttempt(at: now), connectingCount(.checkedOut) < checkOuts.count { resolve(id, .refused) }
    }

    /// The way to the server is open again, so it is known which tries will have no session before another one is given back.
    mutating func refuseTries(now: Instant) {
        guard pace.mayAttempt(at: now) else { return }
        for id in checkOuts.tries(behind: connectingCount(.checkedOut)) { resolve(id, .refused) }
    }

    /// Takes a checked-out session back.
    ///
    /// - Parameter isClean: Whether it is outside a transaction and holds nothing. If not, it is closed, which makes
    ///   the server clean up.
    package mutating func giveBack(_ connection: ConnectionID, isClean: Bool, now: Instant) {
        guard let session = sessions[connection], session.isCheckedOut else { return }
        // A cancel request that is not answered any more may still be carried out, and is not to strike what the next call that has it checked out runs.
        guard isClean, lifecycle == .running, !session.mayBeStruck else {
            drop(connection)
            assignConnections(now: now)
            checkDrained()
            return
        }
        becomeIdle(connection, now: now)
    }

    /// A statement begins on a checked-out session. Ends by `settled`, or by `failed` if the connection is lost.
    ///
    /// - Parameters:
    ///   - deadline: When it is to be cancelled.
    ///   - answerBy: When the connection counts as dead, if there is no answer until then.
    ///   - lockWait: The key that it takes, and may wait for. It is cancelled only while it waits for a lock.
    ///   - renewals: For a wait for a lock that may be ended, by the cause `renewed`, to be begun anew: how often it was already.
    package mutating func beginStatement(
        _ id: RequestID,
        on connection: ConnectionID,
        deadline: Instant? = nil,
        answerBy: Instant? = nil,
        lockWait: AdvisoryKey? = nil,
        renewals: Int? = nil,
        now: Instant
    ) {
        calls.begin(id, CallRegister.Call(.statement(connection), since: now, deadline: deadline))
        let statement = ServerSession.CheckOut.Statement(
            call: id,
            sentAt: now,
            answerBy: answerBy,
            lockWait: lockWait,
            renewals: renewals
        )
        guard sessions.update(connection, { $0.run(statement) }) == true else {
            resolve(id, .failed(.gone))
            return
        }
        submit(.statement(id), on: connection, now: now)
        if renewals != nil { looks.noteWait(now: now) }
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
        case .checkOut:
            resolve(id, .ended(cause))
        case .statement(let connection):
            cancelWork(of: connection, onlyLockWaits: sessions[connection]?.statement?.lockWait != nil, cause: cause, now: now)
        case .releasing, .changing, .fencing:
            break
        }
    }

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
}

extension Failure {
    /// Whoever was to be told why has been told.
    package static let gone = Failure(.connectionLost, .gone)
    static let shutDown = Failure(.shutDown, .shutDown)
}
