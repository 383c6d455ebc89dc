import Testing

@testable import LockCore

@Suite("Keys that the server is asked about before deadlines")
struct DeadlineLooksTests {
    private static func at(_ seconds: Int) -> Instant { Duration.seconds(seconds).instant }

    @Test("a key is asked about for the call that has begun last, until the last deadline")
    func span() {
        var looks = DeadlineLooks()
        looks.add(1, since: Self.at(1), until: Self.at(9))
        looks.add(1, since: Self.at(3), until: Self.at(5))
        looks.add(1, since: Self.at(2), until: Self.at(4))
        looks.planRepeat(at: Self.at(4))
        let look = looks.takeRepeated(now: Self.at(4))?[1]
        #expect(look?.since == Self.at(3) && look?.until == Self.at(9))
    }

    @Test("what is planned is repeated once, at the first time that was planned, until the keys are removed")
    func repetition() {
        var looks = DeadlineLooks()
        looks.add(1, since: Self.at(1), until: Self.at(9))
        looks.planRepeat(at: Self.at(2))
        looks.planRepeat(at: Self.at(1))
        #expect(looks.repeatAt == Self.at(2))
        #expect(looks.takeRepeated(now: Self.at(1)) == nil)
        #expect(looks.takeRepeated(now: Self.at(2)).map { Array($0.keys) } == [1])
        #expect(looks.takeRepeated(now: Self.at(2)) == nil && looks.repeatAt == nil)
        looks.remove(1)
        #expect(looks.isEmpty && Array(looks.keys).isEmpty)
    }
}
