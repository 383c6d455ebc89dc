// A shared connection that the server does not answer is kept, since it may answer yet, and what it holds may be held still. But what
// is to be tried next goes over another one, as far as the pool's limit allows.
extension Engine {
    /// Whether there is something for a carrier to do.
    var isCarrierNeeded: Bool {
        !pending.isEmpty || !growth.heldBack.isEmpty || contention.polls.isDue || hasProbes || looks.isDue
            || !pendingCancels.isEmpty && carriers.contains { sessions[$0.id]?.liveness.isOverdue == true }
    }

    /// Finds the carriers that have been silent for too long, where something has to wait for them.
    mutating func noteOverdue(now: Instant) {
        guard isCarrierWaitedFor else { return }
        for carrier in carriers {
            guard let since = sessions[carrier.id]?.liveness.silentSince, since.advanced(by: configuration.overdueAfter) <= now else {
                continue
            }
            noteOverdue(carrier.id, now: now)
        }
        ensureCarrier(now: now)
    }

    /// The carrier is not waited for any longer.
    mutating func noteOverdue(_ id: ConnectionID, now: Instant) {
        guard sessions[id]?.liveness.isOverdue == false else { return }
        sessions.update(id) { $0.noteOverdue() }
        actions.append(.log(.overdue(id)))
        abandonCount(on: id, isLost: true, now: now)
        openCarrier(now: now)
    }

    var nextOverdue: Instant? {
        guard isCarrierWaitedFor else { return nil }
        return carriers.compactMap { carrier -> Instant? in
            guard let liveness = sessions[carrier.id]?.liveness, !liveness.isOverdue else { return nil }
            return liveness.silentSince?.advanced(by: configuration.overdueAfter)
        }.min()
    }

    private var isCarrierWaitedFor: Bool {
        (isCarrierNeeded || !pendingCancels.isEmpty) && !hasFreeCarrier
    }

    // MARK: Waits

    /// A wait at the server may last, and its session is silent meanwhile; so the server is asked about it over a carrier. If nothing
    /// is heard of the server at all, the wait is given up: it begins anew, or its transaction fails.
    mutating func giveUpUnseenWaits(now: Instant) {
        for id in sessions.ids {
            guard let end = sessions[id]?.unseenWaitEnd(configuration, heardAt: sessions.heardAt), end <= now else { continue }
            close(id, because: .noAnswer, now: now)
        }
    }

    // MARK: Too many

    /// Closes the carriers beyond the limit that hold nothing, now that others answer again.
    mutating func retireCarriers(now: Instant) {
        guard carriers.count > configuration.maximumCarriers else { return }
        while carriers.count > configuration.maximumCarriers, let index = carriers.lastIndex(where: { isUnused($0) }) {
            let isAnyOther = carriers.indices.contains { other in
                other != index && sessions[carriers[other].id].map { $0.isShared && !$0.liveness.isOverdue } ?? false
            }
            guard isAnyOther else { return }
            drop(carriers[index].id)
        }
        assignConnections(now: now)
    }

    private func isUnused(_ carrier: Carrier) -> Bool {
        isFree(carrier) && sessions[carrier.id]?.heldCount == 0 && carrier.unlocks.isEmpty && carrier.proofs.isEmpty && carrier.burst == nil
    }
}
