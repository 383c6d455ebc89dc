// Contended keys: one blocking statement on a session of its own each, as far as there are sessions; the rest is tried again on shared
// sessions, many at a time, with growing pauses in between.
extension Engine {
    // MARK: Coming and going

    mutating func queueWait(_ key: AdvisoryKey, _ mode: Mode, now: Instant) {
        contention.queue(key, mode)
        assignConnections(now: now)
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

    // MARK: In the server's queue

    mutating func sendWait(_ key: AdvisoryKey, on id: ConnectionID, now: Instant) {
        guard let mode = contention.mode(of: key) else { return }
        sessions.update(id) { $0.beginWait(for: key) }
        submit(.wait(key, mode, limit: backstop(key, now: now)), on: id, now: now)
        looks.noteWait(now: now)
    }

    /// If all who want the key have deadlines, the server may give up by itself some time after the last of them.
    private func backstop(_ key: AdvisoryKey, now: Instant) -> Duration? {
        let last = table.latestDeadline(of: key)
        guard last < .distantFuture else { return nil }
        return max(now.duration(to: last), .zero) + configuration.responseTimeout
    }

    mutating func waitGranted(_ key: AdvisoryKey, on id: ConnectionID, now: Instant) {
        contention.answered(key, on: id, isEnded: false)
        sessions.update(id) { $0.hold(key) }
        table.granted(key, on: id, now: now)
        settleCancelRequest(of: id, now: now)
    }

    mutating func waitFailed(_ key: AdvisoryKey, on id: ConnectionID, _ failure: Failure, now: Instant) {
        contention.answered(key, on: id, isEnded: failure.meansAskAgain)
        // The server's own limit counts while a wait lasts only.
        if failure.kind == .lockTimeout { table.noteTaken(key, now: now) }
        // The lock may have been granted all the same: grant and error race inside the server.
        sessions.update(id) { $0.verify(key, reported: failure.meansAskAgain ? nil : failure) }
        submit(.releaseAll, on: id, now: now)
        settleCancelRequest(of: id, now: now)
    }

    /// The session of a failed wait, which holds nothing else, has let go of all that it held.
    mutating func allReleased(on id: ConnectionID, now: Instant) {
        guard case .verifying(let key, let reported) = sessions[id]?.state else { return }
        actions.append(.log(.verifiedAfterError(held: nil)))
        // Now the key is certainly not held.
        switch contention.verified(key, on: id) {
        case .renewed:
            sendWait(key, on: id, now: now)
        case .yielding:
            becomeIdle(id, now: now)
            contention.planPoll(using: &random, now: now)
        case .unwanted, nil:
            becomeIdle(id, now: now)
            if let reported {
                table.failed(key, reported, now: now)
            } else {
                table.waitCancelled(key, now: now)
            }
        }
    }

    // MARK: Over shared sessions

    /// Puts the next part of the queue into the round that is about to be sent.
    ///
    /// A part has a limit, so that a round does not grow without bound: all that is sent on the shared session waits for its end.
    /// And it leaves half of the room in the lock table to the new requests that come meanwhile, since those are refused
    /// where there is none.
    mutating func sendPoll(now: Instant) {
        guard contention.polls.isDue else { return }
        let limit = room.map { max(hasRoomToWait ? 1 : 0, $0 / 2) } ?? .max
        for (key, mode) in contention.beginPoll(limit: min(configuration.pollSize, limit)) { shared.appendTry(key, mode) }
        contention.planPoll(using: &random, now: now)
    }
}

extension Failure {
    /// The statement was ended from outside; who still wants the lock asks again.
    var meansAskAgain: Bool { kind == .cancelled || kind == .lockTimeout }
}
