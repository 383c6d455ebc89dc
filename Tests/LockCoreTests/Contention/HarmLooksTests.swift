import Testing

@testable import LockCore

@Suite("When the server is asked whether waits harm other sessions")
struct HarmLooksTests {
    private let start = Duration.seconds(100_000).instant
    private var random = SplitMix64(seed: 1)

    private func after(_ duration: Duration) -> Instant { start.advanced(by: duration) }

    /// The pauses that follow answers, when the oldest wait has lasted for so long.
    private mutating func pauses(_ looks: HarmLooks, age: Duration, hasFailed: Bool = false) -> [Duration] {
        var pauses: [Duration] = []
        for _ in 1...50 {
            var looks = looks
            looks.planNext(oldest: after(.zero - age), hasFailed: hasFailed, using: &random, now: start)
            if let planned = looks.plannedAt { pauses.append(start.duration(to: planned)) }
        }
        return pauses
    }

    /// A look that is asked, with an interval of a second.
    private func asked() -> HarmLooks {
        var looks = HarmLooks(interval: .seconds(1))
        looks.noteWait(now: start)
        _ = looks.takePlanned(now: after(.seconds(1)))
        looks.noteAsked()
        return looks
    }

    @Test("without an interval the server is never asked about waits")
    mutating func never() {
        var looks = HarmLooks(interval: nil)
        looks.noteWait(now: start)
        #expect(looks.plannedAt == nil)
        looks.planNext(oldest: start, using: &random, now: start)
        #expect(looks.plannedAt == nil)
    }

    @Test("the server is asked an interval after the first wait began, which a further wait does not put off")
    func first() {
        var looks = HarmLooks(interval: .seconds(1))
        looks.noteWait(now: start)
        looks.noteWait(now: after(.milliseconds(500)))
        #expect(looks.plannedAt == after(.seconds(1)))
        var isOver = looks.takePlanned(now: after(.milliseconds(999)))
        #expect(!isOver && !looks.isDue)
        isOver = looks.takePlanned(now: after(.seconds(1)))
        #expect(isOver && looks.isDue && looks.plannedAt == nil)
        isOver = looks.takePlanned(now: after(.seconds(1)))
        #expect(!isOver && looks.isDue)
        looks.noteAsked()
        #expect(!looks.isDue)
        looks.noteWait(now: after(.seconds(2)))
        #expect(!looks.isDue && looks.plannedAt == nil)
    }

    @Test("the pause is a quarter of the age of the oldest wait, from the interval to five seconds, and up to a quarter longer by chance")
    mutating func pauses() {
        for (age, pause) in [(1, 1), (8, 2), (1000, 5)] as [(Int, Int)] {
            let pauses = pauses(asked(), age: .seconds(age))
            #expect(pauses.allSatisfy { $0 >= .seconds(pause) && $0 <= .seconds(pause) * 1.25 })
            #expect(Set(pauses).count > 10, "Several managers don't ask in step.")
        }
        let rare = pauses(HarmLooks(interval: .seconds(20)), age: .seconds(1000))
        #expect(rare.allSatisfy { $0 >= .seconds(20) && $0 <= .seconds(25) })
    }

    @Test("while an index build waits for other sessions the pause is a tenth of a second, for half a minute")
    mutating func hurried() {
        var looks = asked()
        looks.noteAnswered(isBuildWaiting: true, now: after(.seconds(-29)))
        #expect(Set(pauses(looks, age: .seconds(40))) == [.milliseconds(100)])
        looks.noteAnswered(isBuildWaiting: true, now: after(.seconds(-1)))
        #expect(Set(pauses(looks, age: .seconds(40))) == [.milliseconds(100)])
        looks = asked()
        looks.noteAnswered(isBuildWaiting: true, now: after(.seconds(-30)))
        looks.noteAnswered(isBuildWaiting: true, now: after(.seconds(-1)))
        #expect(pauses(looks, age: .seconds(40)).allSatisfy { $0 >= .seconds(5) }, "It counts from the first answer that has said so.")
        looks.noteAnswered(isBuildWaiting: false, now: after(.seconds(-1)))
        looks.noteAnswered(isBuildWaiting: true, now: after(.seconds(-1)))
        #expect(Set(pauses(looks, age: .seconds(40))) == [.milliseconds(100)], "That is another build.")
        looks.noteAnswered(isBuildWaiting: false, now: after(.seconds(-1)))
        #expect(pauses(looks, age: .seconds(40)).allSatisfy { $0 >= .seconds(5) })
    }

    @Test("a shorter interval than that of hurry is kept")
    mutating func shortInterval() {
        var looks = HarmLooks(interval: .milliseconds(5))
        looks.noteAnswered(isBuildWaiting: true, now: start)
        #expect(pauses(looks, age: .milliseconds(5)).allSatisfy { $0 <= .milliseconds(7) })
    }

    @Test("after a failure the pause is a minute, whatever waits")
    mutating func failed() {
        var looks = asked()
        looks.noteAnswered(isBuildWaiting: true, now: start)
        #expect(Set(pauses(looks, age: .seconds(1), hasFailed: true)) == [.seconds(60)])
    }

    @Test("when no wait is left nothing is planned, and the next wait is asked about after the interval, without hurry")
    mutating func none() throws {
        var looks = asked()
        looks.noteAnswered(isBuildWaiting: true, now: start)
        looks.planNext(oldest: nil, using: &random, now: start)
        #expect(looks.plannedAt == nil && !looks.isDue)
        looks.noteWait(now: start)
        #expect(looks.plannedAt == after(.seconds(1)))
        looks.planNext(oldest: start, using: &random, now: start)
        #expect(try #require(looks.plannedAt) >= after(.seconds(1)))
    }
}
