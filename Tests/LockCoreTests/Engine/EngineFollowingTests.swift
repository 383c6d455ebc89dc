import LockCore
import Testing

@Suite("The engine's statements behind an unlock that is not answered")
struct EngineFollowingTests {
    /// Request 1 holds the key 1, and its release is on its way.
    private static func unlocking(isAwaited: Bool = true) -> EngineScript {
        var script = EngineScript.holding()
        #expect(script.release(1, isAwaited: isAwaited) == [.submit(1, .unlock(1))])
        return script
    }

    @Test("the try of one key goes out behind the unlock of one key, and both are answered in order")
    func following() {
        var script = Self.unlocking()
        #expect(script.acquire(2, .exclusive, 2) == [.submit(1, .tryLock(2))])
        #expect(script.answered(1, true) == [.resolve(1, .released)])
        #expect(script.answered(1, true) == [.resolve(2, .granted)])
    }

    @Test("no third statement goes out before the first one is answered")
    func noThird() {
        var script = Self.unlocking()
        script.acquire(2, .exclusive, 2)
        #expect(script.acquire(3, .exclusive, 3) == [])
        #expect(script.answered(1, true) == [.resolve(1, .released)])
        #expect(script.answered(1, true) == [.resolve(2, .granted), .submit(1, .tryLock(3))])
    }

    @Test("several keys are not tried behind an unlock, since one statement for all costs less later")
    func several() {
        var script = Self.unlocking()
        let actions = script.on { engine, now in
            for number: UInt64 in 2...3 {
                engine.acquire(RequestID(number), LockTable.Request(AdvisoryKey(Int64(number)), .exclusive), now: now)
            }
        }
        #expect(actions == [])
        #expect(script.answered(1, true) == [.resolve(1, .released), .submit(1, .tryLock(2, 3))])
    }

    @Test("nothing goes out behind a try, or behind the unlock of several keys")
    func behindOthers() {
        var script = EngineScript.holding()
        script.acquire(2, .exclusive, 2)
        #expect(script.acquire(3, .exclusive, 3) == [])
        script.answered(1, true)
        script.answered(1, true)
        script.on { engine, now in
            engine.release(1, now: now)
            engine.release(2, now: now)
        }
        #expect(script.acquire(4, .exclusive, 4) == [])
    }

    @Test("the key that is being released is tried only once it is released, so that other processes have their turn")
    func sameKey() {
        var script = Self.unlocking()
        #expect(script.acquire(2) == [])
        #expect(script.answered(1, true) == [.resolve(1, .released), .submit(1, .tryLock(1))])
    }

    @Test("a try behind an unlock that finds nothing held is asked for anew on the next session")
    func failedUnlock() {
        var script = Self.unlocking()
        script.acquire(2, .exclusive, 2)
        let actions = script.answered(1, false)
        #expect(actions.failures[1] == .notHeld)
        #expect(actions.contains(.close(1)))
        #expect(script.passToNextWake() == [.connect(2, .shared)])
        #expect(script.connected(2) == [.submit(2, .tryLock(2))])
    }

    @Test("nothing goes out behind an unlock that is silent for too long, but over another session")
    func silent() {
        var script = Self.unlocking()
        script.pass(.seconds(2))
        #expect(script.acquire(2, .exclusive, 2) == [.connect(2, .shared)])
        // Without a second session, the key waits for the first one.
        script.connectFailed(2)
        #expect(script.acquire(3, .exclusive, 3) == [])
    }

    // MARK: Releases that no caller waits for

    @Test("while only a release is under way that no caller waits for, no answer is awaited")
    func notAwaited() {
        var script = Self.unlocking(isAwaited: false)
        #expect(script.lone == nil)
        #expect(!script.isAnswerNeeded)
        script = Self.unlocking()
        #expect(script.lone == 1)
        #expect(script.isAnswerNeeded)
    }

    @Test("a call is the only one that is awaited while a release is under way that no caller waits for")
    func loneBehind() {
        var script = Self.unlocking(isAwaited: false)
        script.acquire(2, .exclusive, 2)
        #expect(script.lone == 1)
        script.answered(1, true)
        #expect(script.lone == 1)
        script.answered(1, true)
        #expect(script.lone == nil)
        #expect(!script.isAnswerNeeded)
        script = Self.unlocking()
        script.acquire(2, .exclusive, 2)
        #expect(script.lone == nil)
    }

    @Test("the answer to the unlock of a lock that was waited for is awaited alone, unless another session owes an answer")
    func loneWaitingSession() {
        var script = EngineScript.waiting()
        #expect(script.lone == nil)
        script.answered(2, true)
        #expect(script.lone == nil)
        #expect(script.release(1) == [.submit(2, .unlock(1))])
        #expect(script.lone == 2)
        script.acquire(2, .exclusive, 2)
        #expect(script.lone == nil)
        script.answered(2, true)
        #expect(script.lone == 1)
    }

    @Test("no answer is awaited alone while a session is being connected")
    func loneBesideConnecting() {
        var script = EngineScript.holding()
        script.acquire(2, .exclusive, 2)
        #expect(script.answered(1, false).connecting == 2)
        script.release(1, isAwaited: false)
        // The call waits for the connection, and not for the answer to the unlock.
        #expect(script.lone == nil)
        script.connected(2)
        #expect(script.lone == nil)
        script.answered(2, true)
        script.release(2)
        script.answered(1, true)
        #expect(script.lone == 2)
    }

    @Test("a release that no caller waits for ends by one outcome, also if its session is lost")
    func ends() {
        var script = Self.unlocking(isAwaited: false)
        #expect(script.answered(1, true) == [.resolve(1, .released)])
        script = Self.unlocking(isAwaited: false)
        #expect(script.lost(1).failures == [1: .connectionLost])
        #expect(script.isQuiet)
    }

    @Test("an answer is needed while the unlock of a release that no caller waits for is not sent, or the manager shuts down")
    func neededAnswer() {
        var script = EngineScript.holding()
        for number: UInt64 in 2...3 {
            script.acquire(RequestID(number), .exclusive, AdvisoryKey(Int64(number)))
            script.answered(1, true)
        }
        for id: RequestID in [1, 2] { script.release(id, isAwaited: false) }
        #expect(!script.isAnswerNeeded)
        #expect(script.release(3, isAwaited: false) == [])
        #expect(script.isAnswerNeeded)
        script.answered(1, true)
        script.answered(1, true)
        #expect(!script.isAnswerNeeded)
        script.on { $0.shutdown(now: $1) }
        #expect(script.isAnswerNeeded)
    }

    @Test("a session is not polled for a release that no caller waits for while the only call waits at the server")
    func notLone() {
        var script = EngineScript.waiting()
        script.acquire(2, .exclusive, 2)
        script.answered(1, true)
        #expect(script.release(2, isAwaited: false) == [.submit(1, .unlock(2))])
        #expect(script.lone == nil)
    }
}
