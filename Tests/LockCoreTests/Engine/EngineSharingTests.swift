import LockCore
import Testing

@Suite("Waits and check-outs that share the pool")
struct EngineSharingTests {
    /// A pool of two, whose only slot waits for the key 1 and then the key 2, while a check-out wants it.
    private static func shared() -> EngineScript {
        var script = EngineScript.waiting(maximumConnections: 2)
        script.acquire(2, .exclusive, 2)
        script.answered(1, false)
        #expect(script.on { $0.checkOut(3, now: $1) } == [])
        return script
    }

    @Test(
        "waits and check-outs have the only slot in turn, over the same session"
    )
    func inTurn() {
        var script = Self.shared()
        script.on { $0.checkOut(4, now: $1) }
        #expect(script.answered(2, true) == [.resolve(1, .granted)])
        #expect(script.release(1) == [.submit(2, .unlock(1))])
        #expect(script.answered(2, true) == [.convert(2, to: .checkedOut), .resolve(3, .checkedOut(2)), .resolve(1, .released)])
        #expect(
            script.on { $0.giveBack(2, isClean: true, now: $1) }
                == [.convert(2, to: .waiting), .submit(2, .wait(2, .exclusive, limit: nil))]
        )
        script.answered(2, true)
        script.release(2)
        #expect(script.answered(2, true) == [.convert(2, to: .checkedOut), .resolve(4, .checkedOut(2)), .resolve(2, .released)])
    }

    @Test("a long wait gives the only slot to a check-out, and its key is polled")
    func yields() {
        var script = Self.shared()
        var actions: [Engine.Action] = []
        while !actions.contains(.submit(1, .cancel(2, onlyLockWaits: true))), script.now < Duration.seconds(2).instant {
            actions = script.passToNextWake()
            if !actions.keys.isEmpty { script.answered(1, rows: actions.keys.map { _ in false }) }
        }
        #expect(script.now == Duration.milliseconds(500).instant)
        script.answered(1, true)
        #expect(script.answered(2, failure: .cancelledByServer) == [.submit(2, .releaseAll)])
        #expect(script.answered(2, true) == [.convert(2, to: .checkedOut), .resolve(3, .checkedOut(2))])
        var polled: Set<AdvisoryKey> = []
        for _ in 0..<5 { polled.formUnion(script.passToNextWake().keys) }
        #expect(polled == [1, 2])
    }

    @Test("the key of a wait that gives up the only slot is polled, also if no other key is")
    func yieldsAlone() {
        var script = EngineScript.waiting(maximumConnections: 2)
        script.on { $0.checkOut(3, now: $1) }
        #expect(script.pass(.milliseconds(500)) == [.submit(1, .cancel(2, onlyLockWaits: true))])
        script.answered(1, true)
        script.answered(2, failure: .cancelledByServer)
        #expect(script.answered(2, true) == [.convert(2, to: .checkedOut), .resolve(3, .checkedOut(2))])
        #expect(script.passToNextWake() == [.submit(1, .tryLock(1))])
    }

    @Test("a wait keeps the only slot if no check-out wants it any more")
    func callGone() {
        var script = Self.shared()
        script.cancel(3)
        for _ in 0..<20 { #expect(!script.passToNextWake().contains(.submit(1, .cancel(2, onlyLockWaits: true)))) }
    }

    @Test("a connection that a lost cancel may still strike gets no other role")
    func struck() {
        var script = Self.shared()
        script.cancel(1)
        script.lost(1)
        script.answered(2, failure: .cancelledByServer)
        var actions = script.passToNextWake()
        actions += script.on { $0.cancelledOutOfBand(2, now: $1) }
        actions += script.answered(2, true)
        #expect(!actions.contains(.convert(2, to: .checkedOut)))
        #expect(actions.contains(.close(2)))
    }

    @Test("in a full pool, the idle session of an ended wait is checked out at once")
    func convertedAtOnce() {
        var script = EngineScript.waiting(maximumConnections: 4)
        script.acquire(2, .exclusive, 2)
        script.answered(1, false)
        script.connected(3)
        script.answered(3, true)
        script.release(2)
        script.answered(3, true)
        script.on { $0.checkOut(10, now: $1) }
        #expect(script.connected(4) == [.resolve(10, .checkedOut(4))])
        #expect(script.on { $0.checkOut(11, now: $1) } == [.convert(3, to: .checkedOut), .resolve(11, .checkedOut(3))])
    }

    @Test("a task that shares the turn of a transaction at once does not want it")
    func sharedTurn() {
        var script = EngineScript(maximumConnections: 3)
        script.on { $0.checkOut(1, now: $1) }
        script.connected(1)
        script.acquire(2, .shared, scope: .transaction)
        script.on { $0.checkOut(3, turn: (2, Duration.seconds(1).instant), now: $1) }
        #expect(script.acquire(4, .shared, scope: .transaction) == [.resolve(4, .granted)])
        #expect(script.wake == nil)
    }

    @Test("a transaction that waits for a session gives up the turn of a key that other requests want, and keeps an unwanted turn")
    func turns() {
        var script = EngineScript(maximumConnections: 3)
        script.on { $0.checkOut(1, now: $1) }
        script.connected(1)
        #expect(script.acquire(2, scope: .transaction) == [.resolve(2, .granted)])
        script.on { $0.checkOut(3, turn: (2, Duration.seconds(1).instant), now: $1) }
        #expect(script.pass(.seconds(1)) == [])
        script.acquire(4)
        #expect(script.pass(.seconds(1)) == [.resolve(3, .ended(.yielded))])
        #expect(script.on { $0.giveBack(1, isClean: true, now: $1) } == [])
    }

    @Test("of many turns that transactions have without a session, only the wanted ones are looked at")
    func manyTurns() {
        var script = EngineScript(maximumConnections: 3)
        script.on { $0.checkOut(1, now: $1) }
        script.connected(1)
        // Quadratic work would take minutes here.
        for number in 1...UInt64(40_000) {
            let (turn, call) = (RequestID(3 * number), RequestID(3 * number + 1))
            let request = LockTable.Request(AdvisoryKey(Int64(number)), .exclusive, scope: .transaction)
            script.engine.acquire(turn, request, now: script.now)
            script.engine.checkOut(call, turn: (turn, Duration.seconds(1).instant), now: script.now)
            _ = script.engine.endTurn(now: script.now)
        }
        _ = script.engine.takeActions()
        #expect(script.wake == nil, "a turn that no other task wants wakes the engine up")
        for number: UInt64 in [7, 30_000] { script.acquire(RequestID(3 * number + 2), .exclusive, AdvisoryKey(Int64(number))) }
        #expect(script.passToNextWake() == [.resolve(22, .ended(.yielded)), .resolve(90_001, .ended(.yielded))])
        #expect(script.now == Duration.seconds(1).instant)
        #expect(script.wake == nil)
    }

    @Test("a turn that other requests do not want any more is kept until other requests want it again")
    func wantedAgain() {
        var script = EngineScript(maximumConnections: 3)
        script.on { $0.checkOut(1, now: $1) }
        script.connected(1)
        script.acquire(2, scope: .transaction)
        script.acquire(3)
        script.on { $0.checkOut(4, turn: (2, Duration.seconds(1).instant), now: $1) }
        script.cancel(3)
        #expect(script.passToNextWake() == [])
        #expect(script.wake == nil)
        script.acquire(5)
        #expect(script.passToNextWake() == [.resolve(4, .ended(.yielded))])
        #expect(script.now == Duration.seconds(2).instant)
    }
}
