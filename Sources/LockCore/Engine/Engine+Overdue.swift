// A shared connection that the server does not answer is kept, since it may answer yet, and what it holds may be held still. But what
// is to be tried next goes over another one, as far as the pool's limit allows.
extension Engine {
    /// Whether there is something for a carrier to do.
    var isCarrierNeeded: Bool {
        !pending.isEmpty || !growth.heldBack.isEmpty || isPollDue || hasProbes || looks.state == .due
            || !pendingCancels.isEmpty && carriers.contains { connections[$0.id]?.isOverdue == true }
    }

    /// The connection has answered something.
    mutating func noteHeard(_ id: ConnectionID, now: Instant) {
        heardAt = now
        connections[id]?.probedSince = nil
        let isSilent = connections[id]?.inFlight.isEmpty == false
        connections[id]?.silentSince = isSilent ? now : nil
        connections[id]?.isOverdue = false
    }

    /// Finds the carriers that have been silent for too long, where something has to wait for them.
    mutating func noteOverdue(now: Instant) {
        guard isCarrierWaitedFor else { return }
        for carrier in carriers {
            guard let since = connections[carrier.id]?.silentSince, since.advanced(by: configuration.overdueAfter) <= now else { continue }
            noteOverdue(carrier.id, now: now)
        }
        ensureCarrier(now: now)
    }

    /// The carrier is not waited for any longer.
    mutating func noteOverdue(_ id: ConnectionID, now: Instant) {
        guard connections[id]?.isOverdue == false else { return }
        connections[id]?.isOverdue = true
        actions.append(.log(.overdue(id)))
        abandonCount(on: id, isLost: true, now: now)
        openCarrier(now: now)
    }

    var nextOverdue: Instant? {
        guard isCarrierWaitedFor else { return nil }
        return carriers.compactMap { carrier -> Instant? in
            guard let connection = connections[carrier.id], !connection.isOverdue else { return nil }
            return connection.silentSince?.advanced(by: configuration.overdueAfter)
        }.min()
    }

    private var isCarrierWaitedFor: Bool {
        !hasFreeCarrier && (isCarrierNeeded || !pendingCancels.isEmpty)
    }

    // MARK: Waits

    /// A wait at the server may last, and its session is silent meanwhile; so the server is asked about it over a carrier. If nothing
    /// is heard of the server at all, the wait is given up: it begins anew, or its transaction fails.
    mutating func giveUpUnseenWaits(now: Instant) {
        for id in connectionIDs {
            if let end = unseenWaitEnds(id), end <= now { close(id, because: .noAnswer, now: now) }
        }
    }

    var nextUnseenWait: Instant? {
        connections.keys.compactMap(unseenWaitEnds).min()
    }

    private func unseenWaitEnds(_ id: ConnectionID) -> Instant? {
        guard let connection = connections[id], let since = connection.probedSince, isLockWait(connection) else { return nil }
        return max(since, heardAt).advanced(by: configuration.answerLimit)
    }

    private func isLockWait(_ connection: Connection) -> Bool {
        switch connection.phase {
        case .waiting: true
        case .lent: connection.statement != nil && connection.lockWait != nil && !connection.isStatementAnswered
        default: false
        }
    }

    // MARK: Too many

    /// Closes the carriers beyond the limit that hold nothing, now that others answer again.
    mutating func retireCarriers(now: Instant) {
        guard carriers.count > configuration.maximumCarriers else { return }
        while carriers.count > configuration.maximumCarriers, let index = carriers.lastIndex(where: isUnused) {
            let isAnyOther = carriers.indices.contains { other in
                other != index && connections[carriers[other].id].map { $0.phase == .carrying && !$0.isOverdue } ?? false
            }
            guard isAnyOther else { return }
            drop(carriers[index].id)
        }
        assignConnections(now: now)
    }

    private func isUnused(_ carrier: Carrier) -> Bool {
        isFree(carrier) && carrier.heldCount == 0 && carrier.unlocks.isEmpty && carrier.proofs.isEmpty && carrier.burst == nil
    }
}
