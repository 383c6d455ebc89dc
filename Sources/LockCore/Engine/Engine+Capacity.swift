// The server's lock table is shared with everyone. When it is full, other people's statements and new connections fail; so
// the engine keeps to a part of it, and refuses what goes beyond before the server would. See ``LockTableQuota``.
extension Engine {
    /// How many keys may be held or asked for at a time.
    ///
    /// What transactions and sessions lock on their own connections is not limited.
    package enum Capacity: Hashable, Sendable {
        /// This part of the server's lock table, whose size is learned by connecting.
        case fraction(Double)
        case keys(Int)
        case unlimited

        package func limit(lockTableSize: Int?) -> Int? {
            switch self {
            case .unlimited: nil
            case .keys(let count): count
            case .fraction(let fraction): lockTableSize.map { max(1, Int(Double($0) * fraction)) }
            }
        }
    }

    // MARK: What is taken

    /// How many keys have a place in the server's lock table, or may get one by what is under way.
    private var keysTaken: Int {
        table.serverKeyCount + contention.polls.unansweredCount + sessions.count { $0.isInServerQueue }
    }

    /// The same behind the unlocks of the next round, which go ahead of what it tries.
    private var keysTakenByRound: Int { keysTaken - unlockCount }

    private var keysTakenUnlessUnsent: Int { keysTaken - shared.tryCount }

    /// How many further keys may be asked for; `nil` for any number.
    var room: Int? { quota.room(taken: keysTakenByRound) }

    /// Whether another wait may begin. What is still to be unlocked counts until it is.
    var hasRoomToWait: Bool { quota.hasRoomToWait(taken: keysTaken) }

    // MARK: Rounds

    /// Whether there is more to a round than to send what is pending. Must be cheap, since there are many rounds.
    var needsPreparation: Bool {
        contention.polls.isDue || quota.mustLook(atMost: table.serverKeyCount + contention.polls.unansweredCount + sessions.count)
    }

    /// Right before the next round of a shared session: what it must not try for want of room is refused or held back, what it may try besides is
    /// added.
    mutating func prepareRound(now: Instant) {
        guard hasFreeSharedSession else { return }
        if let (count, failure) = quota.excess(taken: keysTakenByRound) {
            refuse(shared.takeNewestTries(count).reversed(), because: failure, now: now)
        }
        if lifecycle == .running { gateTries(now: now) }
        sendPoll(now: now)
    }

    private mutating func gateTries(now: Instant) {
        switch quota.beginRound(tries: shared.tryCount, taken: keysTakenByRound, now: now) {
        case .sendAll:
            sendHeldBack(.max)
        case .holdBack(let newest):
            holdBack(shared.takeNewestTries(newest).reversed(), now: now)
        case .sendHeldBack(let count):
            holdBack(shared.takeTries(), now: now)
            sendHeldBack(count)
        }
        if let failure = quota.endRound(taken: keysTakenByRound, now: now) {
            refuse(quota.takeHeldBack(), because: failure, now: now)
        }
    }

    private mutating func refuse(_ keys: [AdvisoryKey], because failure: Failure, now: Instant) {
        guard !keys.isEmpty else { return }
        for key in keys where !postponePoll(key, now: now) { table.noRoom(key, failure, now: now) }
        settleTable(now: now)
    }

    private mutating func holdBack(_ keys: [AdvisoryKey], now: Instant) {
        for key in keys where !postponePoll(key, now: now) { quota.holdBack(key) }
    }

    /// What is polled may not have found a place in the last round. It is polled again later.
    private mutating func postponePoll(_ key: AdvisoryKey, now: Instant) -> Bool {
        guard contention.isPolled(key) else { return false }
        abandonTries([key], now: now)
        return true
    }

    private mutating func sendHeldBack(_ limit: Int) {
        for key in quota.takeHeldBack(limit) {
            if case .trying(let mode) = table.serverState(of: key) { shared.appendTry(key, mode) }
        }
    }

    /// A call for the key has ended. A key that no call wants any more takes no place of others.
    mutating func dropUnwanted(_ key: AdvisoryKey, now: Instant) {
        guard quota.isHoldingBack, table.entry(of: key)?.isWanted == false, quota.drop(key) else { return }
        table.waitCancelled(key, now: now)
    }

    /// What is to be tried and has not been sent.
    mutating func takeUnsent() -> [AdvisoryKey] {
        shared.takeTries() + quota.takeHeldBack()
    }

    // MARK: Asking how many locks there are

    /// What a round of a shared session asks, at its end.
    mutating func takeCount(on id: ConnectionID) -> Work? {
        quota.isCountDue && quota.takeCount(on: id, taken: keysTakenUnlessUnsent) ? .countLocks : nil
    }

    mutating func locksCounted(_ count: Int?, on id: ConnectionID, now: Instant) {
        quota.counted(count, on: id, taken: keysTakenUnlessUnsent, now: now)
    }
}

extension ServerSession {
    /// It has a place in the queue of a lock, or may hold one by that.
    fileprivate var isInServerQueue: Bool {
        switch state {
        case .waiting, .verifying: true
        case .connecting, .shared, .idle, .holding, .unlocking, .checkedOut, .recording: false
        }
    }
}
