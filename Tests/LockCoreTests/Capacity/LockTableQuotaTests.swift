import Testing

@testable import LockCore

/// Of a table of 32 locks, managers keep to 16, and each may have 2 without asking.
@Suite("The manager's part of the server's lock table")
struct LockTableQuotaTests {
    private static let start = Instant(nanoseconds: 0)

    private static func after(_ duration: Duration) -> Instant { start.advanced(by: duration) }

    private static func quota(_ capacity: Engine.Capacity = .fraction(0.5), tableSize: Int? = 32) -> LockTableQuota {
        var quota = LockTableQuota(capacity, waitsBeyond: 2)
        if let tableSize { quota.learn(tableSize: tableSize) }
        return quota
    }

    /// Two keys are held, and those from 3 on are held back.
    private static func holdingBack(_ keys: ClosedRange<Int64> = 3...5) -> LockTableQuota {
        var quota = quota()
        #expect(quota.beginRound(tries: keys.count, taken: 2 + keys.count, now: start) == .holdBack(newest: keys.count))
        for key in keys { quota.holdBack(AdvisoryKey(key)) }
        #expect(quota.endRound(taken: 2 + keys.count, now: start) == nil)
        #expect(quota.isCountDue)
        return quota
    }

    /// The session 1 was asked as well.
    private static func asking(_ keys: ClosedRange<Int64> = 3...5) -> LockTableQuota {
        var quota = holdingBack(keys)
        #expect(quota.takeCount(on: 1, taken: 2 + keys.count) == true)
        return quota
    }

    // MARK: The limit

    @Test("what is taken beyond the limit is to be refused, and what it leaves may be asked for")
    func limit() throws {
        let quota = Self.quota(.keys(3))
        #expect(quota.room(taken: 1) == 2)
        #expect(quota.room(taken: 5) == 0)
        #expect(quota.excess(taken: 3)?.count == nil)
        let excess = try #require(quota.excess(taken: 5))
        #expect(excess.count == 2)
        #expect(excess.failure.kind == .capacity)
        #expect(excess.failure.cause == .full(.init(count: 3, isAll: false, capacity: .keys(3), lockTableSize: 32)))
    }

    @Test("a part of the table is no limit before its size is known, and is one key at least")
    func fraction() {
        var quota = Self.quota(tableSize: nil)
        #expect(quota.room(taken: 100) == nil)
        #expect(quota.excess(taken: 100)?.count == nil)
        quota.learn(tableSize: 32)
        #expect(quota.room(taken: 1) == 15)
        quota.learn(tableSize: 1)
        #expect(quota.room(taken: 0) == 1)
        #expect(quota.beginRound(tries: 1, taken: 1, now: Self.start) == .sendAll)
    }

    @Test("waits may exceed the limit by a given number")
    func waits() {
        let quota = Self.quota(.keys(3))
        #expect(quota.hasRoomToWait(taken: 4))
        #expect(!quota.hasRoomToWait(taken: 5))
        #expect(Self.quota(.unlimited).hasRoomToWait(taken: .max))
    }

    @Test("a round is checked where it may reach the limit or the free part, or where something is held back")
    func look() {
        #expect(!Self.quota(.keys(3)).mustLook(atMost: 3))
        #expect(Self.quota(.keys(3)).mustLook(atMost: 4))
        #expect(!Self.quota().mustLook(atMost: 2))
        #expect(Self.quota().mustLook(atMost: 3))
        #expect(Self.quota(.fraction(0.01)).mustLook(atMost: 2))
        #expect(!Self.quota(.unlimited).mustLook(atMost: .max))
        #expect(Self.holdingBack().mustLook(atMost: 0))
    }

    // MARK: Holding back

    @Test("what goes beyond the free part is held back, the newest of it if nothing is yet, or else behind what is")
    func holdsBack() {
        var quota = Self.quota()
        #expect(quota.beginRound(tries: 2, taken: 2, now: Self.start) == .sendAll)
        #expect(quota.endRound(taken: 2, now: Self.start) == nil)
        #expect(!quota.isCountDue)
        #expect(quota.beginRound(tries: 3, taken: 3, now: Self.start) == .holdBack(newest: 1))
        quota.holdBack(3)
        #expect(quota.beginRound(tries: 4, taken: 5, now: Self.start) == .sendHeldBack(2))
        #expect(quota.beginRound(tries: 1, taken: 2, now: Self.start) == .sendAll)
    }

    @Test("half of what may be sent is left to requests for any of several keys, in turn an odd place")
    func choicesHaveHalf() {
        var quota = Self.quota()
        #expect(quota.beginRound(tries: 2, taken: 2, areChoicesDue: true, now: Self.start) == .sendAll, "there is room for all")
        #expect(quota.beginRound(tries: 4, taken: 4, areChoicesDue: true, now: Self.start) == .holdBack(newest: 3))
        #expect(quota.beginRound(tries: 3, taken: 4, areChoicesDue: true, now: Self.start) == .holdBack(newest: 2))
        #expect(quota.beginRound(tries: 3, taken: 4, areChoicesDue: true, now: Self.start) == .holdBack(newest: 3))
    }

    @Test("rounds with and without room in turn leave the only place to each side in turn")
    func choicesHaveHalfOfOne() {
        var quota = Self.quota()
        // One of the two free places is taken, and in every other round both.
        let sent = (0..<4).map { _ in
            #expect(quota.beginRound(tries: 3, taken: 5, areChoicesDue: true, now: Self.start) == .holdBack(newest: 3))
            return quota.beginRound(tries: 3, taken: 4, areChoicesDue: true, now: Self.start) == .holdBack(newest: 2)
        }
        #expect(sent == [true, false, true, false])
    }

    @Test("where more is taken than is allowed, no more than the tries is held back")
    func beyond() {
        var quota = Self.quota()
        #expect(quota.beginRound(tries: 1, taken: 5, now: Self.start) == .holdBack(newest: 1))
        quota.holdBack(3)
        #expect(quota.beginRound(tries: 1, taken: 6, now: Self.start) == .sendHeldBack(0))
    }

    @Test("the free part of a larger table is free at once")
    func larger() {
        var quota = Self.quota()
        #expect(quota.beginRound(tries: 2, taken: 2, now: Self.start) == .sendAll)
        quota.learn(tableSize: 320)
        #expect(quota.beginRound(tries: 20, taken: 20, now: Self.start) == .sendAll)
    }

    @Test("a number of keys, and no limit at all, hold nothing back", arguments: [Engine.Capacity.keys(3), .unlimited])
    func holdsNothingBack(capacity: Engine.Capacity) {
        var quota = Self.quota(capacity)
        #expect(quota.beginRound(tries: 100, taken: 100, now: Self.start) == .sendAll)
        #expect(quota.endRound(taken: 100, now: Self.start) == nil)
        #expect(!quota.isCountDue)
    }

    @Test("what is held back comes out in order, except for what was dropped")
    func order() {
        var quota = Self.holdingBack(3...7)
        #expect(quota.drop(4) == true)
        #expect(quota.drop(4) == false)
        #expect(quota.heldBackKeys == [3, 5, 6, 7])
        #expect(quota.takeHeldBack(2) == [3, 5])
        #expect(quota.takeHeldBack() == [6, 7])
        #expect(!quota.isHoldingBack)
    }

    /// Eight keys were taken at a time, and none is any more.
    private static func released() -> LockTableQuota {
        var quota = asking(3...8)
        for sent in [4, 6, 8] {
            quota.counted(0, on: 1, taken: 8, now: start)
            #expect(quota.beginRound(tries: 0, taken: 8, now: start) == (sent < 8 ? .sendHeldBack(2) : .sendAll))
            _ = quota.takeHeldBack(2)
            #expect(quota.endRound(taken: 8, now: start) == nil)
            quota.countIfPlanned(now: after(.milliseconds(5)))
            _ = quota.takeCount(on: 1, taken: 8)
        }
        _ = quota.endRound(taken: 0, now: start)
        return quota
    }

    @Test(
        "what was taken in the last second or two may be taken again without asking, and then the free part only",
        arguments: [(999, 8), (1001, 8), (2001, 2)]
    )
    func peak(milliseconds: Int, allowed: Int) {
        var quota = Self.released()
        let now = Self.after(.milliseconds(milliseconds))
        #expect(quota.beginRound(tries: 20, taken: 20, now: now) == .holdBack(newest: 20 - allowed))
    }

    @Test("what was allowed and has not been used for a second is not allowed any more, but for the free part")
    func lapses() {
        var quota = Self.released()
        #expect(quota.beginRound(tries: 0, taken: 3, now: Self.after(.milliseconds(1001))) == .sendAll)
        #expect(quota.beginRound(tries: 1, taken: 4, now: Self.after(.milliseconds(1500))) == .sendAll)
        quota.holdBack(9)
        #expect(quota.endRound(taken: 5, now: Self.after(.milliseconds(1500))) == nil)
        #expect(quota.takeHeldBack() == [9])
        // Four at most were taken in the last second, and two are free.
        #expect(quota.beginRound(tries: 8, taken: 8, now: Self.after(.milliseconds(2002))) == .holdBack(newest: 2))
    }

    // MARK: Asking

    @Test("one session is asked, only where something is held back, and only once before it has answered")
    func asks() {
        var quota = Self.holdingBack()
        #expect(quota.takeCount(on: 1, taken: 5) == true)
        #expect(!quota.isCountDue)
        #expect(quota.endRound(taken: 5, now: Self.start) == nil)
        #expect(quota.takeCount(on: 2, taken: 5) == false)
        quota.counted(0, on: 2, taken: 5, now: Self.start)
        #expect(quota.beginRound(tries: 0, taken: 5, now: Self.start) == .sendHeldBack(0))

        var unneeded = Self.holdingBack(3...3)
        #expect(unneeded.drop(3) == true)
        #expect(unneeded.takeCount(on: 1, taken: 2) == false)
        #expect(!unneeded.isCountDue)
    }

    @Test(
        "the answer allows an eighth of the room, at least one key and an eighth of the free part, at most the room and the free part",
        arguments: [(0.5, 0, 100), (0.5, 400, 50), (0.5, 760, 12), (0.5, 795, 5), (0.5, 799, 1), (0.5, 800, 0), (0.5, 900, 0), (1, 0, 100)]
    )
    func step(part: Double, locks: Int, step: Int) {
        var quota = Self.quota(.fraction(part), tableSize: 1600)
        #expect(quota.beginRound(tries: 300, taken: 300, now: Self.start) == .holdBack(newest: 200))
        for key: Int64 in 1...200 { quota.holdBack(AdvisoryKey(key)) }
        _ = quota.endRound(taken: 300, now: Self.start)
        #expect(quota.takeCount(on: 1, taken: 300) == true)
        quota.counted(locks, on: 1, taken: 300, now: Self.start)
        #expect(quota.beginRound(tries: 0, taken: 300, now: Self.start) == .sendHeldBack(step))
    }

    @Test("where there is little room, and little is free, the answer allows one key all the same")
    func leastStep() {
        var quota = Self.asking()
        quota.counted(9, on: 1, taken: 5, now: Self.start)
        #expect(quota.beginRound(tries: 0, taken: 5, now: Self.start) == .sendHeldBack(1))
    }

    @Test("what was released or taken between question and answer is not allowed in addition", arguments: [true, false])
    func changedMeanwhile(isReleased: Bool) {
        var quota = Self.quota()
        #expect(quota.beginRound(tries: 3, taken: 3, now: Self.start) == .holdBack(newest: 1))
        quota.holdBack(9)
        _ = quota.endRound(taken: 3, now: Self.start)
        // Four and then two others, or the other way round.
        #expect(quota.takeCount(on: 1, taken: isReleased ? 5 : 3) == true)
        quota.counted(0, on: 1, taken: isReleased ? 3 : 5, now: Self.start)
        #expect(quota.beginRound(tries: 5, taken: 6, now: Self.start) == .sendHeldBack(4))
    }

    @Test("the server is asked again after 5 ms, and 20 µs for each lock, if something is still held back")
    func pause() {
        var quota = Self.asking()
        #expect(quota.nextCount == nil)
        quota.counted(10, on: 1, taken: 5, now: Self.start)
        #expect(quota.nextCount == Self.after(.microseconds(5200)))
        quota.countIfPlanned(now: Self.after(.microseconds(5199)))
        #expect(!quota.isCountDue)
        #expect(quota.endRound(taken: 5, now: Self.after(.microseconds(5199))) == nil)
        #expect(!quota.isCountDue)
        var other = quota
        #expect(other.endRound(taken: 5, now: Self.after(.microseconds(5200))) == nil)
        #expect(other.isCountDue)
        quota.countIfPlanned(now: Self.after(.microseconds(5200)))
        #expect(quota.isCountDue)
        #expect(quota.nextCount == nil)

        var done = Self.asking(3...3)
        done.counted(10, on: 1, taken: 3, now: Self.start)
        _ = done.takeHeldBack()
        #expect(done.nextCount == nil)
    }

    @Test("where the last answer leaves no room, what is held back is refused until the server is to be asked again", arguments: [16, 20])
    func full(locks: Int) throws {
        var quota = Self.asking()
        quota.counted(locks, on: 1, taken: 5, now: Self.start)
        let refusal = quota.endRound(taken: 5, now: Self.start)
        let failure = try #require(refusal)
        #expect(failure.kind == .capacity)
        #expect(failure.cause == .full(.init(count: locks, isAll: true, capacity: .fraction(0.5), lockTableSize: 32)))
        #expect(quota.endRound(taken: 5, now: Self.after(.seconds(1))) == nil)
        #expect(quota.isCountDue)
        #expect(quota.takeCount(on: 1, taken: 5) == true)
        quota.counted(14, on: 1, taken: 5, now: Self.after(.seconds(1)))
        #expect(quota.endRound(taken: 5, now: Self.after(.seconds(1))) == nil)
    }

    // MARK: No answer

    @Test("if the server can't say how many locks there are, only the manager's own keys count for a minute")
    func fails() {
        var quota = Self.asking()
        quota.counted(nil, on: 1, taken: 5, now: Self.start)
        #expect(quota.beginRound(tries: 0, taken: 5, now: Self.after(.seconds(59))) == .sendAll)
        #expect(quota.endRound(taken: 5, now: Self.after(.seconds(59))) == nil)
        #expect(!quota.isCountDue)
        #expect(quota.excess(taken: 17)?.count == 1)
        #expect(quota.beginRound(tries: 0, taken: 5, now: Self.after(.seconds(60))) == .sendHeldBack(0))
    }

    @Test("a lost question is asked again once, and one that was refused because of another statement's error each time")
    func lost() {
        var quota = Self.asking()
        quota.countAbandoned(on: 2, isLost: true, now: Self.start)
        #expect(!quota.isCountDue, "Another session was asked.")
        for _ in 1...3 {
            quota.countAbandoned(on: 1, isLost: false, now: Self.start)
            #expect(quota.takeCount(on: 1, taken: 5) == true)
        }
        quota.countAbandoned(on: 1, isLost: true, now: Self.start)
        #expect(quota.beginRound(tries: 0, taken: 5, now: Self.start) == .sendHeldBack(0))
        #expect(quota.takeCount(on: 1, taken: 5) == true)
        quota.countAbandoned(on: 1, isLost: true, now: Self.start)
        #expect(quota.beginRound(tries: 0, taken: 5, now: Self.after(.seconds(59))) == .sendAll)
        #expect(quota.beginRound(tries: 0, taken: 5, now: Self.after(.seconds(60))) == .sendHeldBack(0))
    }

    @Test("an answer makes up for a question that was lost before")
    func lostBefore() {
        var quota = Self.asking()
        for _ in 1...2 {
            quota.countAbandoned(on: 1, isLost: true, now: Self.start)
            #expect(quota.takeCount(on: 1, taken: 5) == true)
            quota.counted(16, on: 1, taken: 5, now: Self.start)
            quota.countIfPlanned(now: Self.after(.seconds(1)))
            #expect(quota.takeCount(on: 1, taken: 5) == true)
        }
        #expect(quota.beginRound(tries: 0, taken: 5, now: Self.start) == .sendHeldBack(0))
    }
}
