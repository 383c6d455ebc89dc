// What a call is told that ends at its deadline. That a lock is taken is said only if the server has said so since the call
// began, or if it has granted the lock to this process itself.
//
// A refused try, and a poll that found nothing, are the server's word. A wait in the server's queue says nothing while it
// lasts. So, where a call has joined a wait that had begun before, the server is asked before the deadline, over the carrier,
// whether the waiting session still runs its statement.
extension Engine {
    /// How long before a deadline the server is asked.
    private static let lookLead = Duration.seconds(2)

    /// Why it is not known whether a call that has come to its deadline could have had what it asked for; `nil` if it is known
    /// that it could not.
    func uncertainty(of id: RequestID) -> Failure? {
        guard let call = calls[id] else { return nil }
        switch call.kind {
        case .lock(let key):
            if let failure = unreachable(call) { return failure }
            // Granted, but the session or the token is not confirmed.
            guard unconfirmed[id] == nil else { return .unanswered }
            return isTaken(key, since: call.since) ? nil : .unanswered
        case .fencing:
            return unreachable(call) ?? .unanswered
        case .lend:
            return isConnecting(for: id) || !isFullForBorrowers ? outage?.failure ?? .stillConnecting : nil
        case .releasing, .changing, .statement:
            // Whoever has sent the statement looks at the answer to it.
            return nil
        }
    }

    /// Whether the lock was certainly not free at some time since then.
    private func isTaken(_ key: AdvisoryKey, since: Instant) -> Bool {
        guard let entry = table.entry(of: key) else { return false }
        return entry.isHeldHere || entry.takenAt.map { $0 >= since } ?? false
    }

    // MARK: Places in the pool

    private func isConnecting(for id: RequestID) -> Bool {
        let connecting = connections.values.count { $0.role == .dedicated && $0.phase == .connecting }
        return connecting >= lendQueue.count || connecting > 0 && lendQueue.elements.first { _ in true } == id
    }

    /// Whether no further connection may be opened for a transaction or a session before another one is given back.
    private var isFullForBorrowers: Bool {
        if connections.values.count(where: { $0.role == .dedicated }) >= limit(of: .dedicated) { return true }
        let isIdleWaiter = connections.values.contains { $0.role == .waiter && $0.phase == .idle }
        return connections.values.count { $0.role.competes } >= otherPlaces && !isIdleWaiter
    }

    // MARK: Asking

    /// A call with a deadline may have joined a wait of which nothing will be heard.
    mutating func planLook(for id: RequestID, _ key: AdvisoryKey, deadline: Instant, now: Instant) {
        guard calls[id] != nil, let entry = table.entry(of: key), !entry.isHeldHere else { return }
        switch entry.server {
        case .trying, .held, .changing: return
        case .none, .waiting, .ending, .unlocking: break
        }
        isWakeStale = true
        looksWanted.insert(key)
        nextLook = min(nextLook ?? .distantFuture, max(now, deadline.advanced(by: .zero - Self.lookLead)))
    }

    /// The server is asked what those sessions do that wait for these keys.
    mutating func lookIfDue(now: Instant) {
        guard let at = nextLook, at <= now else { return }
        nextLook = nil
        let keys = looksWanted
        looksWanted = []
        for id in connectionIDs {
            guard let key = connections[id]?.awaitedKey, keys.contains(key) else { continue }
            probe(id, now: now)
        }
    }

    /// The server says that a session runs a statement that takes this key, and that was sent before it was asked: so it waits.
    ///
    /// - Parameter isSeen: Whether it says so of the session, or only shows by its answer that it is there.
    mutating func noteWaiting(_ connection: Connection, isSeen: Bool, now: Instant) {
        guard let key = connection.awaitedKey, let entry = table.entry(of: key), isSeen || entry.takenAt != nil else { return }
        table.noteTaken(key, now: now)
    }

    // MARK: What transactions report

    /// The server has granted a transaction the lock that it was granted its turn for.
    package mutating func transactionGranted(_ id: RequestID) {
        table.transactionGranted(id)
    }
}

extension Engine.Connection {
    /// The key that it waits for at the server, or will in a moment.
    fileprivate var awaitedKey: AdvisoryKey? {
        switch phase {
        case .waiting(let key): key
        case .lent where statement != nil && !isStatementAnswered: lockWait
        default: nil
        }
    }
}

extension Failure {
    package static let stillConnecting = Failure(.stillConnecting, "The connection was still being made.")
    package static let unanswered = Failure(.unanswered, "The server had not answered that.")
}
