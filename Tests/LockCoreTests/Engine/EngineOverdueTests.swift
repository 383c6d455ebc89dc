import LockCore
import Testing

@Suite("A session that does not answer")
struct EngineOverdueTests {
    /// Request 1 holds key 1 on connection 1, which has been asked for key 2, and has not answered.
    private static func silent(maximumConnections: Int = 8) -> EngineScript {
        var script = EngineScript.holding(maximumConnections: maximumConnections)
        #expect(script.acquire(2, .exclusive, 2) == [.submit(1, .tryLock(2))])
        #expect(script.acquire(3, .exclusive, 3) == [])
        return script
    }

    @Test("a silent shared session is kept, and new locks are asked for over another one, which is closed when it is not needed any more")
    func replacement() {
        var script = Self.silent()
        #expect(script.passToNextWake() == [.connect(2, .shared)])
        #expect(script.now == Duration.seconds(2).instant)
        #expect(script.connected(2) == [.submit(2, .tryLock(3))])
        #expect(script.answered(2, true) == [.resolve(3, .granted)])
        #expect(script.answered(1, true) == [.resolve(2, .granted)])
        #expect(script.acquire(4, .exclusive, 4) == [.submit(1, .tryLock(4))], "the first one answers again")
        #expect(script.answered(1, true) == [.resolve(4, .granted)])
        #expect(script.release(3) == [.submit(2, .unlock(3))])
        #expect(script.answered(2, true).contains(.close(2)))
        #expect(script.heldKeys.sorted() == [1, 2, 4])
    }

    @Test("a silent shared session that no work waits for is replaced in the turn in which work does")
    func laterNeed() {
        var script = EngineScript.holding()
        script.acquire(2, .exclusive, 2)
        #expect(script.pass(.seconds(3)) == [], "nothing waits for it")
        #expect(script.acquire(3, .exclusive, 3) == [.connect(2, .shared)])
        #expect(script.wake.map { $0 > script.now } == true)
    }

    @Test("a replaced shared session is closed when it answers again and holds nothing any more")
    func retirement() {
        var script = Self.silent()
        script.passToNextWake()
        script.connected(2)
        script.answered(2, true)
        script.answered(1, true)
        for (id, key): (RequestID, AdvisoryKey) in [(1, 1), (2, 2)] {
            #expect(script.release(id) == [.submit(1, .unlock(key))])
            #expect(script.answered(1, true).contains(.close(1)) == (id == 2))
        }
        #expect(script.heldKeys == [3])
        #expect(script.acquire(4, .exclusive, 4) == [.submit(2, .tryLock(4))])
    }

    @Test("a second silent shared session is not replaced")
    func secondSilence() {
        var script = Self.silent()
        script.passToNextWake()
        script.connected(2)
        #expect(script.acquire(4, .exclusive, 4) == [])
        for _ in 0..<3 { #expect(script.pass(.seconds(3)).connecting == nil) }
    }

    @Test("a replaced shared session takes only its own locks along when it is lost, and its replacement asks for what it has not answered")
    func lossOfReplaced() {
        var script = Self.silent()
        script.passToNextWake()
        script.connected(2)
        script.answered(2, true)
        let actions = script.lost(1)
        #expect(actions.contains(.lose([1], .lost)) && !actions.contains(.lose([3], .lost)))
        #expect(actions.contains(.submit(2, .tryLock(2))))
        #expect(script.answered(2, true) == [.resolve(2, .granted)])
        #expect(script.heldKeys.sorted() == [2, 3])
    }

    @Test("a silent shared session is not replaced beyond the pool's limit, and an idle session makes room for the replacement")
    func limit() {
        var script = Self.silent(maximumConnections: 2)
        script.on { $0.checkOut(80, now: $1) }
        script.connected(2)
        #expect(script.pass(.seconds(3)) == [])
        #expect(script.on { $0.giveBack(2, isClean: true, now: $1) } == [.close(2), .connect(3, .shared)])
        #expect(script.connected(3) == [.submit(3, .tryLock(3))])
    }

    @Test("a shared session that answers is not replaced, however much there is to do")
    func busy() {
        var script = EngineScript { $0.batchSize = 1 }
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        script.acquire(2, .exclusive, 2)
        for id in 3..<20 { script.acquire(RequestID(UInt64(id)), .exclusive, AdvisoryKey(integerLiteral: Int64(id))) }
        for _ in 2..<20 {
            #expect(script.pass(.milliseconds(1900)).connecting == nil)
            script.answered(1, true)
        }
        #expect(script.heldKeys.count == 19)
    }

    @Test("a shared session whose lease has run out is replaced at once, before anything is asked for")
    func doubt() {
        var script = EngineScript {
            $0.lease = .seconds(10)
            $0.heartbeatInterval = .seconds(3)
        }
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        #expect(script.pass(.seconds(3)) == [.submit(1, .heartbeat)])
        let actions = script.pass(.seconds(6))
        #expect(actions.contains(.suspect(1, [1], Failure.suspect)))
        #expect(actions.contains(.connect(2, .shared)))
    }

    @Test("releases fail when the lease of their session has run out before or meanwhile")
    func releases() {
        for isAskedBefore in [true, false] {
            var script = EngineScript { $0.lease = .seconds(10) }
            script.acquire(1)
            script.connected(1)
            script.answered(1, true)
            var actions: [Engine.Action] = []
            if isAskedBefore { #expect(script.release(1) == [.submit(1, .unlock(1))]) }
            while script.now < Duration.seconds(9).instant { actions += script.passToNextWake() }
            #expect(script.now == Duration.seconds(9).instant)
            if !isAskedBefore { actions = script.release(1) }
            #expect(actions.failures == [1: .suspect])
        }
    }

    @Test("a silent session that holds nothing is closed soon after the deadline of its statement")
    func deadline() {
        var script = EngineScript.holding()
        script.on { $0.checkOut(80, now: $1) }
        script.connected(2)
        script.on { $0.beginStatement(90, on: 2, deadline: $1.advanced(by: .seconds(5)), now: $1) }
        var actions: [Engine.Action] = []
        while actions.failures.isEmpty { actions = script.passToNextWake() }
        #expect(actions.contains(.close(2)))
        #expect(actions.failures == [90: .noAnswer])
        #expect(script.now == Duration.seconds(15).instant)
    }

    @Test("a silent session counts as lost by the end of the lease, also if answers may take longer")
    func answerLimit() {
        var script = EngineScript { $0.lease = .seconds(5) }
        script.acquire(1)
        script.connected(1)
        var actions: [Engine.Action] = []
        while !actions.contains(.close(1)) { actions = script.passToNextWake() }
        #expect(script.now == Duration.seconds(5).instant)
    }

    @Test("a wait of which nothing is heard is given up when nothing is heard of the server at all")
    func unseenWait() {
        for isHeard in [true, false] {
            var script = EngineScript {
                $0.lease = .seconds(6)
                $0.heartbeatInterval = .seconds(2)
            }
            script.acquire(1)
            script.connected(1)
            script.answered(1, false)
            script.connected(2)
            var isAsked = false
            for _ in 0..<20 where !isAsked {
                let actions = script.passToNextWake()
                isAsked = actions.contains(.submit(1, .askActivity(2)))
                if actions.contains(.submit(1, .heartbeat)) { isAsked = script.answered(1).contains(.submit(1, .askActivity(2))) }
                if actions.contains(.submit(1, .tryLock(1))) { isAsked = script.answered(1, false).contains(.submit(1, .askActivity(2))) }
            }
            #expect(isAsked)
            script.lost(1)
            let asked = script.now
            var isGivenUp = false
            for _ in 0..<200 where asked.duration(to: script.now) < .seconds(20) {
                let actions = script.passToNextWake()
                if let id = actions.connecting { script.connectFailed(id, isHeard ? .tooMany : .unreachable) }
                isGivenUp = isGivenUp || actions.contains(.close(2))
            }
            #expect(isGivenUp == !isHeard)
        }
    }
}

extension Failure {
    fileprivate static let tooMany = Failure(.tooManyConnections, "Sorry.", sqlState: "53300")
}
