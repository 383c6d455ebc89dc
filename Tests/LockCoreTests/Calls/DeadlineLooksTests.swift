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
        looks.planRepeat(now: Self.at(4))
        var asked: DeadlineLooks.Look?
        _ = looks.takeRepeated(now: Self.at(5)) { _, look in
            asked = look
            return true
        }
        #expect(asked?.since == Self.at(3) && asked?.until == Self.at(9))
    }

    @Test("a key is asked about again 100 ms after the first plan, once, until the answer can make no difference")
    func repetition() {
        var looks = DeadlineLooks()
        looks.add(1, since: Self.at(1), until: Self.at(9))
        looks.planRepeat(now: Self.at(2))
        looks.planRepeat(now: Self.at(1))
        #expect(looks.repeatAt == Self.at(2).advanced(by: .milliseconds(100)))
        #expect(looks.takeRepeated(now: Self.at(2)) { _, _ in true } == [])
        #expect(looks.takeRepeated(now: Self.at(3)) { _, _ in true } == [1])
        #expect(looks.takeRepeated(now: Self.at(3)) { _, _ in true } == [] && looks.repeatAt == nil)
        looks.planRepeat(now: Self.at(3))
        #expect(looks.takeRepeated(now: Self.at(4)) { _, _ in false } == [])
        #expect(looks.isEmpty)
    }
}
