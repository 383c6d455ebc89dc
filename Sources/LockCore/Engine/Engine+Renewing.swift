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

    /// When the server is asked about waits.
    struct LookSchedule: Sendable {
        enum State: Hashable, Sendable {
            /// There is no wait to ask about.
            case off
            case planned(Instant)
            /// Goes out with the next round of a carrier.
            case due
            case asked
        }

        var state = State.off
        /// Since when an index build waits for other sessions. It waits for one after the other.
        var buildWaitsSince: Instant?

        var plannedAt: Instant? { if case .planned(let at) = state { at } else { nil } }
    }

    /// A look costs about half a millisecond, so while an index build goes from one session to the next it is repeated soon.
    private static let pauseWhileBuilding = Duration.milliseconds(100)
    private static let longestHurry = Duration.seconds(30)
    private static let longestPause = Duration.seconds(5)
    private static let pauseAfterFailure = Duration.seconds(60)

    // MARK: Asking

    /// A wait begins that can be renewed.
    mutating func planHarmLook(now: Instant) {
        guard let interval = configuration.lookInterval, looks.state == .off else { return }
        looks.state = .planned(now.advanced(by: interval))
    }

    mutating func lookIfPlanned(now: Instant) {
        guard let at = looks.plannedAt, at <= now else { return }
        looks.state = .due
        if looksToTake(now: now).isEmpty { planNextLook(now: now) } else { ensureCarrier(now: now) }
    }

    /// What a round of a carrier asks.
    mutating func takeLooks(now: Instant) -> Work? {
        guard looks.state == .due else { return nil }
        let due = looksToTake(now: now)
        guard !due.isEmpty else {
            planNextLook(now: now)
            return nil
        }
        looks.state = .asked
        return .look(due)
    }

    /// The question went down with its connection, or was refused for an error that was not its own.
    mutating func abandonLook(now: Instant) {
        guard looks.state == .asked else { return }
        planNextLook(now: now)
    }

    private mutating func planNextLook(now: Instant, after failure: Failure? = nil) {
        guard let interval = configuration.lookInterval, let oldest = sessions.all.compactMap(\.renewableWaitSince).min() else {
            looks = LookSchedule()
            return
        }
        let isHurried = looks.buildWaitsSince.map { $0.duration(to: now) < Self.longestHurry } ?? false
        var pause = min(max(interval, oldest.duration(to: now) / 4), max(interval, Self.longestPause))
        // Those of a fleet are not to come in step.
        pause = pause * Double.random(in: 1...1.25, using: &random)
        if isHurried { pause = min(pause, Self.pauseWhileBuilding) }
        if failure != nil { pause = Self.pauseAfterFailure }
        looks.state = .planned(now.advanced(by: pause))
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
        if case .waiting(let key) = session.state { waits[key]?.renewals ?? 0 } else { session.statement?.renewals ?? 0 }
    }

    // MARK: Renewing

    /// - Parameters:
    ///   - answer: For each session whether its wait does harm, and whether some index build waits for others.
    ///   - sentAt: When the server was asked.
    mutating func lookAnswered(_ asked: [Look], _ answer: Answer, sentAt: Instant, now: Instant) {
        guard looks.state == .asked else { return }
        let isComplete = answer.failure == nil && answer.rows.count == 2 * asked.count
        if isComplete {
            let isBuildWaiting = stride(from: 1, to: answer.rows.count, by: 2).contains { answer.rows[$0] }
            looks.buildWaitsSince = isBuildWaiting ? looks.buildWaitsSince ?? now : nil
            for (index, look) in asked.enumerated() where answer.rows[2 * index] {
                renewWait(on: look.connection, askedAt: sentAt, now: now)
            }
        }
        planNextLook(now: now, after: isComplete ? nil : answer.failure ?? .unexpectedAnswer)
    }

    private mutating func renewWait(on id: ConnectionID, askedAt: Instant, now: Instant) {
        // Another wait may have begun meanwhile.
        guard let session = sessions[id], session.cancelRequest == nil, let since = session.renewableWaitSince, since < askedAt
        else { return }
        actions.append(.log(.waitRenewed(id)))
        if case .waiting(let key) = session.state {
            waits[key]?.renewal = .anew
            waits[key]?.renewals += 1
            cancelWork(of: id, onlyLockWaits: true, cause: nil, now: now)
        } else {
            cancelWork(of: id, onlyLockWaits: true, cause: .renewed, now: now)
        }
    }

    /// The wait was ended, and it is proved that it has left no lock behind.
    ///
    /// - Returns: Whether it was to be renewed, and goes on.
    mutating func waitAnew(_ key: AdvisoryKey, on id: ConnectionID, now: Instant) -> Bool {
        guard let wait = waits[key], wait.place == .connection(id) else { return false }
        guard let renewal = wait.renewal, !wait.isUnwanted, lifecycle == .running else {
            forgetWait(key)
            return false
        }
        switch renewal {
        case .anew:
            waits[key]?.renewal = nil
            startWait(key, on: id, now: now)
        case .yielding:
            waits[key] = Wait(mode: wait.mode, renewals: wait.renewals)
            waitQueue.append(key)
            becomeIdle(id, now: now)
            schedulePoll(now: now)
        }
        return true
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
