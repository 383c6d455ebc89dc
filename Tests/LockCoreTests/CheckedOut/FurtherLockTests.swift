import Testing

@testable import LockCore

@Suite("A further lock of a transaction")
struct FurtherLockTests {
    private static let undoing: [CheckedOutSession.Statement] = [.rollBackToSavepoint(.step), .releaseSavepoint(.step)]

    @Test("a further lock is taken behind a savepoint, which is released separately after the grant", arguments: Mode.allCases)
    func taken(mode: Mode) {
        var script = CheckedOutScript.transaction(1)
        script.lock(2, mode, within: .seconds(3))
        #expect(script.sent == [.setSavepoint(.step), .tryLock(2, mode)])
        #expect(script.submission?.deadline == Duration.seconds(3).instant)
        script.answer(.row(true))
        #expect(script.sent == [.releaseSavepoint(.step)])
        #expect(script.submission?.isCancellable == false)
        #expect(script.session.holdings.isEmpty, "it is not held before")
        script.answer()
        #expect(script.outcome == .locked(nil))
        #expect(script.session.holdings == [2: mode])
        #expect(script.heldKeys == [1, 2])
        #expect(script.takeEvents() == [])
    }

    @Test("a further lock keeps the order of keys behind the lock that the transaction was begun with")
    func order() {
        let script = CheckedOutScript.transaction(5, further: [9, 2, AdvisoryKey(0, 1)])
        #expect(script.heldKeys == [5, 2, 9, AdvisoryKey(0, 1)])
    }

    @Test("the wait for a further lock comes behind its savepoint, and is never begun anew because it harms other sessions")
    func waits() {
        var script = CheckedOutScript.transaction()
        script.lock(2)
        script.answer(.row(false))
        #expect(script.sent == [.setAwaited(2), .wait(.int8, .exclusive)])
        #expect(script.submission?.renewals == nil)
        #expect(script.submission?.lockWait == 2)
        script.answer(.granted)
        script.answer()
        #expect(script.outcome == .locked(nil))
    }

    @Test("a further lock is waited for without a try where the transaction may be deferrable")
    func deferrable() {
        var script = CheckedOutScript.transaction()
        script.pass("SET TRANSACTION Deferrable")
        script.lock(2)
        #expect(script.sent == [.setSavepoint(.step), .setAwaited(2), .wait(.int8, .exclusive)])
    }

    @Test("a further lock that is refused undoes nothing but its savepoint")
    func refused() {
        var script = CheckedOutScript.transaction(1)
        script.lock(2, noWait: true)
        script.answer(.row(false))
        #expect(script.sent == [.releaseSavepoint(.step)])
        script.answer()
        #expect(script.outcome == .refused)
        #expect(script.heldKeys == [1])
    }

    @Test("a further lock that fails, is cancelled, or comes to its deadline is undone, also if it was granted all the same")
    func fails() {
        for (reply, cause, outcome) in TransactionOpeningTests.ends {
            var script = CheckedOutScript.transaction(1)
            script.lock(2)
            script.answer(reply, cause: cause)
            #expect(script.sent == Self.undoing)
            #expect(script.submission?.isCancellable == false)
            script.answer()
            #expect(script.outcome == outcome)
            #expect(script.heldKeys == [1])
            #expect(script.takeEvents() == [])
            #expect(script.session.unusable == nil)
        }
    }

    @Test("a further lock whose wait was cancelled is undone, also if the server had granted it in that moment")
    func cancelledWait() {
        for reply in [CheckedOutSession.Reply.granted, .endedWait, .failed(.cancelledByServer)] {
            var script = CheckedOutScript.transaction(1)
            script.lock(2)
            script.answer(.row(false))
            script.answer(reply, cause: .cancelled)
            #expect(script.sent == Self.undoing)
            script.answer()
            #expect(script.outcome == .ended(.cancelled))
        }
    }

    @Test(
        "a further lock for which the role of the body may not use PL/pgSQL waits plainly, as do the next ones, but not those of other sessions",
        arguments: [true, false]
    )
    func roleOfBody(isOfRoleSettings: Bool) {
        var script = CheckedOutScript.transaction(1) { $0.hasRoleSettings = isOfRoleSettings }
        if !isOfRoleSettings { script.pass("SET LOCAL ROLE tenant", .tag("SET")) }
        script.lock(2)
        script.answer(.row(false))
        script.answer(.failed(.noPrivilege))
        #expect(script.takeEvents() == [])
        #expect(script.sent == Self.undoing)
        script.answer()
        #expect(script.sent == [.setSavepoint(.step), .lock(2, .exclusive)])
        script.answer()
        script.answer()
        #expect(script.outcome == .locked(nil))
        script.lock(3)
        #expect(script.sent == [.setSavepoint(.step), .lock(3, .exclusive)])
    }

    @Test("a missing PL/pgSQL is reported once, also if the body has run SQL")
    func missing() {
        var script = CheckedOutScript.transaction(1)
        script.pass("SET LOCAL ROLE tenant", .tag("SET"))
        script.lock(2)
        script.answer(.row(false))
        script.answer(.failed(.noLanguage))
        #expect(script.takeEvents() == [.waitsPlainly])
        script.answer()
        script.answer(.failed(.cancelledByServer), cause: .timedOut(nil))
        script.answer()
        script.lock(3, waitsPlainly: true)
        script.answer()
        script.answer()
        #expect(script.outcome == .locked(nil))
        #expect(script.takeEvents() == [])
    }

    @Test("a further lock without PL/pgSQL is undone, and begun anew behind another savepoint")
    func waitsPlainly() {
        var script = CheckedOutScript.transaction(1)
        script.lock(2)
        script.answer(.row(false))
        script.answer(.failed(.noLanguage))
        #expect(script.takeEvents() == [.waitsPlainly])
        #expect(script.sent == Self.undoing)
        script.answer()
        #expect(script.sent == [.setSavepoint(.step), .lock(2, .exclusive)])
        script.answer()
        script.answer()
        #expect(script.outcome == .locked(nil))
    }

    @Test("a further lock that can't be undone before it is begun anew fails by the error of the undoing")
    func undoingFails() {
        var script = CheckedOutScript.transaction(1)
        script.lock(2)
        script.answer(.row(false))
        script.answer(.failed(.noLanguage))
        _ = script.takeEvents()
        script.answer(each: [.failed(.divided), .failed(.inAborted)])
        #expect(script.sent == Self.undoing)
        script.answer(each: [.failed(.divided), .failed(.inAborted)])
        #expect(script.outcome == .failed(.divided))
        #expect(script.takeEvents() == [.released([1], isAll: true, because: .failed(.divided))])
    }

    @Test("a further lock whose undoing fails finds the transaction aborted, and reports the released locks and the cause")
    func aborted() {
        var script = CheckedOutScript.transaction(1, further: [2])
        script.lock(3)
        script.answer(.failed(.inAborted))
        script.answer(each: [.failed(.inAborted), .failed(.inAborted)])
        #expect(script.outcome == .failed(.inAborted))
        #expect(script.takeEvents() == [.released([1, 2], isAll: true, because: .failed(.inAborted))])
        #expect(script.session.unusable == .aborted)
        #expect(script.heldKeys == [1, 2], "errors name them")
    }

    @Test("in an aborted transaction with the body's savepoint before, takes nothing along")
    func abortedBehindSavepoint() {
        var script = CheckedOutScript.transaction(1)
        script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
        script.fail()
        #expect(script.takeEvents() == [])
        script.lock(2)
        script.answer(.failed(.inAborted))
        script.answer(each: [.failed(.inAborted), .failed(.inAborted)])
        #expect(script.outcome == .failed(.inAborted))
        #expect(script.takeEvents() == [])
        #expect(script.session.unusable == nil)
    }

    @Test("a further lock whose savepoint can't be released is undone, whether it was granted or refused", arguments: [true, false])
    func releaseFails(isGranted: Bool) {
        var script = CheckedOutScript.transaction(1)
        script.lock(2, noWait: true)
        script.answer(.row(isGranted))
        script.answer(.failed(.divided))
        #expect(script.sent == Self.undoing)
        script.answer()
        #expect(script.outcome == .failed(.divided))
        #expect(script.heldKeys == [1])
    }

    @Test("a further lock ends by the loss of the session at any point, and nothing more is sent")
    func lost() {
        // At the try.
        var script = CheckedOutScript.transaction(1)
        script.lock(2)
        script.lose(after: [.ok])
        #expect(script.outcome == .failed(.lost))
        // At the wait.
        script = .transaction(1)
        script.lock(2)
        script.answer(.row(false))
        script.lose()
        #expect(script.outcome == .failed(.lost))
        // While it is undone for a plain wait.
        script = .transaction(1)
        script.lock(2)
        script.answer(.row(false))
        script.answer(.failed(.noLanguage))
        script.lose()
        #expect(script.outcome == .failed(.lost))
        // While it is undone for its failure.
        script = .transaction(1)
        script.lock(2)
        script.answer(.failed(.full))
        script.lose()
        #expect(script.outcome == .failed(.full))
        #expect(script.takeEvents() == [])
        // While its savepoint is released.
        for isGranted in [true, false] {
            script = .transaction(1)
            script.lock(2, noWait: true)
            script.answer(.row(isGranted))
            script.lose()
            #expect(script.outcome == .failed(.lost))
            #expect(script.submission == nil)
        }
        #expect(script.heldKeys == [1])
    }

    @Test("a further lock is not given out, nor refused, if the session was lost in the moment of the answer", arguments: [true, false])
    func lostMeanwhile(isGranted: Bool) {
        var script = CheckedOutScript.transaction(1)
        script.lock(2, noWait: true)
        script.answer(.row(isGranted))
        script.session.noteLost(.lost)
        script.answer()
        #expect(script.outcome == .failed(.lost))
        #expect(script.heldKeys == [1])
    }

    @Test("a further lock whose answer is the first to report the loss of the session ends by the loss")
    func lostByAnswer() {
        var script = CheckedOutScript.transaction(1)
        script.lock(2)
        script.answer(.row(true))
        script.lose(isNoted: false)
        #expect(script.sent == Self.undoing)
        script.lose()
        #expect(script.outcome == .failed(.lost))
    }

    @Test("a further lock is not begun after the end of the body, and needs no undoing")
    func atEnd() {
        var script = CheckedOutScript.transaction(1)
        script.session.beginEnd()
        script.lock(2)
        #expect(script.outcome == .atEnd)
        #expect(script.submission == nil)
    }

    @Test("a further lock that is asked for after the end of the body and the loss of the session ends by the loss")
    func atEndAndLost() {
        var script = CheckedOutScript.transaction(1)
        script.session.beginEnd()
        script.session.noteLost(.lost)
        script.lock(2)
        script.lose()
        #expect(script.outcome == .failed(.lost))
    }

    @Test("a further lock is not waited for after the end of the body, and its try is undone")
    func atEndOfTry() {
        var script = CheckedOutScript.transaction(1)
        script.lock(2)
        script.session.beginEnd()
        script.answer(.row(false))
        #expect(script.sent == Self.undoing)
        script.answer()
        #expect(script.outcome == .atEnd)
    }

    @Test("a further lock is not begun anew after the end of the body")
    func atEndOfWait() {
        var script = CheckedOutScript.transaction(1)
        script.lock(2)
        script.answer(.row(false))
        script.session.beginEnd()
        script.answer(.failed(.noLanguage))
        script.answer()
        #expect(script.outcome == .atEnd)
        #expect(script.submission == nil)
        #expect(script.heldKeys == [1])
    }

    @Test("a further lock of a held key leaves the key held in the stronger mode")
    func again() {
        var script = CheckedOutScript.transaction(1, .shared)
        script.take(1, .shared)
        #expect(script.session.holdings.isEmpty)
        script.take(1, .exclusive)
        #expect(script.session.holdings == [1: .exclusive])
        #expect(script.heldKeys == [1])
        script.take(1, .shared)
        #expect(script.session.holdings == [1: .exclusive])
        script.take(2, .exclusive)
        script.take(2, .shared)
        #expect(script.session.holdings == [1: .exclusive, 2: .exclusive])
        script = .transaction(1)
        script.take(1)
        #expect(script.session.holdings.isEmpty)
    }

    @Test("a further lock that the body has taken by SQL of its own is held, and released if another statement has failed meanwhile")
    func noted() {
        var script = CheckedOutScript.transaction(1)
        script.noteLock(2, .shared)
        #expect(script.session.holdings == [2: .shared])
        #expect(script.takeEvents() == [])
        script = .transaction(1)
        script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
        script.fail()
        script.noteLock(2, .exclusive)
        #expect(script.takeEvents() == [.released([2], isAll: false, because: nil)])
        #expect(script.heldKeys == [1])
    }
}
