import LockCore

// A process can be stopped at any moment, for as long as it likes: by a debugger, a hypervisor, or a machine without memory.
// Its clock goes on.
extension SimulatedProcess {
    /// Something that happens in the process itself, after so much real time.
    func plan(after delay: Duration = .zero, _ action: @escaping () -> Void) {
        agenda.plan(after: delay) { [self] in meet(action) }
    }

    /// Something happens to the process, which notices it now, or when it wakes up.
    func meet(_ event: @escaping () -> Void) {
        guard !isCrashed else { return }
        if isFrozen { missed.append(event) } else { event() }
    }

    func freeze(for duration: Duration) {
        guard !isCrashed, !isFrozen else { return }
        isFrozen = true
        ledger.freezes += 1
        agenda.plan(after: duration) { [self] in thaw(after: duration) }
    }

    private func thaw(after duration: Duration) {
        guard !isCrashed else { return }
        isFrozen = false
        timeFrozen += duration
        // What its tasks believe, they believe before anything else can happen.
        checkBeliefs()
        if held.keys.contains(where: isExpired) { ledger.outlived += 1 }
        noteThawed()
        // The timer can be ahead of all that the sockets have to tell.
        if chance.happens(0.5) { drive { $0.advance(to: $1) } }
        let events = missed
        missed = []
        for event in events { meet(event) }
    }

    private func isExpired(_ id: RequestID) -> Bool {
        held[id].flatMap { ledger.lease(process: self.id, id, $0) }?.session.isExpired ?? false
    }
}
