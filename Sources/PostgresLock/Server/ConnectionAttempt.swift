import LibPQ

/// An attempt to open a session that is fit for locks. It runs on a thread that it may block.
struct ConnectionAttempt {
    let search: HostSearch
    let oldestServer: Int32
    /// `nil` if sessions may belong to a pooler, and get no settings.
    let settings: SessionSettings?
    let serverChecks: ServerChecks

    /// For the server checks, which take many more round trips than to connect.
    private var checkingLimit: Duration { search.limit * 3 }

    func run() throws(ConnectionFailure) -> PreparedSession {
        try search.run { (session) throws(ConnectionFailure) in try prepare(session) }
    }

    /// Checks the server, then sets what sessions need: not before the checks, since settings leak to other clients of a pooler.
    private func prepare(_ session: BlockingSession) throws(ConnectionFailure) -> PreparedSession {
        let mayDefer = try session.learn(oldestServer: oldestServer)
        // At most two stages: the server checks, and the questions that every session is asked.
        search.attempt.begin(.checking, within: checkingLimit * 2)
        var reset = ResetCheck.Outcome.isReset
        if settings != nil, !serverChecks.isChecked {
            reset = try verify(session)
            serverChecks.noteFit()
        }
        if reset != .isReset { serverChecks.notePassedOn() }
        let isPassedOn = serverChecks.passesOn
        let seen = serverChecks.flushed
        // Through a pooler of transactions each statement may go to another session.
        let isAlone = settings != nil && !mayDefer
        let identity = try ServerIdentity(of: session.waiting(for: checkingLimit), known: serverChecks.known, isAlone: isAlone)
        if settings != nil { try examine(session, identity) }
        try serverChecks.admit(identity, seenBefore: seen)
        if let settings { try session.waiting(for: checkingLimit).apply(settings.staying(isPassedOn)) }
        session.raw.session.timeline = identity.timeline
        session.raw.session.isPassedOn = isPassedOn
        return PreparedSession(raw: session.raw, reset: reset, forgottenTimeline: serverChecks.takeForgotten())
    }

    /// The checks that need a second connection. They are left out behind a pooler of transactions: if many processes start at once, each would
    /// hold a session of the pool and wait for another one.
    ///
    /// - Returns: What a pooler keeps of clients that have gone.
    private func verify(_ session: BlockingSession) throws(ConnectionFailure) -> ResetCheck.Outcome {
        let first = session.waiting(for: checkingLimit)
        guard try isPooled(first) else { return .isReset }
        do {
            return try ResetCheck(first, openAnother: { () throws(ConnectionFailure) in try another(beside: first) }).run()
        } catch {
            // The outcome only leads to a warning; a broken session fails at what it is asked next.
            return .isReset
        }
    }

    /// Repeats the checks if the server may be another one than the known one, with a copy of its data.
    private func examine(_ session: BlockingSession, _ identity: ServerIdentity) throws(ConnectionFailure) {
        guard serverChecks.beginExamination(of: identity) else { return }
        search.attempt.begin(.checking, within: checkingLimit * 2)
        do throws(ConnectionFailure) {
            _ = try isPooled(session.waiting(for: checkingLimit))
            serverChecks.endExamination(of: identity, hasFailed: false)
        } catch {
            let isUnfit = [.transactionPooling, .locksDoNotExclude].contains(error.kind)
            serverChecks.endExamination(of: identity, hasFailed: isUnfit)
            // Otherwise the examination could not be made, for instance because the server has no connection left for it.
            if isUnfit || error.kind == .abandoned { throw error }
        }
    }

    private func isPooled(_ session: BlockingSession) throws(ConnectionFailure) -> Bool {
        let other = try another(beside: session)
        // The next attempt may begin right after this one, and must find this connection closed.
        defer { other.finishAndWait() }
        let check = PoolingCheck(session, other)
        try check.run()
        for session in [session, other] { try RoutingCheck.run(session) }
        try ExclusionCheck.run(session, other)
        let isKnownPooler = try check.isPooled
        return try isKnownPooler ? true : check.isKept(closing: other)
    }

    private func another(beside session: BlockingSession) throws(ConnectionFailure) -> BlockingSession {
        try session.another(search.parameters, within: search.limit, asking: checkingLimit, onNotice: search.onNotice)
    }
}
