import Testing

@testable import PostgresLock

@Suite("Pauses between looks")
struct LookPauseTests {
    @Test("a twentieth of the time is spent on looks at most, and no pause is longer than a network without answers deserves")
    func pauses() {
        #expect(LookPause.after(.milliseconds(5)) == .milliseconds(100))
        #expect(LookPause.after(.seconds(1)) == LookPause.longest)
        #expect(LookPause.after(.seconds(60)) == LookPause.longest)
    }

    @Test("a call with a limit pauses for a least time, and not past its limit, however slow its look was")
    func limited() {
        let least = Duration.milliseconds(100)
        #expect(LookPause.after(.milliseconds(1), least: least, remaining: .seconds(9)) == least)
        #expect(LookPause.after(.milliseconds(50), least: least, remaining: .seconds(9)) == .seconds(1))
        #expect(LookPause.after(.seconds(1), least: least, remaining: .seconds(9)) == .seconds(9))
        #expect(LookPause.after(.milliseconds(1), least: least, remaining: .milliseconds(30)) == .milliseconds(30))
    }
}
