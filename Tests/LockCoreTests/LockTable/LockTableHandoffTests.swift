import LockCore
import Testing

@Suite("The lock table's handoff")
struct LockTableHandoffTests {
    @Test(
        "a lock is handed off as often as the limit allows, then asked for at the server again, and waited for if that refuses it",
        arguments: [0, 1, 16]
    )
    func count(limit: Int) {
        var script = TableScript(limit: HandoffLimit(count: limit, duration: .seconds(60)))
        for id in 0...UInt64(limit + 1) { _ = script.request(RequestID(id)) }
        #expect(script.granted() == [.grant(0)])
        for id in 0..<UInt64(limit) {
            #expect(script.release(RequestID(id)) == [.grant(RequestID(id + 1)), .released(RequestID(id))])
        }
        let last = RequestID(UInt64(limit))
        #expect(script.release(last) == [.unlock(1, .exclusive, on: 1)])
        #expect(script.unlocked() == [.released(last), .tryLock(1, .exclusive)])
        #expect(script.notGranted() == [.waitLock(1, .exclusive)])
        // From the server's next grant on it is counted anew.
        #expect(script.granted(on: 2) == [.grant(RequestID(UInt64(limit + 1)))])
    }

    @Test("a lock is handed off no longer than the limit allows")
    func duration() {
        var script = TableScript(limit: HandoffLimit(count: 16, duration: .milliseconds(50)))
        for id: RequestID in [1, 2, 3] { _ = script.request(id) }
        _ = script.granted()
        script.pass(.milliseconds(50))
        #expect(script.release(1) == [.grant(2), .released(1)])
        script.pass(.nanoseconds(1))
        #expect(script.release(2) == [.unlock(1, .exclusive, on: 1)])
    }

    @Test("handoffs go on without end if there is no limit")
    func unlimited() {
        var script = TableScript()
        _ = script.request(0)
        _ = script.granted()
        for id: UInt64 in 1...1000 {
            script.pass(.seconds(3600))
            _ = script.request(RequestID(id))
            #expect(script.release(RequestID(id - 1)) == [.grant(RequestID(id)), .released(RequestID(id - 1))])
        }
    }

    @Test("a request for another mode than the released one is tried first, and does not wait at once")
    func otherMode() {
        var script = TableScript(limit: HandoffLimit(count: 0, duration: .zero))
        _ = script.request(1, .exclusive)
        _ = script.granted()
        _ = script.request(2, .shared)
        #expect(script.release(1) == [.unlock(1, .exclusive, on: 1)])
        #expect(script.unlocked() == [.released(1), .tryLock(1, .shared)])
    }

    @Test("a request after the release is asked for at once, since no other request was passed over")
    func askedAgain() {
        var script = TableScript(limit: HandoffLimit(count: 0, duration: .zero))
        _ = script.request(1)
        _ = script.granted()
        #expect(script.release(1) == [.unlock(1, .exclusive, on: 1)])
        #expect(script.request(2) == [])
        #expect(script.unlocked() == [.released(1), .tryLock(1, .exclusive)])
    }

    @Test("a release is answered by what the server says")
    func failedRelease() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.granted()
        _ = script.release(1)
        let failure = Failure(.notHeld, "Not held.")
        #expect(script.unlocked(failure: failure) == [.releaseFailed(1, failure)])
        #expect(script.table.isEmpty)
    }
}
