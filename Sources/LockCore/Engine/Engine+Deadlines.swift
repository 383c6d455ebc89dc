// What a call is told that ends at its deadline. That a lock is taken is said only if the server has said so since the call
// began, or if it has granted the lock to this process itself.
//
// A refused try, and a poll that found nothing, are the server's word, and so is a cancel that has found a wait. A wait in the server's
// queue says nothing while it lasts. So, where a call has joined a wait that had begun before, the server is asked before the
// deadline, over the shared session, whether the waiting session still runs its statement; again and again, until it has said so.
extension Engine {
    /// How long before a deadline the server is asked.
    private static let lookLead = Duration.seconds(2)

    /// How long after that it is asked again, until it has said that the lock is taken.
    private static let lookPause = Duration.milliseconds(100)

    /// Why it is not known whether a call that has come to its deadline could have had what it asked for; `nil` if it is known
    /// that it could not.
    mutating func uncertainty(of id: RequestID) -> Failure? {
        guard let call = calls[id] else { return nil }
        switch call.kind {
        case .lock(let key):
            if let failure = unreachable(call) { return failure }
            // Granted, but the session or the token is not confirmed.
            guard !confirmations.contains(id) else { return .unanswered }
            return call.isRefusedBefore || isTaken(key, since: call.since) ? nil : .unanswered
        case .fencing:
            return unreachable(call) ?? .unanswered
        case .checkOut:
            let isFull = pool.slot(for: .checkedOut, among: sessions) == .taken
            return isConnecting(for: id) || !isFull ? pace.failure ?? .stillConnecting : nil
        case .releasing, .changing, .statement:
            // Whoever has sent the statement looks at the answer to it.
            return nil
        }
    }

    /// Whether the lock was certainly not free at some time since then.
    private func isTaken(_ key: AdvisoryKey, since: Instant) -> Bool {
        guard let entry = table.entry(of: key) else { return false }
        return entry.isHeldHere || entry.takenAt.map { $0 >= since } ?? false
    }

    // MARK: Places in the pool

    private mutating func isConnecting(for id: RequestID) -> Bool {
        let connecting = connectingCount(.checkedOut)
        return connecting >= checkOuts.count || connecting > 0 && checkOuts.first == id
    }

    // MARK: Asking

    /// A call with a deadline may have joined a wait of which nothing will be heard.
    mutating func planLook(for id: RequestID, _ key: AdvisoryKey, deadline: Instant, now: Instant) {
        guard configuration.asksOverOtherSessions, calls[id] != nil, let entry = table.entry(of: key), !entry.isHeldHere else { return }
        switch entry.server {
        case .trying, .held, .changing: return
        case .none, .waiting, .ending, .unlocking: break
        }
        calls.planLook(for: id, at: max(now, deadline.advanced(by: .zero - Self.lookLead)))
    }

    var nextDeadlineLook: Instant? {
        mutating get {
            let planned = calls.nextLook()
            guard let planned, let repeatAt = deadlineLooks.repeatAt else { return planned ?? deadlineLooks.repeatAt }
            return min(planned, repeatAt)
        }
    }

    /// The server is asked what those sessions do that wait for these keys.
    mutating func lookIfDue(now: Instant) {
        var keys: Set<AdvisoryKey> = []
        while let call = calls.popLook(now: now) {
            guard case .lock(let key) = call.kind, let deadline = call.deadline, !isTaken(key, since: call.since) else { continue }
            deadlineLooks.add(key, since: call.since, until: deadline)
            keys.insert(key)
        }
        if let repeated = deadlineLooks.takeRepeated(now: now) {
            for (key, look) in repeated where !isWorthAsking(key, look, now: now) { deadlineLooks.remove(key) }
            keys.formUnion(deadlineLooks.keys)
        }
        guard !deadlineLooks.isEmpty else { return }
        // What waits for them may have no connection yet, or be just about to begin.
        deadlineLooks.planRepeat(at: now.advanced(by: Self.lookPause))
        guard !keys.isEmpty else { return }
        for session in sessions.all {
            guard let key = session.awaitedKey, keys.contains(key), session.runsSince != nil else { continue }
            shared.appendActivityQuestion(session.id, forDeadline: true)
        }
        ensureSharedSession(now: now)
    }

    private func isWorthAsking(_ key: AdvisoryKey, _ look: DeadlineLooks.Look, now: Instant) -> Bool {
        look.until > now && table.entry(of: key)?.isWanted == true && !isTaken(key, since: look.since)
    }

    /// The server says that a session runs a statement that takes this key, and that was sent before it was asked: so it waits.
    ///
    /// - Parameter isSeen: Whether it says so of the session, or only shows by its answer that it is there.
    mutating func noteWaiting(_ session: ServerSession, isSeen: Bool, now: Instant) {
        guard let key = session.awaitedKey, let entry = table.entry(of: key), isSeen || entry.takenAt != nil else { return }
        table.noteTaken(key, now: now)
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

    // MARK: What transactions report

    /// The server has granted a transaction the lock that it was granted its turn for.
    package mutating func transactionGranted(_ id: RequestID) {
        table.transactionGranted(id)
    }

    /// The server has released it again, since the transaction has failed. The turn is still the transaction's.
    package mutating func transactionReleased(_ id: RequestID, now: Instant) {
        table.transactionReleased(id, now: now)
    }
}

extension Failure {
    package static let stillConnecting = Failure(.stillConnecting, .stillConnecting)
    package static let unanswered = Failure(.unanswered, .unanswered)
}
