import Testing

@testable import LockCore

@Suite("When keys that queue are tried again")
struct PollScheduleTests {
    private let start = Duration.seconds(100).instant
    private var random = SplitMix64(seed: 1)
    private var polls = PollSchedule()

    /// Plans a poll that is begun, and lets it be answered.
    private mutating func pause() throws -> Duration {
        polls.plan(using: &random, now: start)
        let planned = try #require(polls.plannedAt)
        _ = polls.takePlanned(now: planned)
        polls.ask(1)
        polls.noteAnswered()
        return start.duration(to: planned)
    }

    @Test("pauses grow from 10 to 250 ms, until a poll is granted something")
    mutating func pauses() throws {
        var pauses: [Duration] = []
        for _ in 1...10 { pauses.append(try pause()) }
        #expect(pauses[0] <= .milliseconds(10))
        #expect(pauses.suffix(5).allSatisfy { $0 >= .milliseconds(125) && $0 <= .milliseconds(250) })
        polls.noteGranted()
        #expect(try pause() <= .milliseconds(10))
    }

    @Test("a poll is due at the end of the pause, which is reported once")
    mutating func due() throws {
        polls.plan(using: &random, now: start)
        let planned = try #require(polls.plannedAt)
        var isOver = polls.takePlanned(now: planned.advanced(by: .nanoseconds(-1)))
        #expect(!isOver && !polls.isDue)
        isOver = polls.takePlanned(now: planned)
        #expect(isOver && polls.isDue && polls.plannedAt == nil)
        isOver = polls.takePlanned(now: planned)
        #expect(!isOver && polls.isDue)
    }

    @Test("no poll is planned while one is planned, due, or not answered to its last key")
    mutating func oneAtATime() throws {
        polls.plan(using: &random, now: start)
        let planned = try #require(polls.plannedAt)
        polls.plan(using: &random, now: start.advanced(by: .seconds(1)))
        #expect(polls.plannedAt == planned)
        _ = polls.takePlanned(now: planned)
        polls.plan(using: &random, now: start)
        #expect(polls.plannedAt == nil && polls.isDue)
        polls.ask(2)
        #expect(polls.unansweredCount == 2 && !polls.isDue)
        polls.noteAnswered()
        polls.plan(using: &random, now: start)
        #expect(polls.plannedAt == nil && polls.unansweredCount == 1)
        polls.noteAnswered()
        polls.noteAnswered()
        #expect(polls.unansweredCount == 0)
        polls.plan(using: &random, now: start)
        #expect(polls.plannedAt != nil)
    }

    @Test("a poll with nothing to try ends at once")
    mutating func empty() {
        polls.plan(using: &random, now: start)
        _ = polls.takePlanned(now: .distantFuture)
        polls.ask(0)
        #expect(!polls.isDue && polls.unansweredCount == 0)
        polls.plan(using: &random, now: start)
        #expect(polls.plannedAt != nil)
    }
}
