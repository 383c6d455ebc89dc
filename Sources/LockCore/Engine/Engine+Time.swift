extension Engine {
    /// Does what is due.
    package mutating func advance(to now: Instant) {
        while let id = calls.popDue(now: now) {
            end(id, cause: .timedOut(uncertainty(of: id)), now: now)
        }
        lookIfDue(now: now)
        continueCancelRequests(now: now)
        lookIfPlanned(now: now)
        quota.countIfPlanned(now: now)
        yieldOnlySlot(now: now)
        yieldTurns(now: now)
        for id in sessions.ids {
            // Looked up anew, since giving one session up can put another to use.
            guard let session = sessions[id] else { continue }
            if session.deadline(configuration) <= now {
                if case .connecting(let attempt) = session.state {
                    closeConnection(id)
                    connectFailed(id, attempt.lateFailure, now: now)
                } else {
                    close(id, because: .noAnswer, now: now)
                }
            } else if let end = session.idleEnd(configuration), end <= now {
                drop(id)
            }
        }
        if pace.takeAttempt(now: now) {
            ensureSharedSession(now: now)
            assignConnections(now: now)
            refuseTries(now: now)
        }
        endIdleTransactions(now: now)
        sendHeartbeats(now: now)
        survey(now: now)
        noteSuspects(now: now)
        giveUpUnseenWaits(now: now)
        if contention.takePlannedPoll(now: now) { ensureSharedSession(now: now) }
        if pace.isGivingUpDue(at: now) { giveUpIfDue(now: now) }
        settleTable(now: now)
        noteOverdue(now: now)
        retireSharedSessions(now: now)
    }

    /// When ``advance(to:)`` has something to do next, if nothing happens before.
    mutating func nextWake(now: Instant) -> Instant? {
        guard lifecycle != .terminated else { return nil }
        // This is asked at the end of each turn, and the configuration would be copied each time.
        var next: Instant
        if let known = sessions.knownDue { next = known } else { next = sessions.due(configuration) }
        func consider(_ at: Instant?) {
            if let at, at < next { next = at }
        }
        consider(calls.nextDeadline())
        consider(nextOverdue)
        consider(nextTransactionEnd)
        consider(nextSurvey(now: now))
        consider(pace.next)
        consider(contention.polls.plannedAt)
        consider(nextDeadlineLook)
        consider(looks.plannedAt)
        consider(quota.nextCount)
        consider(nextYield)
        return next == .distantFuture ? nil : next
    }
}
