import LockCore
import LockServerModel

// What a transport does with the timelines of servers. What they mean for its sessions is production's `PromotionVerdict`.
extension SimulatedProcess {
    /// How long a survey takes at most.
    private static let surveyLimit = Duration.seconds(1)

    // MARK: Opening sessions

    func connect(_ id: ConnectionID, _ role: Engine.Role) {
        attempts.insert(id)
        let isSlow = hosts.isFaulty && chance.happens(profile.connectFailures / 4)
        let duration: ClosedRange<Duration> = isSlow ? .seconds(1) ... .seconds(10) : .milliseconds(1) ... .milliseconds(50)
        plan(after: chance.skewedDuration(duration)) { [self] in
            guard attempts.contains(id) else { return }
            switch hosts.accept(process: self.id, seen: seenTimeline) {
            case .accepted(let session):
                seenTimeline = session.timeline
                // The server is checked. Meanwhile another session may be opened, on another server.
                let delay = hosts.isSplit ? chance.duration(.zero ... .seconds(1)) : .zero
                opening[id] = session
                plan(after: delay) { [self] in opened(id, role, session) }
            case .refused(let failure):
                attempts.remove(id)
                drive { $0.connectFailed(id, failure, now: $1) }
            }
        }
    }

    private func opened(_ id: ConnectionID, _ role: Engine.Role, _ session: SimulatedSession) {
        opening[id] = nil
        guard attempts.remove(id) != nil else { return session.receiveClose() }
        guard session.isAlive else { return drive { $0.connectFailed(id, .lost, now: $1) } }
        if isReplaced(session.timeline) {
            ledger.lateSessions += 1
            session.receiveClose()
            return drive { $0.connectFailed(id, .replaced, now: $1) }
        }
        let link = SimulatedLink(from: self, to: session, role)
        links[id] = link
        link.onLost = { [self] failure in
            drive { $0.lost(id, failure, now: $1) }
            if !isCrashed, links[id] != nil { ledger.report("\(id) was lost, but is kept") }
        }
        drive { $0.connected(id, lockTableSize: profile.lockTableSize, now: $1) }
    }

    /// - Returns: Whether a new session on this timeline can't be used.
    private func isReplaced(_ timeline: UInt32) -> Bool {
        switch PromotionVerdict(of: timeline, among: links.mapValues(\.session.timeline)) {
        case .replaced:
            return true
        case .latest(let replaced):
            ledger.replacedSessions += replaced.count
            for id in replaced { drive { $0.lost(id, .replaced, now: $1) } }
            return false
        }
    }

    // MARK: Surveys

    /// One at a time.
    func survey() {
        if profile.engine.surveyInterval == nil { ledger.report("process \(id) asks other hosts, and there are none") }
        guard !isSurveying else { return }
        isSurveying = true
        ledger.surveys += 1
        plan(after: chance.skewedDuration(.zero...Self.surveyLimit)) { [self] in
            let (timeline, isOfPrimary) = hosts.survey()
            if !isOfPrimary { believedReplaced = [:] }
            if let timeline { seenTimeline = max(seenTimeline, timeline) }
            plan(after: chance.skewedDuration(profile.latency)) { [self] in
                isSurveying = false
                if let timeline { _ = isReplaced(timeline) }
            }
        }
    }

    // MARK: Checks

    /// Sessions on two servers would exclude each other in nothing.
    func checkTimelines() {
        guard let first = links.first?.value.session.timeline else { return }
        guard links.contains(where: { $0.value.session.timeline != first }) else { return }
        ledger.report("process \(id) has sessions on the timelines \(Set(links.values.map(\.session.timeline)).sorted())")
    }

    /// A lock on a server that was replaced is believed in until a survey has found the promoted server, and no longer. (A survey that is due
    /// while another one lasts is left out.)
    func checkReplaced() {
        guard let interval = profile.engine.surveyInterval else { return }
        var found: [RequestID: Instant] = [:]
        let limit = clock.duration(of: (interval + .milliseconds(10)) * 2) + Self.surveyLimit + profile.latency.upperBound
        for (lock, key) in held {
            guard let lease = ledger.lease(process: id, lock, key), let replacedAt = ledger.history.replacedAt(lease.session.server),
                believes(in: lease)
            else { continue }
            let since = max(believedReplaced[lock] ?? agenda.now, replacedAt)
            found[lock] = since
            if since.duration(to: agenda.now) > limit {
                ledger.report("process \(id), \(lock) believes in key \(key), whose server was replaced \(limit) ago")
            }
        }
        believedReplaced = found
    }
}
