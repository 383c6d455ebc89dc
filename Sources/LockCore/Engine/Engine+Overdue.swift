// A shared connection that the server does not answer is kept, since it may answer yet, and what it holds may be held still. But what
// is to be tried next goes over another one, as far as the pool's limit allows.
extension Engine {
    // Getters that are asked on each turn are mutating, since the compiler may copy the whole engine to look at it without leave to change it.

    /// Whether there is something for a shared session to do.
    var isSharedSessionNeeded: Bool {
        mutating get {
            shared.hasTries || quota.isHoldingBack || contention.polls.isDue || shared.hasActivityQuestions || looks.isDue
                || shared.hasCancels && sessions.contains { $0.role == .shared && $0.liveness.isOverdue }
        }
    }

    /// Finds the shared sessions that have been silent for too long, where something has to wait for them.
    mutating func noteOverdue(now: Instant) {
        guard isSharedSessionAwaited else { return }
        for session in sessions.all where session.role == .shared {
            guard let since = session.liveness.silentSince, since.advanced(by: configuration.overdueAfter) <= now else { continue }
            noteOverdue(session.id, now: now)
        }
        ensureSharedSession(now: now)
    }

    /// The shared session is not waited for any longer.
    mutating func noteOverdue(_ id: ConnectionID, now: Instant) {
        guard sessions[id]?.liveness.isOverdue == false else { return }
        sessions.update(id) { $0.noteOverdue() }
        actions.append(.log(.overdue(id)))
        quota.countAbandoned(on: id, isLost: true, now: now)
        openSharedSession(now: now)
    }

    var nextOverdue: Instant? {
        mutating get {
            guard isSharedSessionAwaited else { return nil }
            return sessions.all.compactMap { session -> Instant? in
                guard session.role == .shared, !session.liveness.isOverdue else { return nil }
                return session.liveness.silentSince?.advanced(by: configuration.overdueAfter)
            }.min()
        }
    }

    private var isSharedSessionAwaited: Bool {
        mutating get { (isSharedSessionNeeded || shared.hasCancels) && !hasFreeSharedSession }
    }

    // MARK: Waits

    /// A wait at the server may last, and its session is silent meanwhile; so the server is asked about it over a shared session. If nothing
    /// is heard of the server at all, the wait is given up: it begins anew, or its transaction fails.
    mutating func giveUpUnseenWaits(now: Instant) {
        for id in sessions.ids {
            guard let end = sessions[id]?.unseenWaitEnd(configuration, heardAt: sessions.heardAt), end <= now else { continue }
            close(id, because: .noAnswer, now: now)
        }
    }

    // MARK: Too many

    /// Closes the shared sessions beyond the limit that hold nothing, now that others answer again.
    mutating func retireSharedSessions(now: Instant) {
        guard shared.count > configuration.maximumSharedSessions else { return }
        while shared.count > configuration.maximumSharedSessions,
            let unused = sessions.last(where: { $0.isFree && $0.heldCount == 0 && shared.isUnused($0.id) }),
            sessions.contains(where: { $0.id != unused && $0.isShared && !$0.liveness.isOverdue })
        {
            drop(unused)
        }
        assignConnections(now: now)
    }
}
