// Cancelling what a session runs, over another session, without ever striking the statement that comes after it.
extension Engine {
    mutating func cancelWork(of id: ConnectionID, onlyLockWaits: Bool, cause: EndCause?, now: Instant) {
        guard let session = sessions[id] else { return }
        let request = CancelRequest(
            onlyLockWaits: onlyLockWaits,
            cause: cause,
            giveUpAt: now.advanced(by: cancelLimit(of: session, cause))
        )
        guard sessions.update(id, { $0.requestCancel(request) }) == true else { return }
        sendCancel(to: id, now: now)
    }

    /// How long the answer to what is cancelled is waited for. A caller whose deadline has come waits for it, too: not for long, if
    /// nothing is held that would be lost with the session.
    private func cancelLimit(of session: ServerSession, _ cause: EndCause?) -> Duration {
        guard case .timedOut = cause, !session.holdsSomething(hasLease: configuration.lease != nil) else {
            return configuration.answerLimit
        }
        // Several round trips: whatever is under way on the shared session, the cancel, maybe once more, and the answer.
        return min(configuration.responseTimeout, max(.seconds(2), configuration.overdueAfter * 5))
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
        let other = isCarrying ? nil : now.advanced(by: Self.connectingLimit)
        sessions.update(id) { $0.noteCancelSent(orElseAt: other) }
        shared.appendCancel(id)
    }

    /// A new shared session is waited for so long: it may have to wait itself, for instance for its place at a pooler.
    private static let connectingLimit = Duration.milliseconds(500)

    /// No shared session is left that could carry them out, and none is being opened.
    mutating func sendCancelsOutOfBand() {
        for target in shared.takeCancels() {
            sessions.update(target) { $0.noteCancelTaken() }
            actions.append(.cancelOutOfBand(target))
        }
    }

    /// One round of a cancel request is over.
    mutating func cancelAnswered(_ id: ConnectionID, _ answer: CancelRequest.Answer, now: Instant) {
        guard sessions[id]?.cancelRequest != nil else { return }
        sessions.update(id) { $0.cancelAnswered(answer, now: now) }
        settleCancelRequest(of: id, now: now)
    }

    package mutating func cancelledOutOfBand(_ id: ConnectionID, now: Instant) {
        cancelAnswered(id, .unknown, now: now)
        settleTable(now: now)
    }

    mutating func continueCancelRequests(now: Instant) {
        for id in sessions.ids {
            guard let request = sessions[id]?.cancelRequest else { continue }
            if request.giveUpAt <= now {
                close(id, because: .noAnswer, now: now)
            } else if let nextAt = request.nextAt, nextAt <= now, shared.dropCancel(of: id) {
                sessions.update(id) { $0.noteCancelTaken() }
                actions.append(.cancelOutOfBand(id))
            } else if let nextAt = request.nextAt, nextAt <= now {
                sendCancel(to: id, now: now)
            }
        }
    }

    /// Once the session has answered, and every cancel request for it too, it goes on.
    mutating func settleCancelRequest(of id: ConnectionID, now: Instant) {
        // What is answered already needs no cancel any more.
        if shared.hasCancels, sessions[id]?.cancelRequest?.isStatementAnswered == true, shared.dropCancel(of: id) {
            sessions.update(id) { $0.cancelAnswered(.notFound, now: now) }
        }
        guard let settled = sessions.update(id, { $0.settle(now: now) }) ?? nil else { return }
        for work in settled.submitted { actions.append(.submit(id, work)) }
        if let (call, cause) = settled.statement { resolve(call, .settled(cause: cause)) }
        settleUnconfirmed(on: id, now: now)
    }

    /// Sends it now, or as soon as no cancel request can strike it.
    mutating func submit(_ work: Work, on id: ConnectionID, now: Instant) {
        guard sessions.update(id, { $0.submit(work, now: now) }) == true else { return }
        actions.append(.submit(id, work))
    }
}

extension Failure {
    static let noAnswer = Failure(.noAnswer, .noAnswer)
}
