// The server's lock table is shared with everyone. When it is full, other people's statements and new connections fail; so
// the engine keeps to a part of it, and refuses what goes beyond before the server would.
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

    mutating func learn(lockTableSize size: Int) {
        lockTableSize = size
        keyLimit = configuration.capacity.limit(lockTableSize: size)
        learnFreeKeys(of: size)
        keysUnchecked = min(keyLimit ?? .max, growth.freeKeys ?? .max)
    }

    /// How many keys have a place in the server's lock table, or may get one by what is under way.
    var placesTaken: Int {
        table.serverKeyCount + contention.polls.unansweredCount + sessions.count { $0.hasPlaceInQueue }
    }

    /// How many further keys may be asked for; `nil` for any number.
    var room: Int? {
        keyLimit.map { max(0, $0 - placesTaken + unlockCount) }
    }

    /// Whether another wait may begin. What is still to be unlocked counts until it is.
    ///
    /// Those who wait may go beyond the limit by a few: they may be waiting with the very locks that take up the room, and
    /// would wait for themselves.
    var hasRoomToWait: Bool {
        keyLimit.map { placesTaken < $0 + configuration.maximumConnections } ?? true
    }

    /// Whether there is more to a round than to send what is pending. Must be cheap, since there are many rounds.
    var needsPreparation: Bool {
        contention.polls.isDue || !growth.heldBack.isEmpty
            || table.serverKeyCount + contention.polls.unansweredCount + sessions.count > keysUnchecked
    }

    /// Right before a carrier's next round: what it must not try for want of room is refused, what it may try besides is
    /// added.
    mutating func prepareRound(now: Instant) {
        guard hasFreeCarrier else { return }
        refuseExcess(now: now)
        gateGrowth(now: now)
        sendPoll(now: now)
    }

    /// The newest tries are refused if there is no room for them, after all that is unlocked in the same round ahead of them.
    private mutating func refuseExcess(now: Instant) {
        guard let keyLimit else { return }
        let excess = placesTaken - unlockCount - keyLimit
        guard excess > 0 else { return }
        let failure = Failure.capacity(limit: keyLimit, of: lockTableSize, configured: configuration.capacity)
        refuse(shared.takeNewestTries(excess).reversed(), because: failure, now: now)
    }

    mutating func refuse(_ keys: [AdvisoryKey], because failure: Failure, now: Instant) {
        guard !keys.isEmpty else { return }
        for key in keys {
            // What is polled may not have found a place in the last round; it is polled again later.
            if contention.isPolled(key) {
                abandonTries([key], now: now)
            } else {
                table.noRoom(key, failure, now: now)
            }
        }
        settleTable(now: now)
    }

    func tableFull(_ count: Int) -> Failure {
        .capacity(limit: count, isAll: true, of: lockTableSize, configured: configuration.capacity)
    }
}

extension ServerSession {
    /// It has a place in the queue of a lock, or may hold one by that.
    fileprivate var hasPlaceInQueue: Bool {
        switch state {
        case .waiting, .verifying: true
        case .connecting, .shared, .idle, .holding, .unlocking, .checkedOut, .recording: false
        }
    }
}

extension Failure {
    fileprivate static func capacity(limit: Int, isAll: Bool = false, of size: Int?, configured: Engine.Capacity) -> Failure {
        let reason =
            switch configured {
            case .fraction(let fraction):
                """
                \(isAll ? "no less than " : "")\(fraction) of the \(size ?? limit) that the server's lock table is sure to have room for \
                (max_locks_per_transaction × (max_connections + max_prepared_transactions))
                """
            case .keys, .unlimited: "the limit that is configured"
            }
        let subject = isAll ? "All sessions of the server together hold or ask for" : "This manager holds or asks for"
        return Failure(.capacity, "\(subject) \(limit) locks already, which is \(reason)")
    }
}
