import Testing

@testable import LockCore

@Suite("A lock of an explicit session")
struct SessionLockTests {
    typealias Reply = CheckedOutSession.Reply

    @Test("a session lock is tried, and held if it was free", arguments: Mode.allCases)
    func taken(mode: Mode) {
        var script = CheckedOutScript(.session)
        script.lock(1, mode, within: .seconds(3))
        #expect(script.sent == [.tryLock(1, mode)])
        #expect(script.submission?.deadline == Duration.seconds(3).instant)
        script.answer(.row(true))
        #expect(script.outcome == .locked(nil))
        #expect(script.session.holdings == [1: mode])
        #expect(script.takeEvents() == [])
    }

    @Test("a session lock is waited for if it is taken, and what was tried needs no undoing")
    func waits() {
        var script = CheckedOutScript(.session)
        script.lock(1)
        script.answer(.row(false))
        #expect(script.sent == [.setAwaited(1), .wait(.int8, .exclusive)])
        script.answer(.granted)
        #expect(script.outcome == .locked(nil))
    }

    @Test("a refused session lock needs no verification")
    func refused() {
        var script = CheckedOutScript(.session)
        script.lock(1, noWait: true)
        script.answer(.row(false))
        #expect(script.outcome == .refused)
        #expect(script.heldKeys == [])
    }

    @Test(
        "a wait for a session lock that harms other sessions is begun anew: at once if it has reported its end, else after a verification"
    )
    func renewed() {
        var script = CheckedOutScript(.session)
        script.lock(1)
        script.answer(.row(false))
        script.answer(.endedWait, cause: .renewed)
        #expect(script.sent == [.tryLock(1, .exclusive)])
        script.answer(.row(false))
        #expect(script.submission?.renewals == 1)
        script.answer(.failed(.cancelledByServer), cause: .renewed)
        #expect(script.sent == [.unlockAll])
        script.answer()
        #expect(script.sent == [.tryLock(1, .exclusive)])
        script.answer(.row(false))
        #expect(script.submission?.renewals == 2)
    }

    @Test("a session lock that is found held before its wait is begun anew is released first")
    func renewedHeld() {
        var script = CheckedOutScript.session(holding: [2])
        script.lock(1)
        script.answer(.row(false))
        script.answer(.failed(.cancelledByServer), cause: .renewed)
        #expect(script.sent == [.unlock(1)])
        script.answer(.row(true))
        #expect(script.takeEvents() == [.verified(held: true)])
        #expect(script.sent == [.tryLock(1, .exclusive)])
    }

    @Test("a session lock without PL/pgSQL is waited for plainly, after a verification")
    func waitsPlainly() {
        var script = CheckedOutScript(.session)
        script.lock(1)
        script.answer(.row(false))
        script.answer(.failed(.noPrivilege))
        #expect(script.takeEvents() == [.waitsPlainly])
        #expect(script.sent == [.unlockAll])
        script.answer()
        #expect(script.sent == [.lock(1, .exclusive)])
        script.answer()
        #expect(script.outcome == .locked(nil))
    }

    // MARK: Verification

    @Test("after a failure a session that holds nothing and has run no SQL releases all to verify that the lock is not held")
    func verifiedByAll() {
        for (reply, cause, outcome) in TransactionOpeningTests.ends {
            var script = CheckedOutScript(.session)
            script.lock(1)
            script.answer(reply, cause: cause)
            #expect(script.sent == [.unlockAll])
            #expect(script.submission?.isCancellable == false)
            script.answer()
            #expect(script.outcome == outcome)
            #expect(script.takeEvents() == [])
            #expect(!script.isLost)
        }
    }

    @Test(
        "after a failure a session that holds other locks verifies by an unlock of the key that the lock is not held",
        arguments: [true, false]
    )
    func verifiedByUnlock(isHeld: Bool) {
        var script = CheckedOutScript.session(holding: [2])
        script.lock(1, .shared)
        script.answer(.failed(.full))
        #expect(script.sent == [.unlock(1, mode: .shared)])
        script.answer(.row(isHeld))
        #expect(script.outcome == .failed(.full))
        #expect(script.takeEvents() == [.verified(held: isHeld)])
        #expect(script.heldKeys == [2])
        #expect(!script.isLost)
    }

    @Test("after a failure a session whose body may have taken locks by SQL verifies the lock by an unlock of the key")
    func verifiedAfterSQL() {
        var script = CheckedOutScript.session()
        script.pass("SELECT pg_advisory_lock(3)")
        script.lock(AdvisoryKey(1, 2))
        script.answer(.failed(.full))
        #expect(script.sent == [.unlock(AdvisoryKey(1, 2))])
        script.answer(.row(false))
        #expect(script.takeEvents() == [.verified(held: false)])
    }

    @Test("a session lock needs no verification if its wait has reported its end, or its try was refused at the deadline")
    func noVerification() {
        var script = CheckedOutScript(.session)
        script.lock(1)
        script.answer(.row(false))
        script.answer(.endedWait, cause: .cancelled)
        #expect(script.outcome == .ended(.cancelled))
        #expect(script.submission == nil)
        script.lock(1, within: .seconds(1))
        script.now = Duration.seconds(1).instant
        script.answer(.row(false), cause: .timedOut(nil))
        #expect(script.outcome == .ended(.timedOut(nil)))
        #expect(script.submission == nil)
        script.lock(1)
        script.answer(.row(false), cause: .cancelled)
        #expect(script.outcome == .ended(.cancelled))
        #expect(script.submission == nil)
    }

    @Test("a session lock that a cancelled wait has taken all the same is released")
    func cancelledGrant() {
        var script = CheckedOutScript(.session)
        script.lock(1)
        script.answer(.row(false))
        script.answer(.granted, cause: .cancelled)
        #expect(script.sent == [.unlockAll])
        script.answer()
        #expect(script.outcome == .ended(.cancelled))
        #expect(script.heldKeys == [])
    }

    @Test("a session lock that can't be verified not to be held ends the session", arguments: [[AdvisoryKey](), [2]])
    func unverified(holding: [AdvisoryKey]) throws {
        var script = CheckedOutScript.session(holding: holding)
        script.lock(1)
        script.answer(.failed(.full))
        script.answer(.failed(.divided))
        #expect(script.outcome == .failed(.full))
        #expect(script.isLost)
        let events = script.takeEvents()
        guard case .givenUp(let failure) = events.first, events.count == 1 else { throw Unexpected(events) }
        #expect(failure.cause == .unknownHold(holding.isEmpty ? nil : 1, Failure.divided.cause))
    }

    @Test("a session lock whose unlock has no answer can't be verified not to be held")
    func unanswered() {
        var script = CheckedOutScript.session(holding: [2])
        script.lock(1)
        script.answer(.failed(.full))
        script.answer(.ok)
        #expect(script.isLost)
    }

    @Test(
        "a session lock whose key could not be set may be another one, so the session is given up",
        arguments: [nil, .cancelled, .renewed] as [Engine.EndCause?]
    )
    func confused(cause: Engine.EndCause?) throws {
        var script = CheckedOutScript.session(holding: [2])
        script.lock(1)
        script.answer(.row(false))
        script.answer(each: [.failed(.cancelledByServer), .granted], cause: cause)
        #expect(script.submission == nil)
        let events = script.takeEvents()
        guard case .givenUp(let failure) = events.first, events.count == 1 else { throw Unexpected(events) }
        #expect(script.session.loss == failure)
        switch cause {
        case nil: #expect(script.outcome == .failed(.cancelledByServer))
        case .cancelled: #expect(script.outcome == .ended(.cancelled))
        default: #expect(script.outcome == .failed(failure))
        }
    }

    // MARK: Fencing

    @Test("a session lock gets a record for its token, written by the session that holds it, before it is given out")
    func fenced() {
        var script = CheckedOutScript(.session) { $0.isFencing = true }
        script.lock(1, within: .seconds(3))
        script.answer(.row(true))
        #expect(script.sent == [.position])
        #expect(script.submission?.deadline == Duration.seconds(3).instant)
        #expect(script.submission?.answerBy == Duration.seconds(5).instant)
        #expect(script.submission?.isCancellable == true)
        #expect(script.heldKeys == [])
        script.answer(.at(7))
        #expect(script.outcome == .locked(.at(7)))
        #expect(script.heldKeys == [1])
    }

    @Test("a session lock gets its token also if a deadline or a cancellation comes while the record is written, but too late")
    func fencedLate() {
        for cause in [Engine.EndCause.cancelled, .timedOut(nil)] {
            var script = CheckedOutScript(.session) { $0.isFencing = true }
            script.lock(1)
            script.answer(.row(true))
            script.answer(.at(7), cause: cause)
            #expect(script.outcome == .locked(.at(7)))
        }
    }

    @Test("a session lock whose record fails is released")
    func recordFails() {
        let cases: [(Reply, Engine.EndCause?, CheckedOutSession.Outcome)] = [
            (.failed(.full), nil, .failed(.full)), (.failed(.cancelledByServer), .cancelled, .ended(.cancelled)),
            (.failed(.cancelledByServer), .timedOut(nil), .ended(.timedOut(.unanswered))),
        ]
        for (reply, cause, outcome) in cases {
            var script = CheckedOutScript(.session) { $0.isFencing = true }
            script.lock(1)
            script.answer(.row(true))
            script.answer(reply, cause: cause)
            #expect(script.sent == [.unlockAll])
            script.answer()
            #expect(script.outcome == outcome)
            #expect(script.heldKeys == [])
        }
    }

    @Test("a session lock whose record has no position is released")
    func noPosition() throws {
        var script = CheckedOutScript(.session) { $0.isFencing = true }
        script.lock(1)
        script.answer(.row(true))
        script.answer()
        #expect(script.sent == [.unlockAll])
        script.answer()
        guard case .failed(.failed(let failure)) = script.outcome else { throw Unexpected(script.outcome as Any) }
        #expect(failure.kind == .connectionLost)
    }

    // MARK: Loss and end

    @Test("a session lock ends by the loss of the session at any point, and nothing more is sent")
    func lost() {
        var script = CheckedOutScript.session(holding: [2])
        script.lock(1)
        script.lose()
        #expect(script.outcome == .failed(.lost))
        script = .session(holding: [2])
        script.lock(1)
        script.answer(.row(false))
        script.lose(after: [.ok])
        #expect(script.outcome == .failed(.lost))
        script = .session { $0.isFencing = true }
        script.lock(1)
        script.answer(.row(true))
        script.lose()
        #expect(script.outcome == .failed(.lost))
        for holding in [[], [2]] as [[AdvisoryKey]] {
            script = .session(holding: holding)
            script.lock(1)
            script.answer(.failed(.full))
            script.lose()
            #expect(script.outcome == .failed(.full))
            #expect(script.takeEvents() == [], "what is lost is not given up besides")
        }
        script = .session(holding: [2])
        script.lock(1)
        script.session.noteLost(.lost)
        script.answer(.row(true))
        #expect(script.outcome == .failed(.lost))
        #expect(script.heldKeys == [2])
    }

    @Test("a session lock ends by the first reason for the loss of the session, whatever ends its call")
    func firstReason() {
        var script = CheckedOutScript.session(holding: [2])
        script.lock(1)
        script.session.noteLost(.full)
        script.lose()
        #expect(script.outcome == .failed(.full))
        script = .session(holding: [2])
        script.unlock(2)
        script.session.noteLost(.full)
        script.lose()
        #expect(script.outcome == .failed(.full))
    }

    @Test("a session lock that was to be begun anew when the session was lost ends by the loss")
    func lostBetween() {
        var script = CheckedOutScript.session(holding: [2])
        script.lock(1)
        script.answer(.row(false))
        script.answer(.failed(.cancelledByServer), cause: .renewed)
        script.lose()
        #expect(script.takeEvents() == [])
        script.lose()
        #expect(script.outcome == .failed(.lost))
    }

    @Test("a session lock is not asked for after the end of the body, and a refused one needs no undoing")
    func atEnd() {
        var script = CheckedOutScript(.session)
        script.session.beginEnd()
        script.lock(1)
        #expect(script.outcome == .atEnd)
        script = CheckedOutScript(.session)
        script.lock(1)
        script.session.beginEnd()
        script.answer(.row(false))
        #expect(script.outcome == .atEnd)
        #expect(script.submission == nil)
    }

    @Test("a session lock that has no token yet at the end of the body is released")
    func atEndWithoutToken() {
        var script = CheckedOutScript(.session) { $0.isFencing = true }
        script.lock(1)
        script.session.beginEnd()
        script.answer(.row(true))
        #expect(script.sent == [.unlockAll])
        script.answer()
        #expect(script.outcome == .atEnd)
        #expect(script.heldKeys == [])
    }
}
