// What waits and borrowers share: the places in the pool beside the shared sessions, and keys' turns.
extension Engine {
    /// How long a wait may keep the only place, if borrowers want it.
    private static let slice = Duration.milliseconds(500)

    /// Where there is one place for both, waits and borrowers have it in turn: who has none gets it from who has had it.
    mutating func shareOnlySlot() {
        guard lifecycle == .running, pool.hasOnlySlot(among: sessions) else { return }
        if !checkOuts.isEmpty, take(pool.onlySlot(for: .checkedOut, among: sessions), for: .checkedOut) { return }
        if contention.next != nil, hasRoomToWait { take(pool.onlySlot(for: .waiting, among: sessions), for: .waiting) }
    }

    // MARK: Giving the only place up

    /// A wait may last as long as others hold the lock. It can go on by polling, and borrowers can't go on without a connection.
    mutating func yieldOnlySlot(now: Instant) {
        guard let (id, key, at) = slotToYield, at <= now else { return }
        contention.end(key, on: id, .yielding)
        cancelWork(of: id, onlyLockWaits: true, cause: nil, now: now)
    }

    var nextYield: Instant? {
        mutating get {
            // Where nothing is checked out, and no caller waits for that, a look costs nothing.
            guard !checkOuts.isEmpty else { return nil }
            return min(slotToYield?.at ?? .distantFuture, checkOuts.nextTurnEnd ?? .distantFuture)
        }
    }

    private var slotToYield: (id: ConnectionID, key: AdvisoryKey, at: Instant)? {
        // Where the lock table has no room to poll, a wait that is given up might never be taken up again.
        guard !checkOuts.isEmpty, pool.hasOnlySlot(among: sessions), room.map({ $0 > contention.count }) ?? true else { return nil }
        for session in sessions.all where session.cancelRequest == nil {
            guard case .waiting(let key) = session.state, let since = session.renewableWaitSince else { continue }
            return (session.id, key, since.advanced(by: Self.slice))
        }
        return nil
    }

    // MARK: Giving turns up

    /// Others of the process may wait for the key with locks in hand that those wait for who have the connections. So a turn that
    /// others want is not kept for long without a connection: the call ends, to be made anew behind them.
    mutating func yieldTurns(now: Instant) {
        while let (call, turn) = checkOuts.popDueTurn(now: now) {
            if table.isContended(turn) { resolve(call, .ended(.yielded)) }
        }
    }
}
