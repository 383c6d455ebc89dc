import LockCore
import Testing

@Suite("A server out of reach")
struct EngineOutageTests {
    @Test("a server out of reach fails callers without a deadline after the connect timeout, and no lock is kept for them")
    func timeout() {
        var script = EngineScript()
        script.acquire(1, .exclusive)
        script.acquire(2, .exclusive, scope: .transaction)
        script.acquire(3, .shared, scope: .transaction)
        var failed: Set<RequestID> = []
        var next: ConnectionID? = 1
        while failed.count < 3, let id = next {
            var actions = script.connectFailed(id)
            actions += script.passToNextWake()
            next = actions.connecting
            while next == nil, failed.count < 3 {
                let more = script.passToNextWake()
                next = more.connecting
                actions += more
            }
            #expect(!actions.contains { if case .resolve(_, .granted) = $0 { true } else { false } })
            failed.formUnion(actions.failures.keys)
        }
        #expect(script.now >= Duration.seconds(10).instant)
        #expect(script.heldKeys.isEmpty)
    }

    @Test("callers with a deadline end in time while the server is out of reach, and are told why")
    func deadline() {
        var script = EngineScript()
        script.acquire(1, within: .seconds(1))
        script.connectFailed(1)
        var outcome: Engine.Outcome?
        while outcome == nil {
            for action in script.passToNextWake() {
                if let id = [action].connecting { script.connectFailed(id) }
                if case .resolve(1, let value) = action { outcome = value }
            }
        }
        #expect(script.now == Duration.seconds(1).instant)
        #expect(outcome == .ended(.timedOut(.unreachable)))
    }

    @Test("calls fail at once when no further attempt to connect can succeed")
    func fatal() {
        var script = EngineScript()
        script.acquire(1)
        #expect(script.connectFailed(1, .wrongPassword) == [.resolve(1, .failed(.wrongPassword))])
        script.on { $0.checkOut(2, now: $1) }
        while true {
            if let id = script.passToNextWake().connecting {
                #expect(script.connectFailed(id, .wrongPassword) == [.resolve(2, .failed(.wrongPassword))])
                return
            }
        }
    }

    @Test("an attempt to connect that is stuck counts as failed at its limit, and a late success is closed")
    func stuckAttempt() {
        var script = EngineScript { $0.connectTimeout = .seconds(1) }
        script.acquire(1)
        script.on { $0.connecting(1, until: $1.advanced(by: .seconds(3)), orElse: .unreachable) }
        var actions: [Engine.Action] = []
        while actions.failures.isEmpty, script.wake != nil { actions += script.passToNextWake() }
        #expect(script.now == Duration.seconds(3).instant)
        #expect(actions.contains(.close(1)))
        #expect(actions.failures == [1: .unreachable])
        #expect(script.connected(1) == [.close(1)])
    }

    @Test("the limit of what came before an attempt's turn does not run on while it waits for its turn")
    func turn() {
        var script = EngineScript { $0.connectTimeout = .seconds(1) }
        script.acquire(1)
        script.on { $0.connecting(1, until: $1.advanced(by: .seconds(3)), orElse: .unreachable) }
        script.on { engine, _ in engine.connecting(1, until: nil) }
        #expect(script.pass(.seconds(60)).isEmpty)
        script.on { $0.connecting(1, until: $1.advanced(by: .seconds(3)), orElse: .unreachable) }
        #expect(script.pass(.seconds(2)).isEmpty)
        #expect(script.pass(.seconds(1)).failures == [1: .unreachable])
    }

    @Test("a caller without a deadline that comes during an outage fails after the connect timeout, whatever attempts are under way")
    func laterTimeout() {
        var script = EngineScript { $0.connectTimeout = .seconds(10) }
        // Has a deadline, so it says nothing of how long the others wait.
        script.acquire(1, within: .seconds(4))
        script.connectFailed(1)
        // The next attempt is stuck.
        while script.passToNextWake().connecting == nil {}
        script.pass(.seconds(2))
        let asked = script.now
        script.acquire(2, .exclusive, 2)
        var failures: [RequestID: Failure.Kind] = [:]
        while failures[2] == nil, script.wake != nil {
            failures.merge(script.passToNextWake().failures) { $1 }
        }
        #expect(failures == [2: .unreachable])
        #expect(script.now == asked.advanced(by: .seconds(10)))
    }

    @Test("a server out of reach is tried again within a second while calls wait")
    func pauses() {
        var script = EngineScript { $0.connectTimeout = .seconds(1000) }
        script.acquire(1)
        var id: ConnectionID? = 1
        for _ in 0..<30 {
            guard let failed = id else { break }
            let began = script.now
            script.connectFailed(failed)
            id = script.passToNextWake().connecting
            #expect(began.duration(to: script.now) <= .seconds(1))
        }
        #expect(id != nil, "a further attempt is made")
    }

    @Test("a server out of reach is tried once more for each caller before its deadline")
    func lateCaller() {
        var script = EngineScript()
        script.acquire(1)
        var id: ConnectionID = 1
        for _ in 0..<10 {
            script.connectFailed(id)
            while true {
                if let next = script.passToNextWake().connecting {
                    id = next
                    break
                }
            }
        }
        // With no waiting call, the next attempt is far off.
        script.cancel(1)
        script.connectFailed(id)
        script.pass(.milliseconds(200))
        let asked = script.now
        script.acquire(2, within: .milliseconds(600))
        var actions: [Engine.Action] = []
        while actions.connecting == nil, script.wake != nil { actions = script.passToNextWake() }
        #expect(asked.duration(to: script.now) < .milliseconds(600))
    }
}
