// A wait in the server's queue holds a snapshot and a virtual transaction: an index build waits for it, and VACUUM keeps what it
// could see. Such a wait is ended and begun anew, with a new snapshot. That loses its place in the queue, so it is done only
// where the wait does harm, which the server is asked now and then.
extension Engine {
    /// What the server is asked about a session that waits.
    package struct Look: Hashable, Sendable {
        package let connection: ConnectionID
        /// A snapshot that so many transactions have been begun since is too old, if no other session of the database has an older one.
        package let oldestAge: Int32

        package init(connection: ConnectionID, oldestAge: Int32) {
            self.connection = connection
            self.oldestAge = oldestAge
        }
    }

    /// What the server says of such a session.
    package struct Harm: Hashable, Sendable {
        /// Whether others wait for it, or for its snapshot.
        package let isDone: Bool
        /// Whether some index build waits for other sessions.
        package let isBuildWaiting: Bool

        package init(isDone: Bool, isBuildWaiting: Bool) {
            self.isDone = isDone
            self.isBuildWaiting = isBuildWaiting
        }
    }

    // MARK: Asking

    mutating func lookIfPlanned(now: Instant) {
        guard looks.takePlanned(now: now) else { return }
        if looksToTake(now: now).isEmpty { planNextLook(now: now) } else { ensureSharedSession(now: now) }
    }

    /// What a round of a shared session asks.
    mutating func takeLooks(now: Instant) -> Work? {
        guard looks.isDue else { return nil }
        let due = looksToTake(now: now)
        guard !due.isEmpty else {
            planNextLook(now: now)
            return nil
        }
        looks.noteAsked()
        return .look(due)
    }

    /// Also if the question went down with its connection, or was refused for an error that was not its own.
    mutating func planNextLook(hasFailed: Bool = false, now: Instant) {
        let oldest = sessions.all.compactMap(\.renewableWaitSince).min()
        looks.planNext(oldest: oldest, hasFailed: hasFailed, using: &random, now: now)
    }

    private func looksToTake(now: Instant) -> [Look] {
        guard let interval = configuration.lookInterval else { return [] }
        return sessions.all.compactMap { session in
            guard session.cancelRequest == nil, let since = session.renewableWaitSince else { return nil }
            let age = since.duration(to: now)
            guard age >= interval else { return nil }
            return Look(connection: session.id, oldestAge: configuration.oldestSnapshot(afterWaiting: age, renewals: renewals(session)))
        }
    }

    private func renewals(_ session: ServerSession) -> Int {
        if case .waiting(let key) = session.state { contention.renewals(of: key) } else { session.statement?.renewals ?? 0 }
    }

    // MARK: Renewing

    /// - Parameter sentAt: When the server was asked.
    mutating func lookAnswered(_ asked: [Look], _ harms: [Harm], sentAt: Instant, now: Instant) {
        looks.noteAnswered(isBuildWaiting: harms.contains { $0.isBuildWaiting }, now: now)
        for (look, harm) in zip(asked, harms) where harm.isDone { renewWait(on: look.connection, askedAt: sentAt, now: now) }
        planNextLook(now: now)
    }

    private mutating func renewWait(on id: ConnectionID, askedAt: Instant, now: Instant) {
        // Another wait may have begun meanwhile.
        guard let session = sessions[id], session.cancelRequest == nil, let since = session.renewableWaitSince, since < askedAt
        else { return }
        actions.append(.log(.waitRenewed(id)))
        if case .waiting(let key) = session.state {
            contention.end(key, on: id, .renewed)
            cancelWork(of: id, onlyLockWaits: true, cause: nil, now: now)
        } else {
            cancelWork(of: id, onlyLockWaits: true, cause: .renewed, now: now)
        }
    }
}

extension Engine.Configuration {
    /// How many transactions may have been begun since the snapshot of a wait: what they have replaced can't be removed.
    ///
    /// A wait that is begun anew is behind all the others. So each time it is let go on for longer: where it takes hours to come to
    /// the front of the queue, the same limit again and again would keep it from getting there.
    fileprivate func oldestSnapshot(afterWaiting age: Duration, renewals: Int) -> Int32 {
        let factor = 1 << min(renewals, mostDoublings)
        if age >= longestWait * factor { return 1 }
        return age >= longWait * factor ? Int32(clamping: Int(oldestSnapshot) * factor) : .max
    }
}
