extension Engine {
    /// Does what is due.
    package mutating func advance(to now: Instant) {
        isWakeStale = true
        while let id = deadlines.popDue(now: now, isAlive: { [calls] in calls[$0]?.deadline != nil }) {
            end(id, cause: .timedOut(uncertainty(of: id)), now: now)
        }
        lookIfDue(now: now)
        continueInterrupts(now: now)
        lookIfPlanned(now: now)
        countIfPlanned(now: now)
        yieldOnlyPlace(now: now)
        yieldTurns(now: now)
        for id in connectionIDs {
            // Looked up anew, since giving one connection up can put another to use.
            guard let connection = connections[id] else { continue }
            if let answerBy = connection.answerBy, answerBy <= now {
                if connection.phase == .connecting {
                    noteClosing(id)
                    connectFailed(id, connection.lateFailure, now: now)
                } else {
                    close(id, because: .noAnswer, now: now)
                }
            } else if connection.phase == .idle, idleEnds(connection) <= now {
                drop(id)
            }
        }
        if let at = nextConnectAt, at <= now {
            nextConnectAt = nil
            ensureCarrier(now: now)
            assignConnections(now: now)
            refuseTries(now: now)
        }
        endIdleBursts(now: now)
        sendHeartbeats(now: now)
        survey(now: now)
        noteSuspects(now: now)
        giveUpUnseenWaits(now: now)
        poll(now: now)
        if let at = patienceAt, at <= now { checkPatience(now: now) }
        settleTable(now: now)
        noteOverdue(now: now)
        retireCarriers(now: now)
    }

    /// What is left for the driver to do at the end of a burst.
    package struct BurstEnd: Sendable {
        /// The connection whose answer is all that anybody waits for, if it can't take long.
        package let loneConnection: ConnectionID?
        /// When ``advance(to:)`` is to be called, if that may be earlier than was said before.
        package let wake: Instant?
    }

    /// The end of a burst of events: what has come together goes out.
    ///
    /// - Returns: `nil` if all that happened happened in memory.
    package mutating func endBurst(now: Instant) -> BurstEnd? {
        flush(now: now)
        guard isWakeStale else { return nil }
        return BurstEnd(loneConnection: loneConnection, wake: isTerminated ? nil : nextWake(now: now))
    }

    /// When ``advance(to:)`` has something to do next, if nothing happens before.
    package mutating func nextWake(now: Instant) -> Instant? {
        isWakeStale = false
        var next = deadlines.earliest { [calls] in calls[$0]?.deadline != nil }?.deadline ?? .distantFuture
        for connection in connections.values {
            if let at = connection.answerBy { next = min(next, at) }
            if let interrupt = connection.interrupt {
                next = min(next, interrupt.giveUpAt, interrupt.nextAt ?? .distantFuture)
            }
            if connection.phase == .idle { next = min(next, idleEnds(connection)) }
        }
        for carrier in carriers where isFree(carrier) {
            next = min(next, burstEnd(carrier) ?? .distantFuture)
        }
        next = min(next, nextOverdue ?? .distantFuture, nextSurvey(now: now) ?? .distantFuture)
        next = min(next, nextUnseenWait ?? .distantFuture)
        next = min(next, nextHeartbeat ?? .distantFuture, nextSuspect ?? .distantFuture)
        if let at = nextConnectAt { next = min(next, at) }
        if let at = pollAt { next = min(next, at) }
        if let at = patienceAt { next = min(next, at) }
        if let at = nextDeadlineLook { next = min(next, at) }
        if let at = looks.plannedAt { next = min(next, at) }
        if let at = growth.plannedAt { next = min(next, at) }
        if let at = nextYield { next = min(next, at) }
        return next == .distantFuture ? nil : next
    }

    private func idleEnds(_ connection: Connection) -> Instant {
        connection.idleSince.advanced(by: configuration.idleTimeout)
    }
}
