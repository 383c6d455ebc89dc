// One transaction around many rounds, where each transaction's end would cost more than the round.
extension Engine {
    /// A burst ends when nothing has been sent for so long: the transaction keeps the server from cleaning up, and stands in
    /// pg_stat_activity.
    static let burstPause = Duration.milliseconds(50)

    /// And after so long in any case.
    static let burstLimit = Duration.milliseconds(500)

    /// Before the first statement of a round.
    mutating func beginBurstIfNeeded(_ index: Int, now: Instant) -> Work? {
        guard carriers[index].burst == nil else {
            carriers[index].burst?.lastUse = now
            return nil
        }
        guard let session = sessions[carriers[index].id], session.mostHeld >= configuration.burstThreshold else { return nil }
        carriers[index].burst = Carrier.Burst(since: now, lastUse: now)
        return .begin
    }

    /// Behind the last statement of a round.
    mutating func endBurstIfLong(_ index: Int, now: Instant) -> Work? {
        guard let burst = carriers[index].burst, burst.since.advanced(by: Self.burstLimit) <= now else { return nil }
        carriers[index].burst = nil
        return .commit
    }

    /// Ends the bursts that nobody needs any more.
    mutating func endIdleBursts(now: Instant) {
        for carrier in carriers where isFree(carrier) {
            guard let end = burstEnd(carrier), end <= now else { continue }
            endBurst(of: carrier.id, isOpen: true, now: now)
        }
    }

    var nextBurstEnd: Instant? {
        var next: Instant?
        for index in carriers.indices where carriers[index].burst != nil {
            guard let end = burstEnd(carriers[index]), isFree(carriers[index]) else { continue }
            next = min(next ?? end, end)
        }
        return next
    }

    private func burstEnd(_ carrier: Carrier) -> Instant? {
        carrier.burst?.lastUse.advanced(by: Self.burstPause)
    }

    /// An error has made the server refuse everything up to the end of the transaction, so that end is sent at once. It needs
    /// no `ROLLBACK`: a `COMMIT` ends a failed transaction too.
    ///
    /// - Parameter isOpen: If not, the transaction did not even begin, and the statements behind run in one each.
    mutating func endBurst(of id: ConnectionID, isOpen: Bool, now: Instant) {
        guard let index = carrierIndex(id), carriers[index].burst != nil else { return }
        carriers[index].burst = nil
        guard isOpen else { return }
        submit(.commit, on: id, now: now)
    }

    /// What was sent behind the error was refused before it did anything, and has to be sent again.
    mutating func putBack(_ work: Work, of id: ConnectionID, now: Instant) {
        switch work {
        case .batch(let batch) where batch.kind.verb == .tryLock:
            for key in batch.keys { pending.append(key, batch.kind.mode) }
        case .batch(let batch):
            guard let index = carrierIndex(id) else { return }
            for key in batch.keys { carriers[index].unlocks.append(key, batch.kind.mode) }
        case .changeMode:
            submit(work, on: id, now: now)
        case .cancel(let target, _):
            pendingCancels.append(target)
        case .look:
            abandonLook(now: now)
        case .countLocks:
            abandonCount(on: id, isLost: false, now: now)
        case .begin, .commit, .wait, .releaseAll, .heartbeat, .probe, .position, .statement:
            break
        }
    }
}
