// Contended keys: one blocking statement on a waiter each, as far as there are waiters; the rest is tried again.
extension Engine {
    mutating func queueWait(_ key: AdvisoryKey, _ mode: Mode, now: Instant) {
        waits[key] = Wait(mode: mode)
        waitQueue.append(key)
        assignConnections(now: now)
        schedulePoll(now: now)
    }

    /// Nobody in the process wants the key any more, or not in this mode.
    mutating func endWait(_ key: AdvisoryKey, now: Instant) {
        guard let wait = waits[key] else { return }
        switch wait.place {
        case .connection(let id):
            waits[key]?.isUnwanted = true
            // A wait that is renewed may have ended already.
            guard sessions[id]?.state == .waiting(key) else { return }
            cancelWork(of: id, onlyLockWaits: true, cause: nil, now: now)
        case .queued where wait.isPolling:
            waits[key]?.isUnwanted = true
        case .queued:
            forgetWait(key)
            table.notGranted(key, now: now)
        }
    }

    mutating func forgetWait(_ key: AdvisoryKey) {
        guard let wait = waits.removeValue(forKey: key) else { return }
        waitQueue.remove(key)
        if wait.isPolling { pollCount -= 1 }
        if waits.isEmpty {
            pollAt = nil
            isPollDue = false
            pollBackoff.reset()
        }
    }

    mutating func startWait(_ key: AdvisoryKey, on id: ConnectionID, now: Instant) {
        guard let wait = waits[key] else { return }
        waits[key]?.place = .connection(id)
        waitQueue.remove(key)
        sessions.update(id) { $0.beginWait(for: key) }
        submit(.wait(key, wait.mode, limit: backstop(key, now: now)), on: id, now: now)
        planHarmLook(now: now)
    }

    /// If all who want the key have deadlines, the server may give up by itself some time after the last of them.
    private func backstop(_ key: AdvisoryKey, now: Instant) -> Duration? {
        let last = table.latestDeadline(of: key)
        guard last < .distantFuture else { return nil }
        return max(now.duration(to: last), .zero) + configuration.responseTimeout
    }

    mutating func waitAnswered(_ key: AdvisoryKey, on id: ConnectionID, _ answer: Answer, now: Instant) {
        let isRenewed = waits[key]?.renewal != nil && answer.failure?.meansAskAgain == true
        if !isRenewed { forgetWait(key) }
        // Only a clear word is a grant.
        let failure = answer.failure ?? (answer.rows.first == true ? nil : .unexpectedAnswer)
        if let failure {
            // The server's own limit counts while a wait lasts only.
            if failure.kind == .lockTimeout { table.noteTaken(key, now: now) }
            // The lock may have been granted all the same: grant and error race inside the server.
            sessions.update(id) { $0.verify(key, reported: failure.meansAskAgain ? nil : failure) }
            submit(.releaseAll, on: id, now: now)
        } else {
            sessions.update(id) { $0.hold(key) }
            table.granted(key, on: id, now: now)
        }
        settleCancelRequest(of: id, now: now)
    }

    /// The session of a failed wait, which holds nothing else, has let go of all that it held.
    mutating func releaseAllAnswered(on id: ConnectionID, _ answer: Answer, now: Instant) {
        guard answer.failure == nil, answer.rows.first == true else {
            return close(id, because: answer.failure ?? .unexpectedAnswer, now: now)
        }
        guard case .verifying(let key, let reported) = sessions[id]?.state else { return }
        actions.append(.log(.provedAfterError(held: nil)))
        proved(key, reported: reported, on: id, now: now)
    }

    /// Now the key is certainly not held.
    mutating func proved(_ key: AdvisoryKey, reported: Failure?, on id: ConnectionID, now: Instant) {
        guard !waitAnew(key, on: id, now: now) else { return }
        becomeIdle(id, now: now)
        if let reported {
            table.failed(key, reported, now: now)
        } else {
            table.interrupted(key, now: now)
        }
    }
}

extension Failure {
    /// The statement was ended from outside; who still wants the lock asks again.
    var meansAskAgain: Bool { kind == .cancelled || kind == .lockTimeout }
}
