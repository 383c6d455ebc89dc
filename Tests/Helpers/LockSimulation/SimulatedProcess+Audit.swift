import LockCore
import LockServerModel

// Conditions that are wrong only if they last. They are checked at intervals.
extension SimulatedProcess {
    /// Whether one of its sessions has waited for the key at the server since then.
    func waits(for key: AdvisoryKey, since: Instant) -> Bool {
        links.values.contains { link in link.session.wait.map { $0.key == key && $0.since <= since } ?? false }
    }

    struct Unowned: Hashable {
        let connection: ConnectionID
        let key: AdvisoryKey
    }

    func audit() {
        guard !isCrashed, !isFrozen else { return }
        checkOwners()
        checkWaits()
        checkReplaced()
        checkPermits()
    }

    /// A lock at the server without a holder in the process is on its way to a request, or back to the server, or its session is being
    /// closed.
    private func checkOwners() {
        var found: [Unowned: Instant] = [:]
        let limit = clock.duration(of: profile.releaseLimit)
        // A grant that the network has lost is not known to the process.
        for (connection, link) in links where link.role != .checkedOut && link.session.isAlive && !link.isDark {
            for key in link.session.heldKeys.keys where !held.values.contains(key) && !isGranted(key) {
                let unowned = Unowned(connection: connection, key: key)
                let since = max(unownedSince[unowned] ?? agenda.now, lastHeld[key] ?? agenda.now)
                found[unowned] = since
                if since.duration(to: agenda.now) > limit {
                    ledger.report("process \(id) has had key \(key) on \(connection) for \(limit) without a holder")
                }
            }
        }
        unownedSince = found
    }

    /// The calls that are answered when there is a token.
    private func isGranted(_ key: AdvisoryKey) -> Bool {
        wanted.contains { $0.value.key == key && !engine.isWaiting($0.key) }
    }

    /// No permit stays unused for long while a task waits for one, also if the process that is behind the turnstile stands still.
    private func checkPermits() {
        guard !permitWaits.isEmpty, !hosts.isFaulty || profile.onlyFreezes, profile.lockTableSize == nil else { return }
        guard profile.engine.capacity == .unlimited else { return }
        // What has gone wrong before is noticed and repaired later.
        let repair = profile.onlyFreezes ? .zero : profile.engine.heartbeatInterval + profile.releaseLimit + .seconds(10)
        let limit = clock.duration(of: profile.permitLimit + repair)
        let begun = max(permitWaits.values.min() ?? agenda.now, quietSince)
        for permit in profile.permits {
            guard let free = hosts.freeSince(permit), max(free, begun).duration(to: agenda.now) > limit else { continue }
            ledger.report("process \(id) waits for a permit, and \(permit) has been free for \(limit)")
        }
    }

    /// No request waits for a free lock for much longer than it takes to find out that it is free.
    private func checkWaits() {
        // Where there is no room, waiting requests may stay so, and while a transaction has its turn no other request asks the server.
        guard !hosts.isFaulty || profile.isCalm, !profile.transactions, profile.lockTableSize == nil else { return }
        let limit = clock.duration(of: profile.engine.heartbeatInterval + profile.releaseLimit + .seconds(10))
        let waits =
            wanted.map { (call: $0.key, key: $0.value.key, since: $0.value.since) }
            + choices.flatMap { call, choosing in choosing.choice.keys.map { (call: call, key: $0, since: choosing.since) } }
        for (call, key, begun) in waits {
            guard let free = hosts.freeSince(key), engine.isWaiting(call) else { continue }
            let since = max(free, begun, quietSince)
            if since.duration(to: agenda.now) > limit {
                ledger.report("process \(id), \(call) waits for \(key), which has been free for \(limit)")
            }
        }
    }
}
