import Testing

@testable import LockCore

@Suite("What an explicit session releases")
struct SessionReleaseTests {
    typealias Reply = CheckedOutSession.Reply

    private static let pair = AdvisoryKey(1, 2)

    // MARK: Unlocking

    @Test(
        "an unlock has the mode of the lock and can't be cancelled, and after the last one the session is not guarded",
        arguments: Mode.allCases
    )
    func unlock(mode: Mode) {
        var script = CheckedOutScript.session(holding: [1, 2], mode)
        script.unlock(1)
        #expect(script.sent == [.unlock(1, mode: mode)])
        #expect(script.submission?.isCancellable == false)
        #expect(script.heldKeys == [2])
        script.answer(.row(true))
        #expect(script.outcome == .done)
        #expect(script.takeEvents() == [])
        script.unlock(2)
        script.answer(.row(true))
        #expect(script.takeEvents() == [.unguarded])
    }

    @Test("a session whose body may have taken locks by SQL is guarded to its end, whatever it releases", arguments: [true, false])
    func unlockBesideOthers(isCertain: Bool) {
        var script = CheckedOutScript.session { $0.isLeased = true }
        script.run("SELECT pg_advisory_lock(9)", mayLock: true)
        script.answer(.tag("SELECT 1"))
        script.certify(isCertain)
        for _ in 0..<2 {
            script.take(1)
            script.unlock(1)
            script.answer(.row(true))
            #expect(script.outcome == .done)
            #expect(script.takeEvents() == [])
        }
    }

    @Test("a session whose body has run other SQL is not guarded any more when it has released all")
    func unlockBesideSQL() {
        var script = CheckedOutScript.session { $0.isLeased = true }
        script.pass("SELECT 1")
        script.take(1)
        script.unlock(1)
        script.answer(.row(true))
        #expect(script.takeEvents() == [.unguarded])
    }

    @Test("a key that is not held needs no unlock")
    func notHeld() {
        var script = CheckedOutScript.session(holding: [1])
        script.unlock(2)
        #expect(script.outcome == .done)
        #expect(script.submission == nil)
    }

    @Test("a session that did not hold the lock, or does not say, is given up, since it may not hold its other locks either")
    func unverified() throws {
        let answers: [(Reply, Failure.Kind)] = [(.row(false), .notHeld), (.failed(.divided), .statement), (.ok, .notHeld)]
        for (reply, kind) in answers {
            var script = CheckedOutScript.session(holding: [1, 2])
            script.unlock(1)
            script.answer(reply)
            guard case .unverified([1], let failure) = script.outcome else { throw Unexpected(script.outcome as Any) }
            #expect(failure.kind == kind)
            #expect(script.takeEvents() == [.givenUp(failure)])
            #expect(script.session.loss == failure)
        }
    }

    @Test("a session that is lost by the unlock ends it by the loss")
    func lostUnlock() {
        for isNoted in [true, false] {
            var script = CheckedOutScript.session(holding: [1])
            script.unlock(1)
            script.lose(isNoted: isNoted)
            #expect(script.outcome == .failed(.lost))
            #expect(script.takeEvents() == [])
        }
    }

    // MARK: Ending

    @Test("the end releases all, by a statement for each mode and key space, and resets in the same round trip")
    func end() {
        var script = CheckedOutScript.session(holding: [3, Self.pair, 1])
        script.take(2, .shared)
        script.session.beginEnd()
        script.end()
        #expect(script.sent == [.unlock(1, 3), .unlock(2, mode: .shared), .unlock(Self.pair), .plainReset])
        #expect(script.submission?.isCancellable == false)
        #expect(script.heldKeys == [])
        script.answer(each: [.rows(true, true), .row(true), .row(true), .ok])
        #expect(script.outcome == .done)
        #expect(script.isClean)
        #expect(script.takeEvents() == [])
    }

    @Test("the end of a session that holds nothing only resets it, thoroughly if its body has run SQL")
    func endEmpty() {
        var script = CheckedOutScript.session()
        script.end()
        #expect(script.sent == [.plainReset])
        script.answer()
        #expect(script.outcome == .done)
        #expect(script.isClean)
        script = .session()
        script.pass("SELECT 1")
        script.end()
        #expect(script.sent == [.thoroughReset])
    }

    @Test("a lock that was not held, or may still be held, is reported, and the session is not used for other calls")
    func endUnverified() throws {
        var script = CheckedOutScript.session(holding: [1, 2, Self.pair])
        script.end()
        script.answer(each: [.rows(true, false), .failed(.divided), .ok])
        guard case .unverified([2, Self.pair], let failure) = script.outcome else { throw Unexpected(script.outcome as Any) }
        #expect(failure == .divided)
        #expect(!script.isClean)
        script = .session(holding: [1])
        script.end()
        script.answer(each: [.row(false), .ok])
        guard case .unverified([1], let failure) = script.outcome else { throw Unexpected(script.outcome as Any) }
        #expect(failure.kind == .notHeld)
        #expect(!script.isClean)
    }

    @Test("a session whose reset has failed, or is not complete, is not used for other calls")
    func resetFailed() {
        for replies in [[Reply.row(true), .failed(.divided)], [.row(true)]] {
            var script = CheckedOutScript.session(holding: [1])
            script.end()
            script.answer(each: replies)
            #expect(script.outcome == .done)
            #expect(!script.isClean)
        }
    }

    @Test(
        "a loss at the end is reported only if something was held, and the session is not used for other calls",
        arguments: [[AdvisoryKey](), [1]]
    )
    func lost(holding: [AdvisoryKey]) {
        var script = CheckedOutScript.session(holding: holding)
        script.end()
        script.lose()
        #expect(script.outcome == (holding.isEmpty ? .done : .failed(.lost)))
        #expect(!script.isClean)
        script = .session(holding: holding)
        script.end()
        script.lose(after: Array(repeating: .row(true), count: holding.count) + [.ok], isNoted: false)
        #expect(script.outcome == (holding.isEmpty ? .done : .failed(.lost)))
        #expect(!script.isClean)
    }

    @Test("nothing is sent at the end of a session that is lost already", arguments: [[AdvisoryKey](), [1]])
    func lostBefore(holding: [AdvisoryKey]) {
        var script = CheckedOutScript.session(holding: holding)
        script.session.noteLost(.lost)
        script.end()
        #expect(script.submission == nil)
        #expect(script.outcome == (holding.isEmpty ? .done : .failed(.lost)))
        #expect(script.heldKeys == [])
        #expect(!script.isClean)
    }

    @Test("a lost session can end before its running operation, which then ends by the loss")
    func endBesides() {
        var script = CheckedOutScript.session(holding: [2])
        script.lock(1)
        script.session.beginEnd()
        script.session.noteLost(.lost)
        script.end()
        #expect(script.outcome == .failed(.lost))
        script.lose()
        #expect(script.outcome == .failed(.lost))
        #expect(script.takeEvents() == [])
    }
}
