import LockCore
import Testing

@Suite("What the server says of a session when it is asked over another one")
struct EngineBackendActivityTests {
    /// The session 1 is shared, and holds a lock of the request 1. The session 2 is checked out by the call 9, and the transaction of the
    /// request 10, which waits for the key 7, is to run on it.
    private static func script() -> EngineScript {
        var script = EngineScript { $0.lease = .seconds(30) }
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        script.acquire(10, .exclusive, 7, scope: .transaction)
        script.on { $0.checkOut(9, now: $1) }
        script.connected(2)
        return script
    }

    @Test("an active session says nothing about a statement that was sent after the question")
    func laterStatement() {
        var script = Self.script()
        script.on { $0.beginStatement(20, on: 2, now: $1) }
        #expect(script.pass(.seconds(10)) == [.submit(1, .heartbeat)])
        #expect(script.answered(1).contains(.submit(1, .askActivity(2))))
        // The answer to this question is on its way when another statement begins, which may wait for the key 7.
        script.pass(.milliseconds(1))
        #expect(script.on { $0.answered(2, .done, now: $1) }.contains(.resolve(20, .settled(cause: nil))))
        script.on { $0.beginStatement(21, on: 2, lockWait: 7, now: $1) }
        script.acquire(11, .exclusive, 7, within: .milliseconds(500))
        script.answeredActivity(.active(isHeard: true))
        var outcome: Engine.Outcome?
        for _ in 0..<100 where outcome == nil {
            for case .resolve(11, let end) in script.passToNextWake() { outcome = end }
        }
        #expect(outcome == .ended(.timedOut(.unanswered)), "The server has not said that the key 7 is taken.")
    }

    @Test("where the server hides what sessions do, a lock is called taken only if the server has said so of that lock before")
    func hiddenWait() {
        for wasTaken in [false, true] {
            var script = Self.script()
            script.on { $0.beginStatement(20, on: 2, lockWait: 7, now: $1) }
            for (request, activity) in [(11, wasTaken ? .active(isHeard: true) : .hidden), (12, .hidden)]
                as [(RequestID, Engine.BackendActivity)]
            {
                script.pass(.milliseconds(10))
                script.acquire(request, .exclusive, 7, within: .milliseconds(50))
                let asked = script.passToNextWake()
                #expect(asked.contains(.submit(1, .askActivity(2, forDeadline: true))), "\(asked)")
                script.pass(.milliseconds(1))
                script.answeredActivity(activity)
                let outcome = script.pass(.milliseconds(49))
                #expect(outcome.contains(.resolve(request, .ended(.timedOut(wasTaken ? nil : .unanswered)))), "\(outcome)")
            }
        }
    }

    @Test("a hidden answer says nothing of a statement that began after the question")
    func hiddenLaterStatement() {
        var script = Self.script()
        script.on { $0.beginStatement(20, on: 2, lockWait: 7, now: $1) }
        script.pass(.milliseconds(10))
        // The key was taken once.
        script.acquire(11, .exclusive, 7, within: .milliseconds(50))
        script.passToNextWake()
        script.pass(.milliseconds(1))
        script.answeredActivity(.active(isHeard: true))
        script.pass(.milliseconds(59))
        script.acquire(12, .exclusive, 7, within: .milliseconds(50))
        let asked = script.passToNextWake()
        #expect(asked.contains(.submit(1, .askActivity(2, forDeadline: true))), "\(asked)")
        script.pass(.milliseconds(1))
        script.on { $0.answered(2, .done, now: $1) }
        script.on { $0.beginStatement(21, on: 2, lockWait: 7, now: $1) }
        script.answeredActivity(.hidden)
        let outcome = script.pass(.milliseconds(49))
        #expect(outcome.contains(.resolve(12, .ended(.timedOut(.unanswered)))), "\(outcome)")
    }

    @Test("a harmful wait is no reason to end a later wait of the session, which began after the question")
    func laterWait() {
        for isLater in [true, false] {
            var script = EngineScript { $0.lookInterval = .seconds(1) }
            script.on { $0.checkOut(9, now: $1) }
            script.connected(1)
            script.on { $0.beginStatement(20, on: 1, lockWait: 7, renewals: 0, now: $1) }
            script.pass(.seconds(1))
            #expect(script.connected(2) == [.submit(2, .look([.init(connection: 1, oldestAge: .max)]))])
            script.pass(.milliseconds(1))
            if isLater {
                #expect(script.on { $0.answered(1, .done, now: $1) } == [.resolve(20, .settled(cause: nil))])
                script.on { $0.beginStatement(21, on: 1, lockWait: 8, renewals: 0, now: $1) }
            }
            #expect(script.answered(2, true, false) == (isLater ? [] : [.submit(2, .cancel(1, onlyLockWaits: true))]))
        }
    }
}
