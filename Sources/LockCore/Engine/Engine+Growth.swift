// Each manager keeps to a part of the server's lock table, but several managers together can fill it. So a manager that has more than a
// few keys grows in steps, and before each step the server is asked how many locks there are, of all sessions. To ask at intervals would
// not do: several managers can fill the table between two answers.
//
// The bound: let L be the part of the table that managers keep to, and `free` what each may have unasked. A manager that is allowed a step has
// been told of less than L - step locks, and the others have at most 2 × free more by then than they had (one to begin with, one allowed
// and not used), besides what they have released in the last seconds. So n managers have at most L + 2 × n × free, and what they have
// released. What waits for others' locks is not held back: it takes the place of a lock that is released.
extension Engine {
    struct Growth: Sendable {
        enum State: Hashable, Sendable {
            case idle
            /// Goes out with the next round of a carrier.
            case due
            case asked(on: ConnectionID)
        }

        var state = State.idle
        /// How many keys the manager may have without asking; `nil` if the table's size is unknown, or no part of it is kept to.
        var freeKeys: Int?
        /// How many it may have before it asks again, if that is more.
        var ceiling = 0
        /// The tries that go beyond it: they are not sent before the server has answered.
        var heldBack = WaitQueue()
        /// How many locks there were, if the last answer leaves no room.
        var foundFull: Int?
        /// How many keys the manager had when it asked.
        var takenWhenAsked = 0
        var nextAt = Instant(nanoseconds: .min)
        /// The most keys that it had in the second that ends then, and that it may have again.
        var peak = 0
        var peakEnds = Instant(nanoseconds: .min)
        /// The server has not answered. Until then only the manager's own keys count.
        var blindUntil = Instant(nanoseconds: .min)
        var lossCount = 0

        /// When the server is to be asked again.
        var plannedAt: Instant? { state == .idle && !heldBack.isEmpty ? nextAt : nil }
    }

    private static let freePart = 16
    /// Several managers may be asking at the same time.
    private static let partOfRoom = 8
    private static let peakLasts = Duration.seconds(1)
    private static let pauseAfterFailure = Duration.seconds(60)

    mutating func learnFreeKeys(of size: Int) {
        guard case .fraction = configuration.capacity else { return }
        growth.freeKeys = max(1, size / Self.freePart)
    }

    // MARK: Holding back

    /// Right before a round: of what is to be tried, that is held back which goes beyond the allowed number, or refused if the server
    /// has just said that there is no room.
    mutating func gateGrowth(now: Instant) {
        guard let free = growth.freeKeys, growth.blindUntil <= now, lifecycle == .running else { return sendHeldBack(.max) }
        let sent = takenUnlessHeldBack - unlockCount
        lowerCeiling(sent: sent, free: free, now: now)
        let allowed = max(0, growth.ceiling - sent)
        if shared.tryCount + growth.heldBack.count <= allowed {
            sendHeldBack(.max)
        } else if growth.heldBack.isEmpty {
            holdBack(shared.takeNewestTries(shared.tryCount - allowed).reversed(), now: now)
        } else {
            holdBack(shared.takeTries(), now: now)
            sendHeldBack(allowed)
        }
        growth.peak = max(growth.peak, sent + shared.tryCount)
        guard !growth.heldBack.isEmpty, growth.state == .idle else { return }
        if growth.nextAt <= now {
            growth.state = .due
        } else if let count = growth.foundFull {
            refuse(growth.heldBack.takeAll(), because: tableFull(count), now: now)
        }
    }

    /// What is allowed and has not been used for a while counts no more, since others may have taken it.
    private mutating func lowerCeiling(sent: Int, free: Int, now: Instant) {
        growth.ceiling = max(growth.ceiling, free)
        guard growth.peakEnds <= now else { return }
        let isRecent = now < growth.peakEnds.advanced(by: Self.peakLasts)
        growth.ceiling = max(free, min(growth.ceiling, (isRecent ? growth.peak : sent) + free))
        growth.peak = sent
        growth.peakEnds = now.advanced(by: Self.peakLasts)
    }

    private var takenUnlessHeldBack: Int { placesTaken - shared.tryCount - growth.heldBack.count }

    private mutating func holdBack(_ keys: [AdvisoryKey], now: Instant) {
        for key in keys {
            if contention.isPolled(key) {
                // It did not find a place in the last round, and is polled again later.
                abandonTries([key], now: now)
            } else {
                growth.heldBack.append(key)
            }
        }
    }

    private mutating func sendHeldBack(_ limit: Int) {
        for _ in 0..<min(limit, growth.heldBack.count) {
            guard let key = growth.heldBack.popFirst(), case .trying(let mode) = table.serverState(of: key) else { continue }
            shared.appendTry(key, mode)
        }
    }

    /// A call for the key has ended. A key that no call wants any more takes no place of others.
    mutating func dropUnwanted(_ key: AdvisoryKey, now: Instant) {
        guard !growth.heldBack.isEmpty, table.entry(of: key)?.isWanted == false, growth.heldBack.remove(key) else { return }
        table.interrupted(key, now: now)
    }

    /// What is to be tried and has not been sent.
    mutating func takeUnsent() -> [AdvisoryKey] {
        shared.takeTries() + growth.heldBack.takeAll()
    }

    // MARK: Asking

    mutating func countIfPlanned(now: Instant) {
        guard let at = growth.plannedAt, at <= now else { return }
        growth.state = .due
    }

    /// What a round of a carrier asks, at its end.
    mutating func takeCount(on id: ConnectionID) -> Work? {
        guard growth.state == .due else { return nil }
        growth.state = growth.heldBack.isEmpty ? .idle : .asked(on: id)
        guard growth.state != .idle else { return nil }
        growth.takenWhenAsked = takenUnlessHeldBack
        return .countLocks
    }

    mutating func locksCounted(_ count: Int?, on id: ConnectionID, now: Instant) {
        guard growth.state == .asked(on: id) else { return }
        growth.state = .idle
        growth.foundFull = nil
        guard let count else {
            growth.blindUntil = now.advanced(by: Self.pauseAfterFailure)
            return
        }
        growth.lossCount = 0
        guard let free = growth.freeKeys, let limit = keyLimit else { return }
        let room = max(0, limit - count)
        // The last of the room is not to take a hundred steps.
        let step = min(room, free, max(1, room / Self.partOfRoom, free / Self.partOfRoom))
        // What has been released since then is not to be taken again in addition.
        growth.ceiling = max(free, min(growth.takenWhenAsked, takenUnlessHeldBack) + step)
        if room == 0 { growth.foundFull = count }
        // The server takes 0.6 to 1 µs for each lock, so it is busy with that for no more than a twentieth of the time.
        growth.nextAt = now.advanced(by: .milliseconds(5) + .microseconds(20) * count)
    }

    /// The question was refused for an error that was not its own, or is not answered.
    ///
    /// - Parameter isLost: It may be what the connection was lost by, so that is not tried often.
    mutating func abandonCount(on id: ConnectionID, isLost: Bool, now: Instant) {
        guard growth.state == .asked(on: id) else { return }
        growth.state = .due
        guard isLost else { return }
        growth.lossCount += 1
        if growth.lossCount > 1 { growth.blindUntil = now.advanced(by: Self.pauseAfterFailure) }
    }
}
