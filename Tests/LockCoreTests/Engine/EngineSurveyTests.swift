import LockCore
import Testing

@Suite("Other hosts")
struct EngineSurveyTests {
    @Test("other hosts are asked for their timeline at intervals while something is held, and only then")
    func interval() {
        var script = EngineScript { $0.surveyInterval = .seconds(20) }
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        var surveys: [Instant] = []
        while script.now < Duration.seconds(70).instant {
            let actions = script.passToNextWake()
            if actions.contains(.survey) { surveys.append(script.now) }
            if actions.contains(.submit(1, .heartbeat)) { script.answered(1) }
        }
        #expect(surveys == [20, 40, 60].map { Duration.seconds($0).instant })
        script.release(1)
        script.answered(1, true)
        #expect(!script.pass(.seconds(100)).contains(.survey))
    }

    @Test("locks that are held for a moment each do not put off the question to other hosts")
    func moments() {
        var script = EngineScript { $0.surveyInterval = .seconds(20) }
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        var surveys = 0
        for call in UInt64(2)...60 {
            script.release(RequestID(call - 1))
            script.answered(1, true)
            surveys += script.pass(.seconds(1)).count { $0 == .survey }
            script.acquire(RequestID(call))
            script.answered(1, true)
            surveys += script.pass(.milliseconds(1)).count { $0 == .survey }
        }
        #expect(surveys == 2)
    }

    @Test("without a lease, other hosts are asked while a session is checked out, except behind a pooler of transactions")
    func checkedOut() {
        for hasSharedSession in [true, false] {
            var script = EngineScript {
                $0.surveyInterval = .seconds(20)
                $0.hasSharedSession = hasSharedSession
            }
            script.on { $0.checkOut(1, now: $1) }
            script.connected(1)
            #expect(script.pass(.seconds(20)).contains(.survey) == hasSharedSession)
            script.on { $0.giveBack(1, isClean: true, now: $1) }
            #expect(!script.pass(.seconds(20)).contains(.survey))
        }
    }

    @Test("a turn that changes no session leaves the next question to other hosts due at its time")
    func unchanged() {
        var script = EngineScript { $0.surveyInterval = .seconds(1) }
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        let due = script.wake
        #expect(due == Duration.seconds(1).instant)
        script.on { _, _ in }
        #expect(script.wake == due)
    }
}
