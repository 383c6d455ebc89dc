// How long a lock is held for certain. The server ends a session that it has heard nothing of for the lease; so whatever it
// answers proves that the session lives for that long, counted from when the question was sent, less a margin for clocks that
// run at different speeds. The question is a heartbeat if there is no other.
extension Engine {
    /// Why a lock is no longer held for certain.
    package static let suspect = Failure(.suspect, .silent)

    /// How long an answer proves that the session lives.
    private var validityDuration: Duration? { configuration.lease.map { $0 - $0 / 10 } }

    /// How much of it must be left for a lock to be given out: what has been proved long ago is confirmed first.
    private var validityForGrant: Duration? { configuration.lease.map { $0 * 2 / 5 } }

    // MARK: Proofs

    /// The server has answered what was sent at that time.
    mutating func renew(_ id: ConnectionID, sentAt: Instant, now: Instant) {
        // Who has found the lock in doubt by the clock is not to find it certain again.
        if validityDuration != nil { noteSuspect(id, now: now) }
        guard let validityDuration else { return }
        let until = sentAt.advanced(by: validityDuration)
        guard sessions.update(id, { $0.renew(until: until) }) == true else { return }
        actions.append(.renew(id, until: until))
    }

    /// Locks on a checked-out session are given out by whoever has it: when they are certain, and from then on they are looked after.
    ///
    /// - Returns: Whether they are certain; if not, the session has to answer something first.
    package mutating func guardCheckedOut(_ id: ConnectionID, now: Instant) -> Bool {
        guard sessions[id]?.isCheckedOut == true, isVerified(id, now: now) else { return false }
        sessions.update(id) { $0.setGuarding(true) }
        return true
    }

    /// Nothing is held on it any more.
    package mutating func unguardCheckedOut(_ id: ConnectionID) {
        sessions.update(id) { $0.setGuarding(false) }
    }

    /// Whether a lock on this connection may be given out.
    private mutating func isVerified(_ id: ConnectionID, now: Instant) -> Bool {
        guard let validityForGrant, let liveness = sessions.read(id, { $0.liveness }) else { return true }
        return liveness.validUntil.map { $0 >= now.advanced(by: validityForGrant) } ?? false
    }

    // MARK: Giving out

    /// The table has granted a request; who waits for it is told if the session lives for certain and there is a token, or as
    /// soon as it is so.
    mutating func grant(_ id: RequestID, now: Instant) {
        guard configuration.lease != nil || configuration.isFencing, let session = table.session(of: id) else {
            return resolve(id, .granted)
        }
        let key = configuration.isFencing ? table.request(id)?.key : nil
        let granted = Confirmations.Grant(session: session, holder: id, key: key)
        if isReady(granted, now: now) { return give(id, granted) }
        confirmations.insert(id, granted)
        if let key { beginRecord(key, on: session, now: now) }
        if !isVerified(session, now: now) || key.map(records.isWritten) ?? false { confirm(session, now: now) }
    }

    private mutating func isReady(_ granted: Confirmations.Grant, now: Instant) -> Bool {
        isVerified(granted.session, now: now) && (granted.key.map(records.isConfirmed) ?? true)
    }

    private mutating func give(_ id: RequestID, _ granted: Confirmations.Grant) {
        if let key = granted.key { takeToken(key, for: granted.holder) }
        resolve(id, id == granted.holder ? .granted : .changed(true))
    }

    private mutating func confirm(_ id: ConnectionID, now: Instant) {
        guard let session = sessions[id], session.isAnswered, session.cancelRequest == nil else { return }
        submit(.heartbeat, on: id, now: now)
    }

    /// Gives out what waits for no more than the proof, or asks for another one.
    mutating func settleUnconfirmed(on id: ConnectionID, now: Instant) {
        guard !confirmations.isEmpty, let answeredCount = sessions[id]?.answeredCount else { return }
        let waiting = confirmations.waiting(on: id)
        guard !waiting.isEmpty else { return }
        var isVerificationNeeded = !isVerified(id, now: now)
        for (request, granted) in waiting {
            if let key = granted.key, records.confirm(key, answeredCount: answeredCount) { isVerificationNeeded = true }
            guard isReady(granted, now: now) else { continue }
            _ = takeConfirmed(request)
            give(request, granted)
        }
        if isVerificationNeeded { confirm(id, now: now) }
    }

    /// A call has ended in another way. The table believes that it holds its lock.
    mutating func releaseUnclaimed(now: Instant) {
        guard confirmations.isAnyUnclaimed else { return }
        for request in confirmations.takeUnclaimed() { table.release(request, now: now) }
    }

    // MARK: Long statements

    /// After how long a statement has certainly arrived, if what was sent over another connection has. They come in no order.
    private static let arrival = Duration.seconds(1)

    /// A statement on a checked-out session, or a wait, may run for as long as it likes, and as long as it does the session is not
    /// idle. That it does is what the server is asked over a shared session.
    mutating func askActivity(_ id: ConnectionID, now: Instant) {
        guard configuration.asksOverOtherSessions else { return }
        sessions.update(id) { $0.noteAsked(now: now) }
        // While there is no shared session they are not to pile up.
        shared.appendActivityQuestion(id)
        ensureSharedSession(now: now)
    }

    /// - Parameters:
    ///   - forDeadline: Whether only a deadline was the reason to ask.
    ///   - sentAt: When the question was sent.
    mutating func toldActivity(_ id: ConnectionID, _ activity: BackendActivity, forDeadline: Bool, sentAt: Instant, now: Instant) {
        sessions.update(id) { $0.forgetAsked() }
        guard let session = sessions[id], let begun = session.runsSince, begun < sentAt else { return }
        switch activity {
        case .hidden:
            noteWaiting(session, isSeen: false, now: now)
            guard !hasNotedHidden else { return }
            hasNotedHidden = true
            actions.append(.log(.hiddenActivity(id)))
        case .quiet where session.statement?.answerBy == nil && !forDeadline && begun.advanced(by: Self.arrival) <= sentAt:
            // A statement or wait that the server has answered, or does not know, is answered soon or never: then the network has
            // swallowed it, and no event would tell. (The question may have been about an earlier one, or have come before this one.)
            sessions.update(id) { $0.noteAnswerMissed(now: now) }
        case .quiet:
            // Asked so soon, the question may have overtaken the statement. It is asked again.
            break
        case .active(let isHeard):
            sessions.update(id) { $0.noteActive() }
            noteWaiting(session, isSeen: true, now: now)
            if isHeard, session.isCheckedOut { renew(id, sentAt: sentAt, now: now) }
        }
    }

    // MARK: Doubt

    /// Who holds something on a connection that is silent for too long is told; the connection is kept, since it may answer yet.
    mutating func noteSuspects(now: Instant) {
        guard configuration.lease != nil else { return }
        for id in sessions.ids { noteSuspect(id, now: now) }
    }

    private mutating func noteSuspect(_ id: ConnectionID, now: Instant) {
        // Asked with each answer; most sessions are certain.
        guard let until = sessions.read(id, { $0.liveness.validUntil }) ?? nil, until <= now, let session = sessions[id],
            session.validityEnd(configuration) != nil
        else { return }
        guard !session.isCheckedOut else {
            // There may be a transaction on it, which is best undone.
            return close(id, because: Self.suspect, now: now)
        }
        sessions.update(id) { $0.noteSuspect() }
        actions.append(.suspect(id, table.holders(on: id).filter { !confirmations.contains($0) }, Self.suspect))
        // The server ends the session, or answers yet; callers need not wait for either.
        for call in table.releasers(on: id) { resolve(call, .failed(Self.suspect)) }
        if shared.contains(id) { noteOverdue(id, now: now) }
    }

    /// A caller that releases a lock whose session is in doubt is told so at once.
    mutating func endReleaseInDoubt(_ id: RequestID, on session: ConnectionID, now: Instant) {
        guard configuration.lease != nil, calls[id] != nil else { return }
        noteSuspect(session, now: now)
        if sessions[session]?.liveness.isSuspect == true { resolve(id, .failed(Self.suspect)) }
    }
}
