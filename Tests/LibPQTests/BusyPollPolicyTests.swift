import Testing

@testable import LibPQ

@Suite("Polls for an answer that is about to arrive")
struct BusyPollPolicyTests {
    /// - Returns: How many opportunities are skipped before the next poll.
    private static func skipped(_ policy: inout BusyPollPolicy) -> Int {
        var count = 0
        while !policy.begin() { count += 1 }
        return count
    }

    @Test("after each failure in a row twice as many opportunities are skipped, up to about a thousand")
    func failures() {
        var policy = BusyPollPolicy()
        let isFirstPolled = policy.begin()
        #expect(isFirstPolled)
        for exponent in 1...12 {
            policy.end(isAnswered: false, after: 1_000)
            let skipped = Self.skipped(&policy)
            #expect(skipped == 1 << min(exponent, 10))
        }
    }

    @Test("an answer that takes longer than a wake-up of another thread is a failure")
    func slow() {
        var policy = BusyPollPolicy()
        policy.end(isAnswered: true, after: 200_000)
        let inTime = Self.skipped(&policy)
        policy.end(isAnswered: true, after: 200_001)
        let late = Self.skipped(&policy)
        #expect((inTime, late) == (0, 2))
    }

    @Test("an answer in time halves the failures, so a server that is slow each second time is not polled each second time")
    func success() {
        var policy = BusyPollPolicy()
        for _ in 1...4 { policy.end(isAnswered: false, after: 0) }
        policy.end(isAnswered: true, after: 0)
        _ = Self.skipped(&policy)
        policy.end(isAnswered: false, after: 0)
        let skipped = Self.skipped(&policy)
        #expect(skipped == 8)
    }

    @Test("in a long series each call of a certain number waits without a poll, so that its task suspends")
    func series() {
        var policy = BusyPollPolicy()
        var skipped = 0
        for _ in 1...1280 {
            skipped += Self.skipped(&policy)
            policy.end(isAnswered: true, after: 0)
        }
        #expect(skipped == 9)
    }

    @Test("a watch ends when no poll was answered during it")
    func watch() {
        var policy = BusyPollPolicy()
        let (first, second) = (policy.beginWatch(), policy.beginWatch())
        #expect(first && !second)
        policy.end(isAnswered: true, after: 0)
        let (isOver, isBegunAnew) = (policy.endWatch(), policy.beginWatch())
        #expect(!isOver && isBegunAnew)
        let isOverLater = policy.endWatch()
        #expect(isOverLater)
    }
}
