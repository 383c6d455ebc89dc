import LibPQ
import Testing

@Suite("Overdue calls")
struct OverdueCallsTests {
    @Test("after a few calls that don't return, further ones begin with growing pauses, and at once when those have returned")
    func pauses() {
        var calls = OverdueCalls()
        let start = ContinuousClock.now
        var stuck: [OverdueCalls.ID] = []
        func begins(at now: ContinuousClock.Instant) -> Bool {
            guard let call = calls.begin(at: now) else { return false }
            calls.giveUp(call)
            stuck.append(call)
            return true
        }
        for _ in 0..<OverdueCalls.limit { #expect(begins(at: start)) }
        #expect(!begins(at: start + .seconds(9)))
        #expect(begins(at: start + .seconds(10)))
        #expect(!begins(at: start + .seconds(29)))
        #expect(begins(at: start + .seconds(30)))
        var now = start + .seconds(30)
        for _ in 0..<20 {
            now += .seconds(600)
            #expect(begins(at: now))
        }
        #expect(!begins(at: now + .seconds(599)))
        #expect(begins(at: now + .seconds(600)))
        for call in stuck { calls.noteReturned(call) }
        #expect(begins(at: now + .seconds(600)))
    }

    @Test("calls that return in time, or are still within their time, delay no further call")
    func inTime() {
        var calls = OverdueCalls()
        let start = ContinuousClock.now
        for _ in 0..<100 {
            guard let call = calls.begin(at: start), calls.begin(at: start) != nil else {
                Issue.record("A call was refused.")
                return
            }
            calls.noteReturned(call)
            calls.giveUp(call)
        }
    }
}
