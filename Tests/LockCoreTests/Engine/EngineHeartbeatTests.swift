import LockCore
import Testing

@Suite("Heartbeats")
struct EngineHeartbeatTests {
    @Test("a silent shared session that holds something is asked for heartbeats repeatedly")
    func sharedSession() {
        var script = EngineScript.holding()
        #expect(script.pass(.seconds(9)) == [])
        #expect(script.passToNextWake() == [.submit(1, .heartbeat)])
        #expect(script.now == Instant(nanoseconds: 10_000_000_000))
        script.answered(1)
        #expect(script.passToNextWake() == [.submit(1, .heartbeat)])
        script.answered(1)
        script.release(1)
        script.answered(1, true)
        #expect(script.pass(.seconds(30)) == [], "nothing is held any more")
    }

    @Test("a holding session is asked for heartbeats, and about a waiting session the server is asked over the shared session")
    func holder() {
        var script = EngineScript.waiting()
        #expect(script.pass(.seconds(10)) == [.submit(1, .askActivity(2))])
        script.answeredActivity(.active(isHeard: true))
        script.answered(2, true)
        #expect(script.pass(.seconds(10)) == [.submit(2, .heartbeat)])
    }

    @Test("a wait that has ended at the server without an answer is given up and begins anew")
    func swallowedAnswer() {
        var script = EngineScript.waiting()
        script.pass(.seconds(10))
        script.answeredActivity(.active(isHeard: true))
        script.pass(.seconds(10))
        script.answeredActivity(.quiet)
        // It may be on its way still.
        #expect(!script.pass(.seconds(29)).contains(.close(2)))
        script.answeredActivity(.quiet)
        let actions = script.pass(.seconds(1))
        #expect(actions.contains(.close(2)))
        #expect(actions.failures.isEmpty, "waiting calls are not told")
        script.answered(1, false)
        #expect(script.pass(.seconds(1)).connecting == 3)
        script.connected(3)
        // Polled meanwhile.
        #expect(script.answered(1, false) == [.submit(3, .wait(1, .exclusive, limit: nil))])
    }

    @Test("a wait that reaches the server late, or that the server hides, is not given up")
    func invisibleWait() {
        var script = EngineScript.waiting()
        for _ in 0..<20 {
            #expect(script.pass(.seconds(10)) == [.submit(1, .askActivity(2))])
            #expect(script.answeredActivity(.hidden) == [])
        }
        var slow = EngineScript.waiting()
        for isSeen in [true, false, true, true, true, true, true] {
            slow.pass(.seconds(10))
            slow.answeredActivity(isSeen ? .active(isHeard: true) : .quiet)
        }
        #expect(slow.pass(.seconds(1)) == [])
    }

    @Test("a missing heartbeat ends the session and its locks")
    func silence() {
        var script = EngineScript.holding()
        script.pass(.seconds(10))
        let actions = script.passToNextWake()
        #expect(actions.first == .close(1))
        guard case .lose([1], let failure) = actions.last else { return #expect(Bool(false), "the lock is lost") }
        #expect(failure.kind == .noAnswer)
    }

    @Test("heartbeats don't delay a release")
    func release() {
        var script = EngineScript.holding()
        script.pass(.seconds(10))
        #expect(script.release(1) == [])
        #expect(script.answered(1) == [.submit(1, .unlock(1))])
    }

    @Test("heartbeats don't limit a wait that is sent behind them")
    func waitBehindHeartbeat() {
        var script = EngineScript {
            $0.lease = .seconds(10)
            $0.heartbeatInterval = .seconds(3)
        }
        script.acquire(1)
        script.connected(1)
        script.answered(1, false)
        script.connected(2)
        script.answered(2, true)
        script.release(1)
        script.answered(2, true)
        #expect(script.pass(.seconds(3)) == [.submit(1, .heartbeat), .submit(2, .heartbeat)])
        script.answered(1)
        script.acquire(2)
        #expect(script.answered(1, false) == [.submit(2, .wait(1, .exclusive, limit: nil))])
        script.answered(2)
        #expect(!script.pass(.seconds(60)).contains(.close(2)))
    }
}
