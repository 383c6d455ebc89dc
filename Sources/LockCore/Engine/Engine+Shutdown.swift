extension Engine {
    /// Refuses new work and fails who waits; what is held may be released in peace. Ends by `terminated`.
    package mutating func shutdown(now: Instant) {
        guard lifecycle == .running else { return }
        lifecycle = .draining
        let waiting = calls.elements.filter(\.value.isWaiting).map(\.id)
        for id in waiting {
            resolve(id, .failed(.shutDown))
        }
        table.cancel(waiting, now: now)
        // What was never sent needs no answer, and no connection to be made for it.
        for key in isCarrying ? quota.takeHeldBack() : takeUnsent() {
            contention.forget(key)
            table.waitCancelled(key, now: now)
        }
        for session in sessions.all where session.isIdle || session.isConnecting { drop(session.id) }
        settleTable(now: now)
    }

    /// The grace period is over: everything ends now, held locks included.
    package mutating func terminate(now: Instant) {
        shutdown(now: now)
        guard lifecycle == .draining else { return }
        for id in sessions.ids {
            if sessions[id]?.isWaiting == true { actions.append(.cancelOutOfBand(id)) }
            close(id, because: .shutDown, now: now)
        }
        for (id, _) in Array(calls.elements) {
            resolve(id, .failed(.shutDown))
        }
        settleTable(now: now)
        if lifecycle == .draining {
            lifecycle = .terminated
            actions.append(.terminated)
        }
    }

    mutating func checkDrained() {
        guard lifecycle == .draining, calls.isEmpty, table.isEmpty, shared.isQuiet,
            sessions.all.allSatisfy(\.isFree)
        else { return }
        for id in sessions.ids { drop(id) }
        lifecycle = .terminated
        actions.append(.terminated)
    }
}
