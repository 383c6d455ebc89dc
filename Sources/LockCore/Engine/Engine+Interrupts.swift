// Ending what a connection runs, from another connection, without ever striking the statement that comes after it.
extension Engine {
    mutating func interrupt(_ id: ConnectionID, onlyLockWaits: Bool, cause: EndCause?, now: Instant) {
        guard let connection = connections[id] else { return }
        isWakeStale = true
        let giveUpAt = now.advanced(by: interruptLimit(of: id, cause))
        if let interrupt = connection.interrupt, interrupt.cause == .renewed {
            // What is being ended to begin anew is not to begin anew any more, also if only the cancel's own answer is missing.
            connections[id]?.interrupt?.cause = cause
            connections[id]?.interrupt?.giveUpAt = min(interrupt.giveUpAt, giveUpAt)
        }
        guard connection.interrupt == nil, !connection.isStatementAnswered else { return }
        connections[id]?.interrupt = Interrupt(onlyLockWaits: onlyLockWaits, cause: cause, giveUpAt: giveUpAt)
        sendCancel(to: id, now: now)
    }

    /// How long the answer to what is cancelled is waited for. A caller whose deadline has come waits for it, too: not for long, if
    /// nothing is held that would be lost with the session.
    private func interruptLimit(of id: ConnectionID, _ cause: EndCause?) -> Duration {
        guard case .timedOut = cause, let connection = connections[id], !holdsSomething(connection, id) else {
            return configuration.answerLimit
        }
        // Several round trips: whatever is under way on the carrier, the cancel, maybe once more, and the answer.
        return min(configuration.responseTimeout, max(.seconds(2), configuration.overdueAfter * 5))
    }

    private mutating func sendCancel(to id: ConnectionID, now: Instant) {
        guard let interrupt = connections[id]?.interrupt else { return }
        connections[id]?.interrupt?.rounds += 1
        connections[id]?.interrupt?.unanswered += 1
        connections[id]?.interrupt?.nextAt = nil
        // Fruitless rounds are normal while the statement has not reached the server. If they go on, the carrier may
        // not be allowed to see the other session, for instance because roles were changed between the two.
        if isCarrying, interrupt.rounds < 12 {
            pendingCancels.append(id)
        } else {
            actions.append(.cancelOutOfBand(id))
        }
    }

    /// A cancel has been carried out, or has found nothing to cancel.
    mutating func cancelAnswered(_ id: ConnectionID, found: Bool, failure: Failure?, now: Instant) {
        guard let interrupt = connections[id]?.interrupt else { return }
        connections[id]?.interrupt?.unanswered -= 1
        if failure != nil {
            // For instance 42501: this role may not cancel the other session.
            connections[id]?.interrupt?.rounds = 12
        }
        guard !interrupt.isOver else {
            settleInterrupt(of: id, now: now)
            return
        }
        let pause = Duration.milliseconds(min(1 << min(interrupt.rounds, 7), 100))
        connections[id]?.interrupt?.nextAt = now.advanced(by: pause)
    }

    package mutating func cancelledOutOfBand(_ id: ConnectionID, now: Instant) {
        isWakeStale = true
        cancelAnswered(id, found: true, failure: nil, now: now)
        settleTable(now: now)
    }

    mutating func continueInterrupts(now: Instant) {
        for id in connectionIDs {
            guard let interrupt = connections[id]?.interrupt else { continue }
            if interrupt.giveUpAt <= now {
                close(id, because: .noAnswer, now: now)
            } else if let nextAt = interrupt.nextAt, nextAt <= now {
                sendCancel(to: id, now: now)
            }
        }
    }

    /// Once the connection has answered and every cancel for it too, it may be used again.
    mutating func settleInterrupt(of id: ConnectionID, now: Instant) {
        guard let connection = connections[id] else { return }
        if let interrupt = connection.interrupt {
            guard interrupt.isOver, interrupt.unanswered == 0 else { return }
            connections[id]?.interrupt = nil
        }
        if let work = connection.deferred {
            connections[id]?.deferred = nil
            submitWhenQuiet(work, on: id, now: now)
        }
        if let statement = connection.statement, connection.isStatementAnswered {
            connections[id]?.statement = nil
            connections[id]?.isStatementAnswered = false
            resolve(statement, .settled(cause: connection.interrupt?.cause))
        }
        settleUnconfirmed(on: id, now: now)
    }

    /// Sends it now, or as soon as no cancel can strike it.
    mutating func submitWhenQuiet(_ work: Work, on id: ConnectionID, now: Instant) {
        guard connections[id]?.interrupt == nil else {
            connections[id]?.deferred = work
            return
        }
        submit(work, on: id, now: now)
    }

    mutating func noteSent(on id: ConnectionID, now: Instant) {
        connections[id]?.sentTimes.append(now)
        if connections[id]?.silentSince == nil { connections[id]?.silentSince = now }
        connections[id]?.sentCount += 1
        connections[id]?.lastSent = now
    }

    mutating func submit(_ work: Work, on id: ConnectionID, now: Instant) {
        isWakeStale = true
        connections[id]?.inFlight.append(work)
        connections[id]?.answerBy = now.advanced(by: configuration.answerLimit)
        noteSent(on: id, now: now)
        actions.append(.submit(id, work))
    }
}

extension Failure {
    static let noAnswer = Failure(.noAnswer, "The server did not answer in time, so the connection was given up.")
}
