import Testing

@testable import LockCore

@Suite("The pace of attempts to connect")
struct ConnectingPaceTests {
    private static let refused = Failure(.unreachable, "refused")
    private var random = SplitMix64(seed: 1)
    private var pace = ConnectingPace(timeout: .seconds(10))
    private let start = Duration.seconds(100).instant

    private func after(_ duration: Duration) -> Instant { start.advanced(by: duration) }

    @Test("the first attempt is made at once, and one that succeeds leaves no pause and no outage")
    mutating func atOnce() {
        #expect(pace.mayAttempt(at: start))
        #expect(!pace.isOutage)
        pace.noteAttempt(now: start)
        #expect(pace.isOutage)
        #expect(pace.failure == nil)
        _ = pace.noteFailed(Self.refused, isWaitedFor: true, using: &random, now: start)
        #expect(pace.failure == Self.refused)
        #expect(!pace.mayAttempt(at: start))
        pace.noteConnected()
        #expect(pace.mayAttempt(at: start))
        #expect(!pace.isOutage)
        #expect(pace.next == nil)
    }

    @Test("pauses grow to a second while calls wait, and to five seconds while none does")
    mutating func pauses() {
        for (isWaitedFor, most) in [(true, Duration.seconds(1)), (false, .seconds(5))] {
            pace.noteConnected()
            var pauses: [Duration] = []
            for _ in 0..<20 { pauses.append(pace.noteFailed(Self.refused, isWaitedFor: isWaitedFor, using: &random, now: start)) }
            #expect(pauses[0] <= .milliseconds(50))
            #expect(pauses.allSatisfy { $0 <= most })
            #expect(pauses.suffix(10).allSatisfy { $0 >= most / 2 })
        }
    }

    @Test("the end of a pause is reported once")
    mutating func once() {
        let pause = pace.noteFailed(Self.refused, isWaitedFor: true, using: &random, now: start)
        #expect(pace.next == after(pause))
        var isTaken = pace.takeAttempt(now: after(pause - .nanoseconds(1)))
        #expect(!isTaken)
        isTaken = pace.takeAttempt(now: after(pause))
        #expect(isTaken)
        isTaken = pace.takeAttempt(now: after(pause))
        #expect(!isTaken)
    }

    @Test("sessions that are lost together make one pause, which a later loss does not prolong")
    mutating func lost() throws {
        pace.noteLost(using: &random, now: start)
        let planned = try #require(pace.next)
        #expect(planned > start)
        pace.noteLost(using: &random, now: after(.milliseconds(1)))
        #expect(pace.next == planned)
        #expect(!pace.isOutage, "Others may be there.")
    }

    @Test("a call has the next attempt in half of its time, but attempts are a tenth of a second apart")
    mutating func hurry() throws {
        for _ in 0..<20 { _ = pace.noteFailed(Self.refused, isWaitedFor: false, using: &random, now: start) }
        let planned = try #require(pace.next)
        #expect(planned >= after(.seconds(2)))
        pace.hurry(deadline: after(.seconds(20)), using: &random, now: start)
        let hurried = try #require(pace.next)
        #expect(hurried <= after(.seconds(1)))
        pace.hurry(deadline: after(.milliseconds(300)), using: &random, now: start)
        #expect(pace.next == after(.milliseconds(150)))
        pace.hurry(deadline: after(.milliseconds(1)), using: &random, now: start)
        #expect(pace.next == after(.milliseconds(100)))
        pace.hurry(deadline: after(.seconds(20)), using: &random, now: start)
        #expect(pace.next == after(.milliseconds(100)), "A call with more time does not put it off.")
    }

    @Test("callers without a deadline give up a timeout after their own beginning, or that of the outage, whichever is later")
    mutating func deadline() {
        var mayGoOn = pace.mayGoOn(since: start, now: after(.seconds(1000)))
        #expect(mayGoOn, "There is no outage.")
        pace.noteAttempt(now: start)
        pace.noteCaller(since: start)
        #expect(pace.next == nil, "No attempt has failed.")
        _ = pace.noteFailed(Self.refused, isWaitedFor: true, using: &random, now: after(.seconds(2)))
        _ = pace.takeAttempt(now: after(.seconds(4)))
        pace.noteCaller(since: after(.seconds(3)))
        #expect(pace.next == after(.seconds(13)))
        pace.noteCaller(since: after(.seconds(-50)))
        #expect(pace.next == after(.seconds(10)), "The outage began at 0.")
        #expect(!pace.isGivingUpDue(at: after(.seconds(9))))
        #expect(pace.isGivingUpDue(at: after(.seconds(10))))
        let failure = pace.beginGivingUp()
        #expect(failure == Self.refused)
        #expect(pace.next == nil)
        mayGoOn = pace.mayGoOn(since: after(.seconds(-50)), now: after(.seconds(10)))
        #expect(!mayGoOn)
        mayGoOn = pace.mayGoOn(since: after(.seconds(3)), now: after(.seconds(10)))
        #expect(mayGoOn)
        #expect(pace.next == after(.seconds(13)), "What is due is told anew.")
    }
}
