/// How much of the server's lock table the manager takes, and when the server is asked how much of it is taken.
///
/// Each manager keeps to a part of the table, but several managers together can fill it. So a manager that has more than a few keys grows
/// in steps, and before each step it asks the server how many locks all sessions have: see "The bound" in Docs/Architecture.md.
/// A key is *taken* if it has a slot in the server's table, or may get one by what was sent or is to be tried.
struct LockTableQuota: Sendable {
    /// What a round does with the keys that are to be tried.
    enum Round: Hashable, Sendable {
        /// Sends them, and the keys that were held back before.
        case sendAll
        case holdBack(newest: Int)
        /// Holds them back behind the keys that were held back before, and sends so many of all.
        case sendHeldBack(Int)
    }

    private enum Count: Hashable, Sendable {
        case idle
        /// Goes out with the next round of a shared session.
        case due
        /// - Parameter taken: How many keys were taken when the server was asked, without those held back.
        case asked(on: ConnectionID, taken: Int)
    }

    private static let freePart = 16
    /// Several managers may ask at the same time.
    private static let partOfRoom = 8
    private static let peakLasts = Duration.seconds(1)
    private static let pauseAfterFailure = Duration.seconds(60)

    private let capacity: Engine.Capacity
    /// By how many waits the limit may be exceeded.
    private let waitsBeyond: Int
    private var tableSize: Int?
    /// The smaller of ``limit`` and ``free``.
    private var unchecked = 0

    /// How many keys may be taken before the server is asked again, if that is more than ``free``.
    private var ceiling = 0
    /// The tries beyond it, which are not sent before the server has answered.
    private var heldBack = WaitQueue<AdvisoryKey>()
    private var count = Count.idle
    private var nextCountAt = Instant(nanoseconds: .min)
    /// How many locks there were, if the last answer left no room.
    private var foundFull: Int?
    /// The most keys that were taken in the second that ends then, and that may be taken again.
    private var peak = 0
    private var peakEnds = Instant(nanoseconds: .min)
    /// Until when only the manager's own keys count, because the server has not answered.
    private var blindUntil = Instant(nanoseconds: .min)
    private var lossCount = 0
    /// Whether requests for any of several keys were left out until the server has answered.
    private var isRoomWanted = false
    /// Whether the middle one of an odd number of places is left to a request for any of several keys.
    private var leavesOdd = false

    /// - Parameter waitsBeyond: By how many waits the limit may be exceeded: the tasks that wait may hold the very locks that take up the
    ///   room, and would wait for themselves.
    init(_ capacity: Engine.Capacity, waitsBeyond: Int) {
        self.capacity = capacity
        self.waitsBeyond = waitsBeyond
        learn(tableSize: nil)
    }

    mutating func learn(tableSize size: Int?) {
        tableSize = size
        unchecked = min(limit ?? .max, free ?? .max)
    }

    // MARK: The limit

    /// How many keys may be taken at a time; `nil` for as many as there are, or if the table's size is not known yet.
    var limit: Int? { capacity.limit(lockTableSize: tableSize) }

    /// How many of them without asking; `nil` if the table's size is unknown, or the limit does not depend on it.
    private var free: Int? {
        guard case .fraction = capacity else { return nil }
        return tableSize.map { max(1, $0 / Self.freePart) }
    }

    /// Whether a round has to be checked before it is sent, if at most so many keys are taken.
    func mustLook(atMost taken: Int) -> Bool { taken > unchecked || isHoldingBack }

    /// How many further keys may be asked for; `nil` for any number.
    func room(taken: Int) -> Int? { limit.map { max(0, $0 - taken) } }

    /// Whether another wait may begin.
    func hasRoomToWait(taken: Int) -> Bool { limit.map { taken < $0 + waitsBeyond } ?? true }

    /// How many of the newest tries have to be refused, and why.
    func excess(taken: Int) -> (count: Int, failure: Failure)? {
        guard let limit, taken > limit else { return nil }
        return (taken - limit, failure(limit))
    }

    /// How many further keys may be asked for at once, by requests that can wait for room without being held back.
    ///
    /// - Returns: Also why there is no more, if that is certain. If not, the server is asked.
    mutating func allowance(taken: Int, now: Instant) -> (count: Int, failure: Failure?) {
        guard let limit else { return (.max, nil) }
        let room = max(0, limit - taken)
        guard let free, blindUntil <= now else { return (room, failure(limit)) }
        let sent = taken - heldBack.count
        lowerCeiling(sent: sent, free: free, now: now)
        let allowed = min(room, max(0, ceiling - sent))
        if allowed == room { return (room, failure(limit)) }
        return (allowed, nextCountAt > now ? foundFull.map { failure($0, isAll: true) } : nil)
    }

    /// Requests were left out for want of room.
    mutating func wantRoom(now: Instant) {
        isRoomWanted = true
        if count == .idle, nextCountAt <= now { count = .due }
    }

    // MARK: Holding back

    var isHoldingBack: Bool { !heldBack.isEmpty }
    var heldBackKeys: [AdvisoryKey] { heldBack.elements }

    /// Right before a round.
    ///
    /// - Parameter areChoicesDue: Whether requests for any of several keys are due, too. They come behind the tries, so half of the room
    ///   is left to them: where there are always more tries than room, they would get none.
    mutating func beginRound(tries: Int, taken: Int, areChoicesDue: Bool = false, now: Instant) -> Round {
        guard let free, blindUntil <= now else { return .sendAll }
        let sent = taken - tries - heldBack.count
        lowerCeiling(sent: sent, free: free, now: now)
        var allowed = max(0, ceiling - sent)
        if tries + heldBack.count <= allowed { return .sendAll }
        if areChoicesDue {
            // Changed by odd numbers only: if it changed by each, rounds with and without room in turn would always leave it to the same side.
            let isOdd = !allowed.isMultiple(of: 2)
            allowed = (allowed + (leavesOdd ? 0 : 1)) / 2
            if isOdd { leavesOdd.toggle() }
        }
        return isHoldingBack ? .sendHeldBack(allowed) : .holdBack(newest: tries - allowed)
    }

    /// - Returns: Why all keys that are held back have to be refused; `nil` if they are kept until the server has answered.
    mutating func endRound(taken: Int, now: Instant) -> Failure? {
        guard blindUntil <= now else { return nil }
        peak = max(peak, taken - heldBack.count)
        guard isHoldingBack, count == .idle else { return nil }
        guard nextCountAt > now else {
            count = .due
            return nil
        }
        return foundFull.map { failure($0, isAll: true) }
    }

    /// An allowance that was not used for a while ends, since other managers may have taken the room.
    private mutating func lowerCeiling(sent: Int, free: Int, now: Instant) {
        ceiling = max(ceiling, free)
        guard peakEnds <= now else { return }
        let isRecent = now < peakEnds.advanced(by: Self.peakLasts)
        ceiling = min(ceiling, (isRecent ? peak : sent) + free)
        peak = sent
        peakEnds = now.advanced(by: Self.peakLasts)
    }

    mutating func holdBack(_ key: AdvisoryKey) { heldBack.append(key) }

    /// Takes out the keys that were held back first.
    mutating func takeHeldBack(_ limit: Int = .max) -> [AdvisoryKey] {
        if limit >= heldBack.count { return heldBack.takeAll() }
        return (0..<limit).compactMap { _ in heldBack.popFirst() }
    }

    /// - Returns: Whether the key was held back.
    mutating func drop(_ key: AdvisoryKey) -> Bool { heldBack.remove(key) }

    // MARK: Asking

    /// Whether the next round of a shared session asks how many locks there are.
    var isCountDue: Bool { count == .due }

    /// When the server is asked again.
    var nextCount: Instant? { count == .idle && isAnswerWanted ? nextCountAt : nil }

    private var isAnswerWanted: Bool { isHoldingBack || isRoomWanted }

    mutating func countIfPlanned(now: Instant) {
        if let at = nextCount, at <= now { count = .due }
    }

    /// Called behind the tries of a round, which count.
    ///
    /// - Parameter taken: Without what is still to be tried by a later round.
    /// - Returns: Whether the server is asked.
    mutating func takeCount(on id: ConnectionID, taken: Int) -> Bool {
        guard count == .due else { return false }
        count = isAnswerWanted ? .asked(on: id, taken: taken - heldBack.count) : .idle
        return isAnswerWanted
    }

    /// - Parameters:
    ///   - locks: How many there are, of all sessions; `nil` if the server could not say.
    ///   - taken: Without what is still to be tried by a later round.
    mutating func counted(_ locks: Int?, on id: ConnectionID, taken: Int, now: Instant) {
        guard case .asked(on: id, let takenWhenAsked) = count else { return }
        count = .idle
        foundFull = nil
        isRoomWanted = false
        guard let locks else {
            blindUntil = now.advanced(by: Self.pauseAfterFailure)
            return
        }
        lossCount = 0
        guard let free, let limit else { return }
        let room = max(0, limit - locks)
        // Without a least step the last of the room would take a hundred steps.
        let step = min(room, free, max(1, room / Self.partOfRoom, free / Self.partOfRoom))
        // What has been released since then must not be taken again in addition.
        ceiling = min(takenWhenAsked, taken - heldBack.count) + step
        if room == 0 { foundFull = locks }
        // The server takes 0.6 to 1 µs for each lock, so it is busy with that for no more than a twentieth of the time.
        nextCountAt = now.advanced(by: .milliseconds(5) + .microseconds(20) * locks)
    }

    /// The question was refused because of another statement's error, or is not answered.
    ///
    /// - Parameter isLost: Whether it is not answered. The question may be the reason for that, so it is not repeated often.
    mutating func countAbandoned(on id: ConnectionID, isLost: Bool, now: Instant) {
        guard case .asked(on: id, _) = count else { return }
        count = .due
        guard isLost else { return }
        lossCount += 1
        if lossCount > 1 { blindUntil = now.advanced(by: Self.pauseAfterFailure) }
    }

    private func failure(_ count: Int, isAll: Bool = false) -> Failure {
        Failure(.capacity, .full(Failure.Fullness(count: count, isAll: isAll, capacity: capacity, lockTableSize: tableSize)))
    }
}
