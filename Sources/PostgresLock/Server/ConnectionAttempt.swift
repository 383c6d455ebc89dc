import LibPQ

/// One attempt to get a session that is fit for locks, run to its end on a thread that may block.
struct ConnectionAttempt {
    let parameters: ConnectionParameters
    /// For names and hosts.
    let limit: Duration
    let attempt: ConnectAttempt
    let oldestServer: Int32
    /// `nil` if sessions may be a pooler's, and are to be left as they are.
    let settings: SessionSettings?
    let serverChecks: ServerChecks
    let lookup: HostLookup
    let memory: HostMemory
    let onNotice: @Sendable (ServerError) -> Void

    /// For proving the ground, which takes many more round trips than to connect.
    private var checkingLimit: Duration { limit * 3 }

    /// Whether the ground is fit for locks is proved before anything is set: settings leak to other clients of a pooler.
    func run() throws(ConnectionFailure) -> PreparedSession {
        let search = HostSearch(
            parameters: parameters,
            limit: limit,
            attempt: attempt,
            lookup: lookup,
            memory: memory,
            onNotice: onNotice,
            onExhausted: serverChecks.noteExhausted
        )
        return try search.run { (session) throws(ConnectionFailure) in try prepare(session) }
    }

    /// Makes sure that the server is the right one and fit.
    private func prepare(_ session: BlockingSession) throws(ConnectionFailure) -> PreparedSession {
        let setup = SessionSetup(session: session, oldestServer: oldestServer)
        try setup.learn()
        // Two at most: what proves the ground, and what is asked of every session.
        attempt.begin(.checking, within: checkingLimit * 2)
        var reset = ResetCheck.Outcome.isReset
        if settings != nil, !serverChecks.isChecked { reset = try verify(session) }
        if reset != .isReset { serverChecks.passesOn.withLock { $0 = true } }
        let isPassedOn = serverChecks.passesOn.withLock { $0 }
        let asked = session.waiting(for: checkingLimit)
        let seen = serverChecks.flushed
        let identity = try ServerIdentity(of: asked, known: serverChecks.known)
        try serverChecks.admit(identity, seenBefore: seen)
        if let settings { try SessionSetup(session: asked, oldestServer: oldestServer).apply(settings.staying(isPassedOn)) }
        session.raw.session.timeline = identity.timeline
        session.raw.session.isPassedOn = isPassedOn
        return PreparedSession(raw: session.raw, reset: reset, forgottenTimeline: serverChecks.takeForgotten())
    }

    /// What takes a second connection, which has no other purpose. Not behind a pooler of transactions: of many that start
    /// at once, each would hold a session of the pool and wait for another.
    ///
    /// - Returns: What a pooler keeps of clients that have gone, if there is one.
    private func verify(_ session: BlockingSession) throws(ConnectionFailure) -> ResetCheck.Outcome {
        let first = session.waiting(for: checkingLimit)
        guard try isPooled(first) else { return .isReset }
        do {
            return try ResetCheck(first, openAnother: { () throws(ConnectionFailure) in try another(beside: first) }).run()
        } catch {
            // It is good for a warning only; if something is wrong with the session, that will show.
            return .isReset
        }
    }

    private func isPooled(_ session: BlockingSession) throws(ConnectionFailure) -> Bool {
        let other = try another(beside: session)
        // The next attempt may begin as soon as this one is over.
        defer { other.finishAndWait() }
        let check = PoolingCheck(session, other)
        try check.run()
        try ExclusionCheck(session, other).run()
        return try check.isPooled
    }

    private func another(beside session: BlockingSession) throws(ConnectionFailure) -> BlockingSession {
        try session.another(parameters, within: limit, asking: checkingLimit, onNotice: onNotice)
    }
}
