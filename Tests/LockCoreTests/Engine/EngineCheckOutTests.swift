import LockCore
import Testing

@Suite("Check-outs of sessions")
struct EngineCheckOutTests {
    @Test("calls get sessions in order of arrival, within the limit")
    func order() {
        var script = EngineScript(maximumConnections: 3)
        #expect(script.on { $0.checkOut(1, now: $1) } == [.connect(1, .checkedOut)])
        #expect(script.on { $0.checkOut(2, now: $1) } == [])
        #expect(script.on { $0.checkOut(3, now: $1) } == [])
        #expect(script.connected(1) == [.resolve(1, .checkedOut(1))])
        #expect(script.cancel(2) == [.resolve(2, .ended(.cancelled))])
        #expect(script.on { $0.giveBack(1, isClean: true, now: $1) } == [.resolve(3, .checkedOut(1))])
    }

    @Test("a try waits for a connection that is being made for it, and for no other")
    func trying() {
        var script = EngineScript(maximumConnections: 2)
        #expect(script.on { $0.checkOut(1, noWait: true, now: $1) } == [.connect(1, .checkedOut)])
        #expect(script.on { $0.checkOut(2, noWait: true, now: $1) } == [.resolve(2, .refused)])
        #expect(script.connected(1) == [.resolve(1, .checkedOut(1))])
        #expect(script.on { $0.checkOut(3, noWait: true, now: $1) } == [.resolve(3, .refused)])
        #expect(script.on { $0.giveBack(1, isClean: true, now: $1) } == [])
        #expect(script.on { $0.checkOut(4, noWait: true, now: $1) } == [.resolve(4, .checkedOut(1))])
    }

    @Test("a check-out without waiting that came in an outage is refused after it if other calls have the slots")
    func tryingLater() {
        var script = EngineScript(maximumConnections: 3)
        script.on { $0.checkOut(1, now: $1) }
        script.connectFailed(1)
        #expect(script.on { $0.checkOut(2, noWait: true, now: $1) } == [])
        #expect(script.on { $0.checkOut(3, noWait: true, now: $1) } == [])
        #expect(script.passToNextWake() == [.connect(2, .checkedOut), .resolve(2, .refused), .resolve(3, .refused)])
        #expect(script.connected(2) == [.resolve(1, .checkedOut(2))])
    }

    @Test("a check-out without waiting that came after the loss of a session is refused once the only slot is another call's")
    func tryingAfterLoss() {
        var script = EngineScript.holding(maximumConnections: 3)
        script.on { $0.checkOut(2, now: $1) }
        script.lost(1)
        #expect(script.on { $0.checkOut(3, noWait: true, now: $1) } == [])
        #expect(script.connected(2).filter { $0 == .resolve(2, .checkedOut(2)) || $0 == .resolve(3, .refused) }.count == 2)
    }

    @Test("a call for which a session is being opened at its deadline is not told that all are in use; one behind it is")
    func deadlineWhileConnecting() {
        var script = EngineScript(maximumConnections: 4)
        #expect(script.on { $0.checkOut(1, now: $1) } == [.connect(1, .checkedOut)])
        #expect(script.on { $0.checkOut(2, deadline: Duration.seconds(2).instant, now: $1) } == [.connect(2, .checkedOut)])
        #expect(script.on { $0.checkOut(3, deadline: Duration.seconds(1).instant, now: $1) } == [])
        #expect(script.pass(.seconds(1)) == [.resolve(3, .ended(.timedOut(nil)))])
        #expect(script.pass(.seconds(1)) == [.resolve(2, .ended(.timedOut(.stillConnecting)))])
    }

    @Test("a statement ends after its deadline, once no cancel request can strike the next one")
    func statement() {
        var script = EngineScript()
        script.on { $0.checkOut(1, now: $1) }
        script.connected(1)
        script.on { $0.beginStatement(2, on: 1, deadline: Duration.seconds(1).instant, now: $1) }
        // No shared session is there, so one is opened for it.
        #expect(script.pass(.seconds(1)) == [.connect(2, .shared)])
        #expect(script.connected(2) == [.submit(2, .cancel(1, onlyLockWaits: false))])
        #expect(script.on { $0.answered(1, .done, now: $1) } == [])
        #expect(script.answered(2, true) == [.resolve(2, .settled(cause: .timedOut(nil)))])
    }

    @Test("a cancel request goes out of band if no shared session can be opened, or not soon", arguments: [true, false])
    func outOfBand(isRefused: Bool) {
        var script = EngineScript()
        script.on { $0.checkOut(1, now: $1) }
        script.connected(1)
        script.on { $0.beginStatement(2, on: 1, now: $1) }
        #expect(script.cancel(2) == [.connect(2, .shared)])
        #expect((isRefused ? script.connectFailed(2) : script.pass(.milliseconds(500))) == [.cancelOutOfBand(1)])
        if !isRefused { #expect(script.connected(2) == [], "It is under way.") }
        #expect(script.on { $0.answered(1, .done, now: $1) } == [])
        #expect(script.on { $0.cancelledOutOfBand(1, now: $1) } == [.resolve(2, .settled(cause: .cancelled))])
    }

    @Test("a statement that is answered before its cancel could go out needs none")
    func answeredBefore() {
        var script = EngineScript()
        script.on { $0.checkOut(1, now: $1) }
        script.connected(1)
        script.on { $0.beginStatement(2, on: 1, now: $1) }
        #expect(script.cancel(2) == [.connect(2, .shared)])
        #expect(script.on { $0.answered(1, .done, now: $1) } == [.resolve(2, .settled(cause: .cancelled))])
        #expect(script.connected(2) == [])
        #expect(script.pass(.seconds(1)) == [])
    }

    @Test("a session whose statement is cancelled has a limit for its answer")
    func cancelled() {
        var script = EngineScript { $0.hasSharedSession = false }
        script.on { $0.checkOut(1, now: $1) }
        script.connected(1)
        script.on { $0.beginStatement(2, on: 1, now: $1) }
        _ = script.engine.endTurn(now: script.now)
        script.engine.cancel(2, now: script.now)
        let end = script.engine.endTurn(now: script.now)
        #expect(end.wake == Duration.seconds(30).instant)
    }

    @Test("a session that does not answer in time is closed without a cancel request, and one that has answered is not")
    func unanswered() {
        var script = EngineScript()
        script.on { $0.checkOut(1, now: $1) }
        script.connected(1)
        script.on { $0.beginStatement(2, on: 1, answerBy: Duration.seconds(1).instant, now: $1) }
        #expect(script.on { $0.answered(1, .done, now: $1) } == [.resolve(2, .settled(cause: nil))])
        #expect(script.pass(.seconds(1)) == [])
        script.on { $0.beginStatement(3, on: 1, answerBy: Duration.seconds(2).instant, now: $1) }
        let actions = script.pass(.seconds(1))
        #expect(actions.contains(.close(1)))
        #expect(actions.contains { if case .resolve(3, .failed(let failure)) = $0 { failure.kind == .noAnswer } else { false } })
    }

    @Test("each of several sessions that are closed in one turn has its own reason")
    func ownReasons() {
        var script = EngineScript { $0.lease = .seconds(1) }
        script.on { $0.checkOut(1, now: $1) }
        script.connected(1)
        script.on { $0.checkOut(2, now: $1) }
        script.connected(2)
        script.on { $0.beginStatement(11, on: 1, now: $1) }
        script.on { $0.answered(1, .done, now: $1) }
        script.on { engine, now in _ = engine.guardCheckedOut(1, now: now) }
        script.on { $0.beginStatement(12, on: 2, answerBy: Duration.seconds(1).instant, now: $1) }
        let actions = script.pass(.seconds(1))
        #expect(actions.contains(.endAccess(1, Failure.suspect)))
        #expect(actions.contains { if case .endAccess(2, let failure) = $0 { failure.kind == .noAnswer } else { false } })
    }

    @Test("100,000 callers whose deadlines come while a session is being opened take time that grows only with their number")
    func manyTimedOut() {
        var script = EngineScript(maximumConnections: 3)
        let deadline = Duration.seconds(1).instant
        for id: UInt64 in 1...100_000 { script.engine.checkOut(RequestID(id), deadline: deadline, now: script.now) }
        // Quadratic work would take minutes here.
        let outcomes = script.pass(.seconds(1)).filter { $0 != .connect(1, .checkedOut) }
        #expect(outcomes.count == 100_000)
        #expect(outcomes.first == .resolve(1, .ended(.timedOut(.stillConnecting))))
    }

    @Test("100,000 waiting callers that are cancelled take time that grows only with their number")
    func manyCancelled() {
        var script = EngineScript(maximumConnections: 3)
        script.on { $0.checkOut(0, now: $1) }
        script.connected(1)
        for id: UInt64 in 1...100_000 { script.engine.checkOut(RequestID(id), now: script.now) }
        // Quadratic work would take minutes here, so that no clock is needed to notice it.
        for id: UInt64 in (1...100_000).reversed() { script.engine.cancel(RequestID(id), now: script.now) }
        script.on { _, _ in }
        #expect(script.on { $0.giveBack(1, isClean: true, now: $1) } == [])
        #expect(script.isQuiet)
    }

    @Test("a call that does not wait is not refused when the pause between two attempts is over and a session is opened for it")
    func openedAfterPause() {
        var script = EngineScript()
        #expect(script.on { $0.checkOut(1, noWait: true, now: $1) } == [.connect(1, .checkedOut)])
        script.connectFailed(1)
        let actions = script.passToNextWake()
        #expect(actions.connecting == 2)
        #expect(!actions.contains(.resolve(1, .refused)), "\(actions)")
    }
}
