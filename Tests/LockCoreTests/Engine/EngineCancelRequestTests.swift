import LockCore
import Testing

@Suite("Cancel requests for waits at the server")
struct EngineCancelRequestTests {
    @Test("a cancel request is repeated until the waiting session answers, and then it is verified that the session holds nothing")
    func repeated() {
        var script = EngineScript.waiting()
        #expect(
            script.cancel(1) == [.resolve(1, .ended(.cancelled)), .submit(1, .cancel(2, onlyLockWaits: true))]
        )
        #expect(script.answered(1) == [])
        #expect(script.passToNextWake() == [.submit(1, .cancel(2, onlyLockWaits: true))])
        // The waiting session is sent nothing while a cancel request for it is under way, since that could strike it.
        #expect(script.answered(2, failure: .cancelledByServer) == [])
        #expect(script.answered(1, true) == [.submit(2, .releaseAll)])
        #expect(script.answered(2, true) == [])
        #expect(script.isQuiet)
    }

    @Test("a lock that is granted in the moment of its cancel request is released")
    func grantedAllTheSame() {
        var script = EngineScript.waiting()
        script.cancel(1)
        #expect(script.answered(2, true) == [])
        #expect(script.answered(1, false) == [.submit(2, .unlock(1))])
    }

    @Test("a cancel request goes out of band when the shared session may not send it")
    func forbidden() {
        var script = EngineScript.waiting()
        script.cancel(1)
        script.answered(1, failure: Failure(.statement, "permission denied", sqlState: "42501"))
        #expect(script.passToNextWake() == [.cancelOutOfBand(2)])
    }

    @Test("a cancel request goes out of band when the shared session is lost")
    func sharedSessionLost() {
        var script = EngineScript.waiting()
        script.cancel(1)
        #expect(script.lost(1) == [.close(1)])
        #expect(script.passToNextWake() == [.cancelOutOfBand(2)])
        #expect(script.answered(2, failure: .cancelledByServer) == [])
        #expect(script.on { $0.cancelledOutOfBand(2, now: $1) } == [.submit(2, .releaseAll)])
    }

    @Test("a session that does not answer a cancel request is closed, which is logged")
    func logged() {
        var script = EngineScript.waiting()
        script.cancel(1)
        script.answered(1)
        script.now = script.now.advanced(by: .seconds(30))
        script.engine.advance(to: script.now)
        let actions = script.engine.takeActions()
        #expect(actions.contains { if case .log(.connectionLost(2, .waiting, _, holders: _)) = $0 { true } else { false } })
    }

    @Test("cancel requests never become a flood, and in the end the session is closed")
    func pauses() {
        var script = EngineScript.waiting()
        script.cancel(1)
        let began = script.now
        var rounds = 0
        script.answered(1)
        while true {
            let actions = script.passToNextWake()
            if actions.contains(.close(2)) { break }
            for action in actions {
                switch action {
                case .submit(1, .cancel(2, onlyLockWaits: true)): script.answered(1)
                case .cancelOutOfBand(2): script.on { $0.cancelledOutOfBand(2, now: $1) }
                default: Issue.record("\(action)")
                }
                rounds += 1
            }
            guard rounds < 1000 else {
                Issue.record("\(rounds) cancels in \(began.duration(to: script.now))")
                return
            }
        }
        #expect(began.duration(to: script.now) == .seconds(30))
        #expect(rounds > 100)
    }
}
