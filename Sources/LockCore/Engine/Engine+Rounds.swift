// What can't block, on the shared sessions: see `SharedSessions`.
extension Engine {
    /// What has come together goes out.
    mutating func flush(now: Instant) {
        if needsPreparation { prepareRound(now: now) }
        if records.isAnyToWrite { writeRecord(now: now) }
        let isSomethingToDo = shared.hasWork || looks.isDue || quota.isCountDue
        for slot in shared.slots where isSomethingToDo || shared.unlockCount(at: slot) > 0 {
            guard isFree(shared[slot]) else { continue }
            sendRound(at: slot, now: now)
        }
        // The last free session may be busy now, and another one have been silent for too long.
        if isSomethingToDo { noteOverdue(now: now) }
    }

    private mutating func sendRound(at slot: Int, now: Instant) {
        let id = shared[slot]
        var round = takeCancels() + shared.takeActivityQuestions()
        if let look = takeLooks(now: now) { round.append(look) }
        // Where others may do a part of the tries, one does not take all.
        let limit = configuration.maximumSharedSessions > 1 ? configuration.batchSize : .max
        let tryLimit = shared.hasTries && id == leastHolding ? limit : 0
        shared.takeBatches(into: &round, at: slot, tryLimit: tryLimit, size: configuration.batchSize)
        // Behind the tries, so that what they take is counted.
        if let count = takeCount(on: id) { round.append(count) }
        guard !round.isEmpty else { return }
        let isLarge = sessions.read(id) { [threshold = configuration.batchTransactionThreshold] in $0.mostHeld >= threshold }
        shared.frame(&round, at: slot, isLarge: isLarge ?? false, now: now)
        for work in round { submit(work, on: id, now: now) }
        ensureSharedSession(now: now)
    }

    private mutating func takeCancels() -> [Work] {
        guard shared.hasCancels else { return [] }
        return shared.takeCancels().compactMap { target in
            sessions.update(target) { $0.noteCancelTaken() }
            return sessions[target]?.cancelRequest.map { .cancel(target, onlyLockWaits: $0.onlyLockWaits) }
        }
    }

    /// Whether it can be sent a round now.
    func isFree(_ id: ConnectionID) -> Bool { sessions.read(id) { $0.isFree } ?? false }

    var hasFreeSharedSession: Bool { sessions.contains { $0.isFree } }

    /// Whether there is a shared session that is connected, free or not.
    var isCarrying: Bool { sessions.contains { $0.isShared } }

    /// The free shared session that gets what is to be tried.
    private var leastHolding: ConnectionID? {
        guard shared.count > 1 else { return shared.slots.first.map { shared[$0] } }
        // Those beyond the limit are to be rid of what they hold.
        guard shared.count <= configuration.maximumSharedSessions else { return sessions.first { $0.isFree } }
        return sessions.all.filter(\.isFree).min { $0.heldCount < $1.heldCount }?.id
    }

    /// How many locks the next round releases ahead of what it tries. Others may be released after it.
    var unlockCount: Int { leastHolding.map { shared.unlockCount(on: $0) } ?? 0 }

    /// The session whose answer is all that is waited for, if it can't take long.
    var loneConnection: ConnectionID? {
        mutating get {
            guard calls.count == 1, shared.count == 1, !shared.hasTries else { return nil }
            let isShort = sessions.read(shared[0]) { if case .batch = $0.loneWork { true } else { false } }
            return isShort == true ? shared[0] : nil
        }
    }

    // MARK: On the session that holds the lock

    /// The table wants a lock released, on whatever session holds it.
    mutating func unlock(_ key: AdvisoryKey, _ mode: Mode, on id: ConnectionID, now: Instant) {
        guard !shared.appendUnlock(key, mode, on: id) else { return }
        sessions.update(id) { $0.unlock(key) }
        submit(.batch(Batch(Batch.Kind(.unlock, mode, key.space), [key])), on: id, now: now)
    }

    mutating func changeMode(_ key: AdvisoryKey, to mode: Mode, on id: ConnectionID, now: Instant) {
        submit(.changeMode(key, to: mode), on: id, now: now)
    }
}
