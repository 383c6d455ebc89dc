import LockCore
import Testing

@Suite("The engine's end")
struct EngineShutdownTests {
    @Test("a shutdown fails the waiting calls, and grants none of them meanwhile", arguments: 0..<20)
    func failsWaitingCalls(run: Int) {
        var script = EngineScript.holding(.shared)
        script.acquire(2, .exclusive)
        for id: RequestID in [3, 4, 5] { script.acquire(id, .shared) }
        let actions = script.on { $0.shutdown(now: $1) }
        #expect(actions == [2, 3, 4, 5].map { .resolve($0, .failed(.closing)) })
        #expect(script.release(1) == [.submit(1, .unlock(1, mode: .shared))])
        #expect(script.answered(1, true) == [.resolve(1, .released), .close(1), .terminated])
    }

    @Test("a shutdown ends at once if nothing was ever asked for")
    func atOnce() {
        var script = EngineScript()
        #expect(script.on { $0.shutdown(now: $1) } == [.terminated])
        #expect(script.on { $0.shutdown(now: $1) } == [])
        #expect(script.on { $0.terminate(now: $1) } == [])
        #expect(script.acquire(1) == [.resolve(1, .failed(.closing))])
        #expect(script.on { $0.checkOut(2, now: $1) } == [.resolve(2, .failed(.closing))])
    }

    @Test("a shutdown does not wait for sessions that are being opened")
    func whileConnecting() {
        var script = EngineScript()
        script.acquire(1)
        #expect(script.on { $0.shutdown(now: $1) } == [.resolve(1, .failed(.closing)), .close(1), .terminated])
        #expect(script.connected(1) == [.close(1)])
    }

    @Test("a shutdown waits until an ended wait is verified to hold nothing")
    func whileWaiting() {
        var script = EngineScript.waiting()
        #expect(
            script.on { $0.shutdown(now: $1) }
                == [.resolve(1, .failed(.closing)), .submit(1, .cancel(2, onlyLockWaits: true))]
        )
        #expect(script.answered(1, true) == [])
        #expect(script.answered(2, failure: .cancelledByServer) == [.submit(2, .releaseAll)])
        #expect(script.answered(2, true) == [.close(2), .close(1), .terminated])
    }

    @Test("a shutdown takes held locks away after the grace period")
    func terminates() {
        var script = EngineScript.holding()
        #expect(script.on { $0.shutdown(now: $1) } == [])
        let actions = script.on { $0.terminate(now: $1) }
        #expect(actions.contains(.close(1)))
        #expect(actions.contains(.lose([1], .closing)))
        #expect(actions.last == .terminated)
        #expect(actions.count { $0 == .terminated } == 1)
        #expect(script.release(1).failures == [1: .notHeld])
    }

    @Test("a shutdown leaves a checked-out session to its transaction until it is given back")
    func checkedOut() {
        var script = EngineScript()
        script.on { $0.checkOut(1, now: $1) }
        #expect(script.connected(1) == [.resolve(1, .checkedOut(1))])
        #expect(script.on { $0.shutdown(now: $1) } == [])
        #expect(script.on { $0.giveBack(1, isClean: true, now: $1) } == [.close(1), .terminated])
    }
}
