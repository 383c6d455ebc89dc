// When a session has something to do if nothing happens to it before.
extension ServerSession {
    /// The earliest of the times below.
    func due(_ configuration: Engine.Configuration, heardAt: Instant) -> Instant {
        var due = giveUpAt(configuration, heardAt: heardAt)
        due = min(due, cancelRequest?.nextAt ?? .distantFuture)
        due = min(due, idleEnd(configuration) ?? .distantFuture)
        due = min(due, heartbeat(configuration) ?? .distantFuture)
        return min(due, validityEnd(configuration) ?? .distantFuture)
    }

    /// When it is closed because it has not answered.
    func giveUpAt(_ configuration: Engine.Configuration, heardAt: Instant) -> Instant {
        let end = min(deadline(configuration), cancelRequest?.giveUpAt ?? .distantFuture)
        return min(end, unseenWaitEnd(configuration, heardAt: heardAt) ?? .distantFuture)
    }

    /// When it counts as dead, or the attempt to connect as failed.
    func deadline(_ configuration: Engine.Configuration) -> Instant {
        if case .connecting(let attempt) = state { return attempt.until ?? .distantFuture }
        var deadline = Instant.distantFuture
        let limit = configuration.answerLimit
        if let since = liveness.silentSince, let first = oldestWork, !first.mayLast { deadline = since.advanced(by: limit) }
        if let answerBy = runningStatement?.answerBy { deadline = min(deadline, answerBy) }
        if let since = liveness.answerMissedSince { deadline = min(deadline, since.advanced(by: limit)) }
        return deadline
    }

    /// When it is closed because it was not used.
    func idleEnd(_ configuration: Engine.Configuration) -> Instant? {
        guard case .idle(let since) = state else { return nil }
        return since.advanced(by: configuration.idleTimeout)
    }

    /// When it is asked for a heartbeat, or another session is asked about it.
    func heartbeat(_ configuration: Engine.Configuration) -> Instant? {
        // A session whose wait is being cancelled is closed if it does not answer.
        if isWaiting { return cancelRequest == nil ? liveness.lastSent.advanced(by: configuration.heartbeatInterval) : nil }
        // What runs on a checked-out session may have been sent behind a heartbeat that the server does not answer.
        guard isAnswered || statement != nil, cancelRequest == nil || statement != nil,
            configuration.lease != nil && isKeptAlive || holdsSomething(hasLease: configuration.lease != nil)
        else { return nil }
        return liveness.lastSent.advanced(by: configuration.heartbeatInterval)
    }

    /// When its locks are no longer held for certain.
    func validityEnd(_ configuration: Engine.Configuration) -> Instant? {
        guard configuration.lease != nil, !liveness.isSuspect, holdsSomething(hasLease: true) else { return nil }
        return liveness.validUntil
    }

    /// When a wait is given up because nothing was heard of it, nor of the server.
    func unseenWaitEnd(_ configuration: Engine.Configuration, heardAt: Instant) -> Instant? {
        guard let since = liveness.askedSince, awaitedKey != nil else { return nil }
        return max(since, heardAt).advanced(by: configuration.answerLimit)
    }

    /// How long the answer to what is cancelled is waited for. A caller whose deadline has come waits for it too: not for long, if no lock
    /// would be lost with the session.
    func cancelLimit(_ cause: Engine.EndCause?, _ configuration: Engine.Configuration) -> Duration {
        guard case .timedOut = cause, !holdsSomething(hasLease: configuration.lease != nil) else { return configuration.answerLimit }
        // Several round trips: what is under way on the shared session, the cancel, maybe once more, and the answer.
        return min(configuration.answerLimit, max(.seconds(2), configuration.overdueAfter * 5))
    }
}

extension Engine.Work {
    /// Whether its answer has no limit but that of its caller.
    fileprivate var mayLast: Bool {
        switch self {
        case .wait, .statement: true
        default: false
        }
    }
}
