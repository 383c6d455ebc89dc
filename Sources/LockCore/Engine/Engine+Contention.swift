// Contended keys, cancel requests, and what the server is asked about waits.
//
// As far as there are sessions, a contended key is waited for by one blocking statement on a session of its own. The other keys are tried
// again on shared sessions, many at a time, with growing pauses in between.
extension Engine {
    // MARK: Waiting

    /// - Parameter mayPoll: Whether the key may be tried on a shared session while there is no session for the wait.
    mutating func queueWait(_ key: AdvisoryKey, _ mode: Mode, mayPoll: Bool = true, now: Instant) {
        contention.queue(key, mode, mayPoll: mayPoll)
        assignSessions(now: now)
        contention.planPoll(using: &random, now: now)
    }

    /// No call of the process wants the key any more, or not in this mode.
    mutating func endWait(_ key: AdvisoryKey, now: Instant) {
        switch contention.withdraw(key) {
        case .queued:
            table.notGranted(key, now: now)
        case .waiting(let id), .ending(let id, _):
            // A wait that is begun again may have ended already.
            guard sessions[id]?.state == .waiting(key) else { return }
            cancelWork(of: id, onlyLockWaits: true, cause: nil, now: now)
        case .polled, nil:
            break
        }
    }

    mutating func sendWait(_ key: AdvisoryKey, on id: ConnectionID, now: Instant) {
        guard let mode = contention.mode(of: key) else { return }
        sessions.update(id) { $0.beginWait(for: key) }
        // If all calls that want the key have deadlines, the server may give up by itself some time after the last of them.
        let last = table.latestDeadline(of: key)
        let limit = last < .distantFuture ? max(now.duration(to: last), .zero) + configuration.responseTimeout : nil
        submit(.wait(key, mode, limit: limit), on: id, now: now)
        looks.noteWait(now: now)
    }

    mutating func waitGranted(_ key: AdvisoryKey, on id: ConnectionID, now: Instant) {
        contention.granted(key, on: id)
        sessions.update(id) { $0.hold(key) }
        table.granted(key, on: id, now: now)
        settleCancelRequest(of: id, now: now)
    }

    mutating func waitFailed(_ key: AdvisoryKey, on id: ConnectionID, _ failure: Failure, now: Instant) {
        // The statement was ended from outside, so the calls that still want the lock ask again.
        let isEnded = failure.kind == .cancelled || failure.kind == .lockTimeout
        contention.failed(key, on: id, isEnded: isEnded)
        // The server's own limit counts only while a wait lasts.
        if failure.kind == .lockTimeout { table.noteTaken(key, now: now) }
        // The lock may have been granted all the same: grant and error race inside the server.
        sessions.update(id) { $0.verify(key, reported: isEnded ? nil : failure) }
        submit(.releaseAll, on: id, now: now)
        settleCancelRequest(of: id, now: now)
    }

    /// The session of a failed wait, which holds nothing else, has let go of all that it held. So the key is certainly not held.
    mutating func allReleased(on id: ConnectionID, now: Instant) {
        guard case .verifying(let key, let reported) = sessions[id]?.state else { return }
        actions.append(.log(.verifiedAfterError(held: nil)))
        switch contention.verified(key, on: id) {
        case .renewed:
            sendWait(key, on: id, now: now)
        case .yielding:
            becomeIdle(id, now: now)
            contention.planPoll(using: &random, now: now)
        case .unwanted, nil:
            becomeIdle(id, now: now)
            waitEnded(key, reported, now: now)
        }
    }

    /// The key is not waited for any more.
    ///
    /// - Parameter failure: What the calls that want it are told; `nil` if it is asked for anew.
    mutating func waitEnded(_ key: AdvisoryKey, _ failure: Failure?, now: Instant) {
        contention.forget(key)
        if let failure { table.failed(key, failure, now: now) } else { table.waitCancelled(key, now: now) }
    }

    /// How many further keys may be asked for; `nil` for any number.
    var room: Int? { quota.room(taken: keysTakenByRound) }

    /// Whether another wait may begin. What is still to be unlocked counts until it is.
    var hasRoomToWait: Bool { quota.hasRoomToWait(taken: keysTaken) }

    /// Adds the next part of the queue to the round that is about to be sent.
    ///
    /// The part has a limit, so that a round does not grow without bound: everything that is sent on the shared session waits for its end.
    /// And the poll leaves half of the room in the lock table to the new requests that come meanwhile, which are refused where there is
    /// none.
    mutating func sendPoll(now: Instant) {
        guard contention.polls.isDue else { return }
        let limit = room.map { max(hasRoomToWait ? 1 : 0, $0 / 2) } ?? .max
        for (key, mode) in contention.beginPoll(limit: min(configuration.pollSize, limit)) { shared.appendTry(key, mode) }
        contention.planPoll(using: &random, now: now)
    }

    /// The most statements for requests for any of several keys in one round.
    private static let mostChoiceTries = 64

    /// Asks for what requests for any of several keys are due, right before a round.
    mutating func prepareChoices(now: Instant) {
        guard sessions.isAnySharedFree else { return }
        let (room, failure) = quota.allowance(taken: keysTakenByRound, now: now)
        let (tries, isCramped) = table.takeChoiceTries(room: room, most: Self.mostChoiceTries, using: &random, now: now)
        shared.append(tries)
        if isCramped { if let failure { table.noRoomForChoices(failure) } else { quota.wantRoom(now: now) } }
        settleTable(now: now)
    }

    // MARK: Cancel requests

    /// Cancels what a session runs, over another session, without ever striking the statement that comes after it.
    mutating func cancelWork(of id: ConnectionID, onlyLockWaits: Bool, cause: EndCause?, now: Instant) {
        guard let limit = sessions[id]?.cancelLimit(cause, configuration) else { return }
        let request = CancelRequest(onlyLockWaits: onlyLockWaits, cause: cause, giveUpAt: now.advanced(by: limit))
        guard sessions.update(id, { $0.requestCancel(request) }) == true else { return }
        sendCancel(to: id, now: now)
    }

    /// A shared session is opened for it if there is none: `PQcancel` does not look what it strikes, and makes the server signal twice,
    /// which can leave an error in its log.
    private mutating func sendCancel(to id: ConnectionID, now: Instant) {
        guard let request = sessions[id]?.cancelRequest else { return }
        if request.mayGoOverSharedSession { openSharedSession(now: now) }
        guard request.mayGoOverSharedSession, !shared.isEmpty else {
            sessions.update(id) { $0.noteCancelSent() }
            actions.append(.cancelOutOfBand(id))
            return
        }
        let other = sessions.isAnyShared ? nil : now.advanced(by: CancelRequest.connectingLimit)
        sessions.update(id) { $0.noteCancelSent(orElseAt: other) }
        shared.appendCancel(id)
    }

    mutating func takeCancels() -> [Work] {
        shared.takeCancels().compactMap { target in
            sessions.update(target) { $0.noteCancelTaken() }
            return sessions[target]?.cancelRequest.map { .cancel(target, onlyLockWaits: $0.onlyLockWaits) }
        }
    }

    /// No shared session is left that could carry the requests out, and none is being opened.
    mutating func sendCancelsOutOfBand() {
        for target in shared.takeCancels() { sendOutOfBand(target) }
    }

    private mutating func sendOutOfBand(_ target: ConnectionID) {
        sessions.update(target) { $0.noteCancelTaken() }
        actions.append(.cancelOutOfBand(target))
    }

    package mutating func cancelledOutOfBand(_ id: ConnectionID, now: Instant) {
        cancelAnswered(id, .unknown, now: now)
        settleTable(now: now)
    }

    /// One round of a cancel request is over.
    mutating func cancelAnswered(_ id: ConnectionID, _ answer: CancelRequest.Answer, now: Instant) {
        guard sessions[id]?.cancelRequest != nil else { return }
        sessions.update(id) { $0.cancelAnswered(answer, now: now) }
        settleCancelRequest(of: id, now: now)
    }

    mutating func continueCancelRequest(of id: ConnectionID, now: Instant) {
        guard let nextAt = sessions[id]?.cancelRequest?.nextAt, nextAt <= now else { return }
        if shared.dropCancel(of: id) { sendOutOfBand(id) } else { sendCancel(to: id, now: now) }
    }

    /// Once the session has answered, and every cancel request for it too, it goes on.
    mutating func settleCancelRequest(of id: ConnectionID, now: Instant) {
        // A statement that is answered needs no cancel any more.
        if shared.hasCancels, sessions[id]?.cancelRequest?.isStatementAnswered == true, shared.dropCancel(of: id) {
            sessions.update(id) { $0.cancelAnswered(.notFound, now: now) }
        }
        guard let settled = sessions.update(id, { $0.settle(now: now) }) ?? nil else { return }
        for work in settled.submitted { actions.append(.submit(id, work)) }
        if let (call, cause) = settled.statement { resolve(call, .settled(cause: cause)) }
        settleUnconfirmed(on: id, now: now)
    }

    /// A cancel request was lost with the shared session, but the server may still carry it out, at any later time. On a waiting session it
    /// can only strike an unlock, whose failure closes the session. In a transaction it could strike anything, so the session is closed.
    /// The request to begin a wait anew is no reason for that: it strikes nothing but another wait.
    mutating func abandonCancel(of id: ConnectionID, _ failure: Failure, now: Instant) {
        let isRenewal = sessions[id]?.cancelRequest.map { $0.cause == .renewed && $0.onlyLockWaits } ?? false
        if sessions[id]?.role == .checkedOut, !isRenewal {
            close(id, because: failure, now: now)
        } else {
            sessions.update(id) { $0.noteMayBeStruck() }
            cancelAnswered(id, .notFound, now: now)
        }
    }

    // MARK: Waits that harm others

    // A wait in the server's queue holds a snapshot and a virtual transaction: an index build waits for it, and VACUUM keeps what it could
    // see. Such a wait is ended and begun anew, with a new snapshot. That loses its position in the queue, so it is done only where the
    // wait does harm, which the server is asked at intervals.
    //
    // Whether a wait does harm is for the server to say (`LockStatements.look`). A wait that is ended begins anew in `Contention` if it has a
    // session of its own, and in `LockAttempt` if it is on a checked-out one.

    /// The pause between two looks is over.
    mutating func lookSoon(now: Instant) {
        if looksToTake(now: now).isEmpty { planNextLook(now: now) } else { ensureSharedSession(now: now) }
    }

    /// What a round of a shared session asks.
    mutating func takeLooks(now: Instant) -> Work? {
        guard looks.isDue else { return nil }
        let due = looksToTake(now: now)
        guard !due.isEmpty else {
            planNextLook(now: now)
            return nil
        }
        looks.noteAsked()
        return .look(due)
    }

    /// Also if the question was lost with its session, or was refused for an error that was not its own.
    mutating func planNextLook(hasFailed: Bool = false, now: Instant) {
        let oldest = sessions.all.compactMap(\.renewableWaitSince).min()
        looks.planNext(oldest: oldest, hasFailed: hasFailed, using: &random, now: now)
    }

    private func looksToTake(now: Instant) -> [Look] {
        guard let interval = configuration.lookInterval else { return [] }
        return sessions.all.compactMap { session in
            guard session.cancelRequest == nil, let since = session.renewableWaitSince else { return nil }
            let age = since.duration(to: now)
            guard age >= interval else { return nil }
            let renewals = session.statement?.renewals ?? session.awaitedKey.map { contention.renewals(of: $0) } ?? 0
            return Look(connection: session.id, oldestAge: configuration.oldestSnapshot(afterWaiting: age, renewals: renewals))
        }
    }

    /// - Parameter sentAt: When the server was asked.
    mutating func lookAnswered(_ asked: [Look], _ harms: [Harm], sentAt: Instant, now: Instant) {
        looks.noteAnswered(isBuildWaiting: harms.contains { $0.isBuildWaiting }, now: now)
        for (look, harm) in zip(asked, harms) where harm.isDone { renewWait(on: look.connection, askedAt: sentAt, now: now) }
        planNextLook(now: now)
    }

    private mutating func renewWait(on id: ConnectionID, askedAt: Instant, now: Instant) {
        // Another wait may have begun meanwhile.
        guard let session = sessions[id], session.cancelRequest == nil, let since = session.renewableWaitSince, since < askedAt
        else { return }
        actions.append(.log(.waitRenewed(id)))
        var cause: EndCause? = .renewed
        if case .waiting(let key) = session.state {
            contention.end(key, on: id, .renewed)
            cause = nil
        }
        cancelWork(of: id, onlyLockWaits: true, cause: cause, now: now)
    }

    // MARK: Requests to release

    // Another session can ask for the release of a lock: it holds a key that is derived from the session that holds the lock. While anything is
    // held, the server is asked at intervals whether there are such sessions.

    /// Called whenever a session may have changed.
    mutating func planLookForRequests(now: Instant) {
        guard releaseLooks.isOff, sessions.contains(where: \.mayHoldLocks) else { return }
        releaseLooks.plan(using: &random, now: now)
    }

    /// The pause between two looks is over.
    mutating func lookForRequestsSoon(now: Instant) {
        guard lifecycle == .running, sessions.contains(where: \.mayHoldLocks) else { return releaseLooks.stop() }
        guard !sessions.isAnyShared else { return }
        // Checked-out sessions alone hold something. The next look finds the shared session that is opened for it.
        openSharedSession(now: now)
        releaseLooks.plan(using: &random, now: now)
    }

    /// What a round of a shared session asks.
    mutating func takeLookForRequests() -> Work? {
        guard releaseLooks.isDue else { return nil }
        let asked = sessions.all.filter(\.mayHoldLocks).map(\.id)
        guard !asked.isEmpty else {
            releaseLooks.stop()
            return nil
        }
        releaseLooks.noteAsked()
        return .askRequests(asked)
    }

    mutating func requestsAnswered(_ asked: [ConnectionID], _ requests: [[ReleaseRequest]], now: Instant) {
        var addressed: [AddressedRequest] = []
        for (session, requests) in zip(asked, requests) where !requests.isEmpty && sessions[session] != nil {
            let holders = table.holders(on: session)
            for request in requests {
                let meant = holders.filter { table.request($0)?.key == request.key }
                addressed.append(AddressedRequest(session: session, request: request, holders: meant))
            }
        }
        actions.append(.noteRequests(addressed))
        releaseLooks.plan(using: &random, now: now)
    }

    // MARK: Whether sessions still wait

    // At its deadline a call is told that a lock is taken only if the server has said so since the call began, or has granted the lock to
    // this process. A refused try says so, and a cancel that has found a wait; a wait in the server's queue says nothing while it lasts. So
    // where a call has joined an older wait, the server is asked before the deadline, over a shared session, whether the waiting session
    // still runs its statement; again and again, until it has said so.

    /// A call with a deadline may have joined a wait of which nothing will be heard.
    mutating func planLook(for id: RequestID, _ key: AdvisoryKey, now: Instant) {
        guard configuration.hasSharedSession, let entry = table.entry(of: key), !entry.isHeldHere else { return }
        switch entry.server {
        case .trying, .choosing, .held, .changing: return
        case .none, .waiting, .ending, .unlocking: calls.planLook(for: id, now: now)
        }
    }

    /// The server is asked what the sessions do that wait for the keys of calls whose deadline is near.
    mutating func askBeforeDeadlines(now: Instant) {
        var keys: Set<AdvisoryKey> = []
        while let (id, call) = calls.popLook(now: now) {
            guard let deadline = call.deadline else { continue }
            let undecided =
                if case .lock(let key) = call.kind { table.isTaken(key, since: call.since) ? [] : [key] } else {
                    // What no other request of the process waits for is polled.
                    table.undecidedKeys(of: id, since: call.since).filter { table.entry(of: $0)?.isWanted == true }
                }
            for key in undecided {
                deadlineLooks.add(key, since: call.since, until: deadline)
                keys.insert(key)
            }
        }
        let repeated = deadlineLooks.takeRepeated(now: now) { [table] key, look in
            look.until > now && table.entry(of: key)?.isWanted == true && !table.isTaken(key, since: look.since)
        }
        keys.formUnion(repeated)
        guard !deadlineLooks.isEmpty else { return }
        // The session that waits for a key may not be connected yet, or may be about to begin.
        deadlineLooks.planRepeat(now: now)
        guard !keys.isEmpty else { return }
        for session in sessions.all {
            guard let key = session.awaitedKey, keys.contains(key), session.runsSince != nil else { continue }
            shared.appendActivityQuestion(session.id, forDeadline: true)
        }
        ensureSharedSession(now: now)
    }

    /// Asks the server over a shared session whether a session still runs its statement. A statement on a checked-out session, or a wait,
    /// may last for as long as it likes, and meanwhile the session is not idle.
    mutating func askActivity(_ id: ConnectionID, now: Instant) {
        guard configuration.hasSharedSession else { return }
        sessions.update(id) { $0.noteAsked(now: now) }
        shared.appendActivityQuestion(id)
        ensureSharedSession(now: now)
    }

    /// - Parameters:
    ///   - forDeadline: Whether a deadline was the only reason to ask.
    ///   - sentAt: When the question was sent.
    mutating func toldActivity(_ id: ConnectionID, _ activity: BackendActivity, forDeadline: Bool, sentAt: Instant, now: Instant) {
        sessions.update(id) { $0.forgetAsked() }
        guard let session = sessions[id], let begun = session.runsSince, begun < sentAt else { return }
        switch activity {
        case .hidden:
            // By its answer the server shows that it is there. It does not say that the session waits.
            if let key = session.awaitedKey, table.entry(of: key)?.takenAt != nil { table.noteTaken(key, now: now) }
            guard !hasLoggedHiddenActivity else { return }
            hasLoggedHiddenActivity = true
            actions.append(.log(.hiddenActivity(id)))
        case .quiet where session.statement?.answerBy == nil && !forDeadline && begun.advanced(by: ServerSession.arrival) <= sentAt:
            // A statement or wait that the server has answered, or does not know, is answered soon or never: then the network has
            // swallowed it, and no event would tell. (The question may have been about an earlier one, or have come before this one.)
            sessions.update(id) { $0.noteAnswerMissed(now: now) }
        case .quiet:
            // Asked so soon, the question may have overtaken the statement. It is asked again.
            break
        case .active(let isHeard):
            sessions.update(id) { $0.noteActive() }
            // The statement was sent before the question, so it waits.
            if let key = session.awaitedKey { table.noteTaken(key, now: now) }
            if isHeard, session.isCheckedOut { renew(id, sentAt: sentAt, now: now) }
        }
    }

    /// The server has found the session waiting, in order to cancel its wait. It has been sent nothing else since.
    mutating func noteWaitFound(_ id: ConnectionID, now: Instant) {
        guard let session = sessions[id], session.cancelRequest != nil else { return }
        switch session.state {
        case .waiting(let key), .verifying(let key, _): table.noteTaken(key, now: now)
        case .checkedOut(let checkOut): if let key = checkOut.statement?.lockWait { table.noteTaken(key, now: now) }
        case .connecting, .shared, .idle, .holding, .unlocking, .recording: break
        }
    }
}
