import Testing

@testable import LockCore

@Suite("Waits that are renewed because they harm other sessions")
struct EngineRenewalTests {
    /// Request 1 waits on connection 2 for so long that the server is asked about it over connection 1.
    private static func asked() -> EngineScript {
        var script = EngineScript(maximumConnections: 8) { $0.lookInterval = .seconds(1) }
        script.acquire(1)
        script.connected(1)
        script.answered(1, false)
        script.connected(2)
        #expect(script.pass(.seconds(1)) == [.submit(1, .look([.init(2)]))])
        return script
    }

    /// The same, and the wait was found to hold up others, and has been cancelled.
    private static func cancelled() -> EngineScript {
        var script = asked()
        #expect(script.answered(1, true, true) == [.submit(1, .cancel(2, onlyLockWaits: true))])
        script.answered(1, true)
        return script
    }

    @Test("a wait that harms no session goes on, and is asked about again")
    func harmless() {
        var script = Self.asked()
        #expect(script.answered(1, false, false) == [])
        #expect(script.passToNextWake() == [.submit(1, .look([.init(2)]))])
    }

    @Test("an answer for another number of sessions than were asked about is none, and the server is asked again much later")
    func unexpected() {
        for harms in [[], [.init(isDone: true, isBuildWaiting: true), .init(isDone: true, isBuildWaiting: true)]] as [[Engine.Harm]] {
            var script = Self.asked()
            #expect(script.on { $0.answered(1, .looks(harms), now: $1) } == [])
            #expect(script.engine.looks.plannedAt == script.now.advanced(by: .seconds(60)))
        }
    }

    @Test("a harmful wait is ended, verified to have left no lock, and begun anew on its session")
    func renewed() {
        var script = Self.cancelled()
        #expect(script.answered(2, failure: .cancelledByServer) == [.submit(2, .releaseAll)])
        #expect(script.answered(2, true) == [.submit(2, .wait(1, .exclusive, limit: nil))])
        #expect(script.answered(2, true) == [.resolve(1, .granted)])
    }

    @Test("a grant that comes instead of the end of the wait is a grant")
    func granted() {
        var script = Self.cancelled()
        #expect(script.answered(2, true) == [.resolve(1, .granted)])
        #expect(script.release(1) == [.submit(2, .unlock(1))])
        script.answered(2, true)
        #expect(script.isQuiet)
    }

    @Test("a wait that was ended to be begun anew, and whose session is lost then, is asked for anew", arguments: [true, false])
    func sessionLost(isAnswered: Bool) {
        var script = Self.cancelled()
        if isAnswered { script.answered(2, failure: .cancelledByServer) }
        #expect(script.lost(2) == [.close(2), .submit(1, .tryLock(1))])
        script.answered(1, true)
        script.release(1)
        script.answered(1, true)
        #expect(script.isQuiet)
    }

    @Test("a wait that is not wanted any more is not begun anew", arguments: [true, false])
    func unwanted(isAnswered: Bool) {
        var script = Self.cancelled()
        if isAnswered { script.answered(2, failure: .cancelledByServer) }
        #expect(script.cancel(1) == [.resolve(1, .ended(.cancelled))])
        if !isAnswered { #expect(script.answered(2, failure: .cancelledByServer) == [.submit(2, .releaseAll)]) }
        #expect(script.answered(2, true) == [])
        #expect(script.isQuiet)
    }

    @Test("while an index build waits for other sessions, the server is asked again soon")
    func hurried() {
        var script = Self.asked()
        script.answered(1, false, true)
        let began = script.now
        #expect(script.passToNextWake() == [.submit(1, .look([.init(2)]))])
        #expect(began.duration(to: script.now) == .milliseconds(100))
    }

    @Test("an answer that is about an earlier wait of the session renews nothing")
    func late() {
        var script = Self.asked()
        script.answered(2, true)
        #expect(script.release(1) == [.submit(2, .unlock(1))])
        script.answered(2, true)
        #expect(script.answered(1, true, true) == [])
    }

    @Test("when the shared session that was asked about waits is lost, another one is asked")
    func lost() {
        var script = Self.asked()
        script.lost(1)
        for _ in 0..<10 {
            let actions = script.passToNextWake()
            if let id = actions.connecting {
                #expect(script.connected(id) == [.submit(id, .look([.init(2)]))])
                return
            }
        }
        Issue.record("no session is asked")
    }

    @Test("the age of a snapshot counts after a long wait, and more so after a very long one")
    func ages() {
        var script = Self.asked()
        script.answered(1, false, false)
        var ages: [Int32] = [.max]
        while script.now < Duration.seconds(15_000).instant {
            for action in script.pass(.seconds(7)) {
                switch action {
                case .submit(1, .look(let looks)):
                    if ages.last != looks[0].oldestAge { ages.append(looks[0].oldestAge) }
                    script.answered(1, false, false)
                case .submit(1, .askActivity): script.answeredActivity(.active(isHeard: true))
                default: Issue.record("\(action)")
                }
            }
        }
        #expect(ages == [.max, 1_000_000, 1])
    }

    @Test("a harmful wait on a checked-out session is ended with the cause that it is to be begun anew, unless its deadline has come")
    func borrowed() {
        for isCancelled in [false, true] {
            var script = EngineScript { $0.lookInterval = .seconds(1) }
            script.on { $0.checkOut(1, now: $1) }
            script.connected(1)
            script.on { $0.beginStatement(2, on: 1, renewals: 0, now: $1) }
            #expect(script.pass(.seconds(1)).connecting == 2)
            #expect(script.connected(2) == [.submit(2, .look([.init(1)]))])
            #expect(script.answered(2, true, false) == [.submit(2, .cancel(1, onlyLockWaits: true))])
            if isCancelled { script.cancel(2) }
            script.answered(2, true)
            #expect(
                script.on { $0.answered(1, .done, now: $1) } == [
                    .resolve(2, .settled(cause: isCancelled ? .cancelled : .renewed))
                ]
            )
        }
    }

    @Test(
        "a checked-out session whose wait is renewed stays when the shared session is lost, and is not checked out again"
    )
    func cancelLost() {
        var script = EngineScript { $0.lookInterval = .seconds(1) }
        script.on { $0.checkOut(1, now: $1) }
        script.connected(1)
        script.on { $0.beginStatement(2, on: 1, lockWait: 7, renewals: 0, now: $1) }
        script.pass(.seconds(1))
        script.connected(2)
        #expect(script.answered(2, true, false) == [.submit(2, .cancel(1, onlyLockWaits: true))])
        #expect(script.lost(2) == [.close(2)])
        #expect(script.on { $0.answered(1, .done, now: $1) } == [.resolve(2, .settled(cause: .renewed))])
        #expect(script.on { $0.giveBack(1, isClean: true, now: $1) } == [.close(1)])
    }
}

extension EngineRenewalTests {
    /// Twenty processes ask for the lock again as soon as they have had it, on a server where 5,000 transactions begin per second. Only
    /// one of them can have too old a snapshot; the others never give up their positions.
    @Test("a wait that is renewed by age gets its lock in a closed loop of 20 processes", arguments: [5, 60, 600])
    func closedLoop(hold: Int) {
        var script = Self.asked()
        var since = Instant(nanoseconds: 0)
        var turn = since.advanced(by: .seconds(20 * hold))
        script.answered(1, false, false)
        while let wake = script.wake, wake < turn, script.now < Duration.seconds(100_000).instant {
            for action in script.passToNextWake() {
                switch action {
                case .submit(1, .look(let looks)):
                    let isOld = since.duration(to: script.now) / .seconds(1) * 5000 >= Double(looks[0].oldestAge)
                    guard script.answered(1, isOld, false).contains(.submit(1, .cancel(2, onlyLockWaits: true))) else { continue }
                    script.answered(1, true)
                    script.answered(2, failure: .cancelledByServer)
                    #expect(script.answered(2, true) == [.submit(2, .wait(1, .exclusive, limit: nil))])
                    since = script.now
                    turn = since.advanced(by: .seconds(20 * hold))
                case .submit(1, .askActivity): script.answeredActivity(.active(isHeard: true))
                default: Issue.record("\(action)")
                }
            }
        }
        #expect(turn <= Duration.seconds(50 * hold).instant, "it has waited for two and a half rounds")
        script.pass(script.now.duration(to: turn))
        #expect(script.answered(2, true) == [.resolve(1, .granted)])
    }

    @Test(
        "an answered wait on a checked-out session whose renewal is unanswered ends by a cancellation that comes then"
    )
    func cancelledLate() {
        var script = EngineScript { $0.lookInterval = .seconds(1) }
        script.on { $0.checkOut(1, now: $1) }
        script.connected(1)
        script.on { $0.beginStatement(2, on: 1, renewals: 0, now: $1) }
        script.pass(.seconds(1))
        script.connected(2)
        #expect(script.answered(2, true, false) == [.submit(2, .cancel(1, onlyLockWaits: true))])
        #expect(script.on { $0.answered(1, .done, now: $1) } == [])
        #expect(script.cancel(2) == [])
        #expect(script.answered(2, true) == [.resolve(2, .settled(cause: .cancelled))])
    }
}

extension Engine.Look {
    fileprivate init(_ connection: ConnectionID) {
        self.init(connection: connection, oldestAge: .max)
    }
}
