import LibPQ
import Testing

@Suite("Overdue calls")
struct OverdueCallsTests {
    @Test("beyond a few calls that don't return, further ones begin with growing pauses, and at once when those have returned")
    func pauses() {
        var calls = OverdueCalls()
        let start = ContinuousClock.now
        func begins(at now: ContinuousClock.Instant) -> Bool { calls.begin(at: now) }
        for _ in 0..<OverdueCalls.limit {
            #expect(begins(at: start))
            calls.noteOverdue()
        }
        #expect(!begins(at: start + .seconds(9)))
        #expect(begins(at: start + .seconds(10)))
        calls.noteOverdue()
        #expect(!begins(at: start + .seconds(29)))
        #expect(begins(at: start + .seconds(30)))
        for _ in 0..<1000 { calls.noteOverdue() }
        #expect(!begins(at: start + .seconds(629)))
        #expect(begins(at: start + .seconds(630)))
        for _ in 0..<1005 { calls.noteReturned() }
        #expect(begins(at: start + .seconds(630)))
    }
}
