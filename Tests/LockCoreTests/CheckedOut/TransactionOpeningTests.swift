import Testing

@testable import LockCore

@Suite("Opening a transaction")
struct TransactionOpeningTests {
    @Test("a transaction without a lock only begins, with a limit for the answer, and is undone if that fails")
    func unlocked() {
        var script = CheckedOutScript(.transaction)
        script.now = .zero.advanced(by: .seconds(1))
        script.open(within: .seconds(3))
        #expect(script.sent == [.begin])
        #expect(script.submission?.deadline == Duration.seconds(4).instant)
        #expect(script.submission?.answerBy == Duration.seconds(6).instant)
        #expect(script.submission?.isUndone == true)
        script.answer()
        #expect(script.outcome == .done)
        #expect(script.takeEvents() == [])
        #expect(script.heldKeys == [])
    }

    @Test("a transaction with a lock takes the lock in the same round trip, and reports the grant", arguments: Mode.allCases)
    func locked(mode: Mode) {
        var script = CheckedOutScript(.transaction, first: 1, mode)
        script.open(within: .seconds(3))
        #expect(script.sent == [.begin, .tryLock(1, mode)])
        #expect(script.submission?.deadline == Duration.seconds(3).instant)
        script.answer(.row(true))
        #expect(script.outcome == .locked(nil))
        #expect(script.takeEvents() == [.granted])
        #expect(script.heldKeys == [1])
        #expect(script.session.holdings.isEmpty, "what it was begun with is no further lock")
    }

    @Test("the role's settings go ahead of a transaction, and behind a pooler the library's own come after its beginning")
    func settings() {
        var script = CheckedOutScript(.transaction, first: 1) {
            $0.hasRoleSettings = true
            $0.hasSettings = false
        }
        script.open()
        #expect(script.sent == [.roleSettings, .begin, .settingsInTransaction, .tryLock(1, .exclusive)])
        script.answer(.row(true))
        script.rollBack()
        #expect(script.sent == [.rollBack], "there is nothing to reset in a session that is a pooler's")
        script.answer()
        #expect(script.isClean)
    }

    @Test("a session that has the role's settings is reset thoroughly")
    func roleSettings() {
        var script = CheckedOutScript(.transaction) { $0.hasRoleSettings = true }
        script.open()
        #expect(script.sent == [.roleSettings, .begin])
        script.answer()
        script.commit()
        #expect(script.submission?.further == [.thoroughReset])
    }

    @Test("a transaction that the role's settings make deferrable waits for its lock without a try, and its session is reset accordingly")
    func deferrable() {
        var script = CheckedOutScript(.transaction, first: 1) {
            $0.hasRoleSettings = true
            $0.mayDefer = true
        }
        script.open()
        #expect(script.sent == [.roleSettings, .begin, .setAwaited(1), .wait(.int8, .exclusive)])
        script.answer(.granted)
        script.commit()
        #expect(script.submission?.further == [.reset(isThorough: true, mayDefer: true)])
    }

    @Test("a role whose settings the session does not get makes no transaction deferrable")
    func notDeferrable() {
        var script = CheckedOutScript(.transaction, first: 1) { $0.mayDefer = true }
        script.open()
        #expect(script.sent == [.begin, .tryLock(1, .exclusive)])
    }

    @Test("a taken lock is waited for, and a wait that harms other sessions is begun anew with its transaction")
    func waits() {
        var script = CheckedOutScript(.transaction, first: 1)
        script.open()
        script.answer(.row(false))
        #expect(script.sent == [.setAwaited(1), .wait(.int8, .exclusive)])
        #expect(script.submission?.renewals == 0)
        script.answer(.endedWait, cause: .renewed)
        #expect(script.sent == [.rollBack])
        script.answer()
        #expect(script.sent == [.begin, .tryLock(1, .exclusive)])
        script.answer(.row(false))
        #expect(script.submission?.renewals == 1)
        script.answer(.granted)
        #expect(script.outcome == .locked(nil))
        #expect(script.takeEvents() == [.granted])
    }

    @Test("a renewed transaction that can't be rolled back fails, and its session is not used for other calls")
    func renewalFails() {
        var script = CheckedOutScript(.transaction, first: 1)
        script.open()
        script.answer(.row(false))
        script.answer(.endedWait, cause: .renewed)
        script.answer(.failed(.divided))
        #expect(script.sent == [.rollBack, .plainReset])
        script.answer(each: [.failed(.divided), .ok])
        #expect(script.outcome == .failed(.divided))
        #expect(!script.isClean)
    }

    @Test("without PL/pgSQL a transaction is begun anew with a plain wait, which is reported")
    func waitsPlainly() {
        var script = CheckedOutScript(.transaction, first: 1)
        script.open()
        script.answer(.row(false))
        script.answer(.failed(.noLanguage))
        #expect(script.takeEvents() == [.waitsPlainly])
        #expect(script.sent == [.rollBack])
        script.answer()
        #expect(script.sent == [.begin, .lock(1, .exclusive)])
        script.answer()
        #expect(script.outcome == .locked(nil))
    }

    @Test("where waits are known to be plain, the lock is waited for at once")
    func plain() {
        var script = CheckedOutScript(.transaction, first: 1)
        script.open(waitsPlainly: true)
        #expect(script.sent == [.begin, .lock(1, .exclusive)])
    }

    @Test("a transaction whose try is refused is rolled back, and its session is clean")
    func refused() {
        var script = CheckedOutScript(.transaction, first: 1)
        script.open(noWait: true)
        script.answer(.row(false))
        #expect(script.sent == [.rollBack, .plainReset])
        script.answer()
        #expect(script.outcome == .refused)
        #expect(script.isClean)
        #expect(script.takeEvents() == [])
    }

    /// How an attempt ends, and what for.
    static let ends: [(CheckedOutSession.Reply, Engine.EndCause?, CheckedOutSession.Outcome)] = [
        (.failed(.full), nil, .failed(.full)), (.failed(.cancelledByServer), .cancelled, .ended(.cancelled)),
        (.row(true), .cancelled, .ended(.cancelled)), (.row(true), .timedOut(nil), .ended(.timedOut(.unanswered))),
    ]

    @Test(
        "an opening that fails, is cancelled, or comes to its deadline is rolled back, also if it has ended before that",
        arguments: [nil, 1] as [AdvisoryKey?]
    )
    func fails(first: AdvisoryKey?) {
        for (reply, cause, outcome) in Self.ends {
            var script = CheckedOutScript(.transaction, first: first)
            script.open()
            script.answer(reply, cause: cause)
            #expect(script.sent == [.rollBack, .plainReset])
            #expect(script.submission?.isCancellable == false)
            script.answer()
            #expect(script.outcome == outcome)
            #expect(script.isClean)
            #expect(script.takeEvents() == [], "the body has not been told of the lock")
        }
    }

    @Test("a transaction that was cancelled while it waited for its lock is rolled back")
    func cancelledWait() {
        var script = CheckedOutScript(.transaction, first: 1)
        script.open()
        script.answer(.row(false))
        script.answer(.granted, cause: .cancelled)
        #expect(script.sent == [.rollBack, .plainReset])
        script.answer()
        #expect(script.outcome == .ended(.cancelled))
    }

    @Test("a session is used for other calls only if the rollback and the whole reset were answered without a failure")
    func clean() {
        let answers: [([CheckedOutSession.Reply], Bool)] = [
            ([.ok, .ok], true), ([.failed(.divided), .ok], false), ([.ok, .failed(.divided)], false), ([.ok], false), ([], false),
        ]
        for (replies, isClean) in answers {
            var script = CheckedOutScript(.transaction, first: 1)
            script.open()
            script.answer(.failed(.full))
            script.answer(each: replies)
            #expect(script.outcome == .failed(.full))
            #expect(script.isClean == isClean, "\(replies)")
        }
    }

    @Test("the loss of the session ends the opening at any point, and nothing more is sent", arguments: [nil, 1] as [AdvisoryKey?])
    func lost(first: AdvisoryKey?) {
        var script = CheckedOutScript(.transaction, first: first)
        script.open()
        script.lose()
        #expect(script.outcome == .failed(.lost))
        #expect(script.submission == nil)
        #expect(!script.isClean)

        script = CheckedOutScript(.transaction, first: 1)
        script.open()
        script.answer(.row(false))
        script.lose(after: [.ok])
        #expect(script.outcome == .failed(.lost))

        script = CheckedOutScript(.transaction, first: 1)
        script.open()
        script.answer(.row(false))
        script.answer(.endedWait, cause: .renewed)
        script.lose()
        #expect(script.outcome == .failed(.lost))

        script = CheckedOutScript(.transaction, first: 1)
        script.open()
        script.answer(.failed(.full))
        script.lose(after: [.ok, .ok])
        #expect(script.outcome == .failed(.full))
        #expect(!script.isClean)
    }

    @Test("an answer that is the first to report the loss of the session ends the opening")
    func lostByAnswer() {
        var script = CheckedOutScript(.transaction, first: 1)
        script.open()
        script.lose(isNoted: false)
        #expect(script.sent == [.rollBack, .plainReset])
        script.lose()
        #expect(script.outcome == .failed(.lost))
        #expect(!script.isClean)
    }

    @Test("a lock whose session was lost in the moment of the grant is not given out")
    func lostAtGrant() {
        var script = CheckedOutScript(.transaction, first: 1)
        script.open()
        script.session.noteLost(.lost)
        script.answer(.row(true))
        #expect(script.outcome == .failed(.lost))
    }

    @Test("a transaction whose body has ended takes no locks")
    func atEnd() {
        var script = CheckedOutScript(.transaction)
        script.session.beginEnd()
        script.open()
        #expect(script.outcome == .atEnd)
        script = CheckedOutScript(.transaction, first: 1)
        script.open()
        script.session.beginEnd()
        script.answer(.row(false))
        #expect(script.sent == [.rollBack, .plainReset])
        script.answer()
        #expect(script.outcome == .atEnd)
    }
}
