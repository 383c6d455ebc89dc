import LockCore
import Testing

@Suite("What a call is told at its deadline")
struct EngineDeadlineTests {
    /// Lets time pass until the call ends.
    ///
    /// - Parameter answering: Whether connection 1 answers heartbeats.
    private static func end(of id: RequestID, _ script: inout EngineScript, answering: Bool) -> Engine.Outcome? {
        for _ in 0..<1000 {
            var actions = script.passToNextWake()
            if answering, actions.contains(.submit(1, .heartbeat)) { actions += script.answered(1) }
            if answering, actions.contains(where: { if case .submit(1, .askActivity) = $0 { true } else { false } }) {
                actions += script.answeredActivity(.active(isHeard: true))
            }
            for case .resolve(id, let outcome) in actions { return outcome }
        }
        return nil
    }

    private static let taken = Engine.Outcome.ended(.timedOut(nil))
    private static let unknown = Engine.Outcome.ended(.timedOut(.unanswered))

    @Test("a lock that the server has refused to the call is taken, whatever the server says afterwards")
    func refused() {
        var script = EngineScript.waiting()
        script.acquire(2, within: .seconds(1))
        #expect(Self.end(of: 2, &script, answering: true) == Self.taken)
        var first = EngineScript()
        first.acquire(1, within: .seconds(1))
        first.connected(1)
        first.answered(1, false)
        first.connected(2)
        #expect(Self.end(of: 1, &first, answering: false) == Self.taken)
    }

    @Test("a lock of which a silent server has said nothing is not reported as taken, also not to the calls behind the first one")
    func silent() {
        var script = EngineScript()
        script.acquire(1, within: .seconds(5))
        script.connected(1)
        script.acquire(2, within: .seconds(1))
        script.acquire(3, .shared, within: .seconds(2))
        #expect(Self.end(of: 2, &script, answering: false) == Self.unknown)
        #expect(Self.end(of: 3, &script, answering: false) == Self.unknown)
        #expect(Self.end(of: 1, &script, answering: false) == Self.unknown)
    }

    @Test(
        "a call that joins a long wait learns that the lock is taken only if the server has said since then that the wait lasts",
        arguments: [true, false]
    )
    func joining(isAlive: Bool) {
        var script = EngineScript.waiting()
        script.pass(.seconds(5))
        script.acquire(2, within: .seconds(20))
        #expect(Self.end(of: 2, &script, answering: isAlive) == (isAlive ? Self.taken : Self.unknown))
    }

    @Test("a short call that joins a long wait has the server asked at once")
    func joiningBriefly() {
        var script = EngineScript.waiting()
        script.pass(.seconds(5))
        script.acquire(2, within: .milliseconds(50))
        #expect(script.passToNextWake() == [.submit(1, .askActivity(2, forDeadline: true))])
        script.answeredActivity(.active(isHeard: true))
        #expect(script.pass(.milliseconds(50)) == [.resolve(2, Self.taken)])
    }

    @Test("a lock that this process holds is taken, however silent the server is")
    func heldHere() {
        var script = EngineScript.holding()
        script.acquire(2, within: .seconds(1))
        script.acquire(3, within: .seconds(1), key: 1, scope: .transaction)
        #expect(Self.end(of: 2, &script, answering: false) == Self.taken)
        // Also if it was let go of meanwhile, and not handed on.
        var released = EngineScript(maximumConnections: 8) { $0.handoff = HandoffLimit(count: 0, duration: .zero) }
        released.acquire(1)
        released.connected(1)
        released.answered(1, true)
        released.acquire(2, within: .seconds(1))
        released.release(1)
        #expect(Self.end(of: 2, &released, answering: false) == Self.taken)
    }

    @Test("behind a transaction, a lock is taken if the server has granted it, or says that the transaction waits")
    func transactions() {
        var script = EngineScript.holding()
        script.on { $0.checkOut(9, now: $1) }
        script.connected(2)
        script.acquire(10, .exclusive, 7, scope: .transaction)
        script.acquire(11, within: .seconds(1), key: 7)
        #expect(Self.end(of: 11, &script, answering: true) == Self.unknown, "It has not even asked.")
        script.on { $0.beginStatement(20, on: 2, lockWait: 7, now: $1) }
        script.pass(.milliseconds(1))
        script.acquire(12, within: .seconds(1), key: 7)
        #expect(Self.end(of: 12, &script, answering: true) == Self.taken)
        script.acquire(13, within: .seconds(1), key: 7)
        #expect(Self.end(of: 13, &script, answering: false) == Self.unknown)
        script.on { $0.answered(2, .done, now: $1) }
        script.on { engine, _ in engine.transactionGranted(10) }
        script.acquire(14, within: .seconds(1), key: 7)
        #expect(Self.end(of: 14, &script, answering: false) == Self.taken)
    }

    @Test("a lock that was granted, but not confirmed in time, is not called taken")
    func unconfirmed() {
        var script = EngineScript { $0.lease = .seconds(10) }
        script.acquire(1, within: .seconds(9))
        script.connected(1)
        script.pass(.seconds(8))
        script.answered(1, true)
        #expect(Self.end(of: 1, &script, answering: false) == Self.unknown)
    }

    // MARK: Asking the server

    /// Request 10 has the turn of the key 7 for a transaction; connection 1 is there for questions.
    private static func turn() -> EngineScript {
        var script = EngineScript.holding()
        script.acquire(10, .exclusive, 7, scope: .transaction)
        return script
    }

    /// Lets time pass until the call ends.
    ///
    /// - Parameter answer: Answers what connection 1 is asked about another one.
    /// - Returns: How the call has ended, and when that was asked.
    private static func end(
        of id: RequestID,
        _ script: inout EngineScript,
        answer: (inout EngineScript) -> [Engine.Action]
    ) -> (outcome: Engine.Outcome?, questions: [Instant]) {
        var questions: [Instant] = []
        for _ in 0..<1000 {
            var actions = script.passToNextWake()[...]
            while let action = actions.popFirst() {
                switch action {
                case .submit(1, .heartbeat):
                    actions += script.answered(1)
                case .submit(1, .askActivity):
                    questions.append(script.now)
                    actions += answer(&script)
                case .resolve(id, let outcome):
                    return (outcome, questions)
                default:
                    break
                }
            }
        }
        return (nil, questions)
    }

    @Test("a call learns that a lock is taken also from a transaction that has begun to wait for it after the call")
    func joiningBeforeTheWait() {
        var script = Self.turn()
        script.acquire(11, within: .seconds(1), key: 7, scope: .transaction)
        script.on { $0.checkOut(9, now: $1) }
        script.pass(.milliseconds(50))
        script.connected(2)
        script.on { $0.beginStatement(20, on: 2, lockWait: 7, now: $1) }
        let (outcome, questions) = Self.end(of: 11, &script) { $0.answeredActivity(.active(isHeard: true)) }
        #expect(outcome == Self.taken)
        #expect(questions.count == 1, "That was enough: \(questions)")
    }

    @Test("a call that comes while the lock is released, and queues behind other calls, learns that it is taken once those wait for it")
    func joiningAnUnlock() {
        var script = EngineScript { $0.handoff = HandoffLimit(count: 0, duration: .zero) }
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        script.acquire(2)
        #expect(script.release(1) == [.submit(1, .unlock(1))])
        script.pass(.milliseconds(1))
        script.acquire(3, within: .milliseconds(1500))
        script.passToNextWake()
        script.answered(1, true)
        script.answered(1, false)
        script.connected(2)
        let (outcome, _) = Self.end(of: 3, &script) { $0.answeredActivity(.active(isHeard: true)) }
        #expect(outcome == Self.taken)
    }

    @Test("a question that fails is repeated, not in a flood, and calls with later deadlines are not forgotten for it")
    func repeated() {
        var script = EngineScript.waiting()
        script.pass(.seconds(5))
        script.acquire(2, within: .milliseconds(350))
        script.acquire(3, within: .seconds(20))
        let (early, questions) = Self.end(of: 2, &script) { $0.answered(1, failure: Failure(.statement, "Out of memory.")) }
        #expect(early == Self.unknown)
        #expect(questions.count == 4, "\(questions)")
        let (late, more) = Self.end(of: 3, &script) { $0.answeredActivity(.hidden) }
        #expect(late == Self.taken)
        #expect(more.count <= 3, "Heartbeats, and one question: \(more)")
    }

    @Test("a cancel request that finds the wait says that the lock is taken, also if the wait is to begin anew")
    func foundByCancel() {
        var script = EngineScript { $0.lookInterval = .seconds(1) }
        script.acquire(1)
        script.connected(1)
        script.answered(1, false)
        script.connected(2)
        script.pass(.seconds(1))
        #expect(script.answered(1, true, false) == [.submit(1, .cancel(2, onlyLockWaits: true))])
        script.pass(.milliseconds(1))
        script.acquire(2, within: .milliseconds(20))
        script.answered(2, failure: .cancelledByServer)
        script.answered(1, true)
        let (outcome, _) = Self.end(of: 2, &script) { _ in [] }
        #expect(outcome == Self.taken)
    }

    @Test("a question that has overtaken the wait does not make a session that answers count as dead")
    func overtaken() {
        var script = EngineScript { $0.responseTimeout = .seconds(5) }
        script.acquire(1)
        script.connected(1)
        script.answered(1, false)
        script.connected(2)
        script.pass(.milliseconds(1))
        script.acquire(2, within: .milliseconds(1500))
        let (outcome, questions) = Self.end(of: 2, &script) { $0.answeredActivity(.quiet) }
        #expect(outcome == Self.unknown)
        #expect(questions.count > 10, "It is asked again.")
        for _ in 0..<20 {
            let actions = script.pass(.seconds(1))
            #expect(!actions.contains(.close(2)))
            if actions.contains(.submit(1, .askActivity(2))) { script.answeredActivity(.active(isHeard: true)) }
        }
    }

    @Test("where one session can't ask about another one, none is opened for that, and waits are cancelled out of band")
    func noOtherSessions() {
        var script = EngineScript { $0.hasSharedSession = false }
        script.on { $0.checkOut(9, now: $1) }
        script.connected(1)
        script.acquire(10, .exclusive, 7, scope: .transaction)
        script.on { $0.beginStatement(20, on: 1, deadline: Duration.seconds(6).instant, lockWait: 7, renewals: 0, now: $1) }
        script.acquire(11, within: .seconds(5), key: 7, scope: .transaction)
        var all: [Engine.Action] = []
        for _ in 0..<20 { all += script.passToNextWake() }
        #expect(all.connecting == nil)
        #expect(all.prefix(2) == [.resolve(11, Self.unknown), .cancelOutOfBand(1)])
    }

    @Test("a lock that was refused to the same caller just before is taken, also if nothing is heard of it any more")
    func refusedBefore() {
        for isRefused in [true, false] {
            var script = EngineScript.holding()
            let deadline = Duration.seconds(1).instant
            let request = LockTable.Request(7, .exclusive, deadline: deadline)
            script.on { $0.acquire(11, request, deadline: deadline, isRefusedBefore: isRefused, now: $1) }
            #expect(Self.end(of: 11, &script, answering: false) == (isRefused ? Self.taken : Self.unknown))
        }
    }

    @Test("a lock that the server has released with a failed transaction is not called taken because of it")
    func released() {
        var script = Self.turn()
        script.on { engine, _ in engine.transactionGranted(10) }
        script.acquire(11, within: .seconds(2), key: 7)
        script.on { $0.transactionReleased(10, now: $1) }
        script.pass(.milliseconds(1))
        script.acquire(12, within: .seconds(1), key: 7)
        #expect(Self.end(of: 12, &script, answering: true) == Self.unknown)
        #expect(Self.end(of: 11, &script, answering: true) == Self.taken, "It was, when the call came.")
    }

    // MARK: Slots

    @Test("a check-out fails by a full pool only if the pool is full, and by connecting only if it has waited for that")
    func slots() {
        // Of three slots the shared session has one, and waits may have one.
        var script = EngineScript(maximumConnections: 3)
        script.on { $0.checkOut(1, now: $1) }
        script.on { $0.checkOut(2, deadline: Duration.milliseconds(100).instant, now: $1) }
        script.connected(1)
        // The shared session is being made meanwhile, which has nothing to do with it.
        script.acquire(3)
        #expect(Self.end(of: 2, &script, answering: false) == .ended(.timedOut(nil)))
        var other = EngineScript(maximumConnections: 3)
        other.on { $0.checkOut(1, deadline: Duration.milliseconds(100).instant, now: $1) }
        #expect(Self.end(of: 1, &other, answering: false) == .ended(.timedOut(.stillConnecting)))
    }
}

extension EngineScript {
    /// As ``acquire(_:_:_:scope:noWait:within:)``, with the key named.
    @discardableResult
    fileprivate mutating func acquire(
        _ id: RequestID,
        within limit: Duration,
        key: AdvisoryKey,
        scope: LockTable.Scope = .session
    ) -> [Engine.Action] {
        acquire(id, .exclusive, key, scope: scope, within: limit)
    }
}
