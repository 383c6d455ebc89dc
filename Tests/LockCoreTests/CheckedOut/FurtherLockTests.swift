import Testing

@testable import LockCore

@Suite("A further lock of a transaction")
struct FurtherLockTests {
    private static let undoing: [CheckedOutSession.Statement] = [.rollBackToSavepoint(.step), .releaseSavepoint(.step)]

    @Test("is taken behind a savepoint, which is released once it is there, on its own", arguments: Mode.allCases)
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

    @Test("keeps the order of keys behind the lock that the transaction was begun with")
    func order() {
        let script = CheckedOutScript.transaction(5, further: [9, 2, AdvisoryKey(0, 1)])
        #expect(script.heldKeys == [5, 2, 9, AdvisoryKey(0, 1)])
    }

    @Test("is waited for behind the same savepoint, and never begun anew for the sake of others")
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

    @Test("is waited for at once where the transaction may be deferrable")
    func deferrable() {
        var script = CheckedOutScript.transaction()
        script.pass("SET TRANSACTION Deferrable")
        script.lock(2)
        #expect(script.sent == [.setSavepoint(.step), .setAwaited(2), .wait(.int8, .exclusive)])
    }

    @Test("that is refused undoes nothing but its savepoint")
    func refused() {
        var script = CheckedOutScript.transaction(1)
        script.lock(2, noWait: true)
        script.answer(.row(false))
        #expect(script.sent == [.releaseSavepoint(.step)])
        script.answer()
        #expect(script.outcome == .refused)
        #expect(script.heldKeys == [1])
    }

    @Test("that fails, is cancelled, or comes to its deadline is undone, also if it was granted all the same")
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

    @Test("whose wait was cancelled is undone, also if the server had granted it in that moment")
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
        "that may not use PL/pgSQL under a role of the body's waits plainly, and so do the next, but that is said of no other session",
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

    @Test("without PL/pgSQL is told of also where the body has run SQL, and once")
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

    @Test("without PL/pgSQL is undone, and begun anew behind another savepoint")
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

    @Test("that could not be undone before it was begun anew fails by that")
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

    @Test("whose undoing fails has found the transaction aborted, and says which locks that has taken along, and by what")
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

    @Test("whose savepoint can't be released is undone, whether it was granted or refused", arguments: [true, false])
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

    @Test("ends by the loss of the session at any point, and nothing more is sent")
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

    @Test("is not given out, nor refused, if the session was lost in the moment of the answer", arguments: [true, false])
    func lostMeanwhile(isGranted: Bool) {
        var script = CheckedOutScript.transaction(1)
        script.lock(2, noWait: true)
        script.answer(.row(isGranted))
        script.session.noteLost(.lost)
        script.answer()
        #expect(script.outcome == .failed(.lost))
        #expect(script.heldKeys == [1])
    }

    @Test("whose loss the answer tells first ends by it, too")
    func lostByAnswer() {
        var script = CheckedOutScript.transaction(1)
        script.lock(2)
        script.answer(.row(true))
        script.lose(isNoted: false)
        #expect(script.sent == Self.undoing)
        script.lose()
        #expect(script.outcome == .failed(.lost))
    }

    @Test("is not begun when the body is over, and there is nothing to undo then")
    func atEnd() {
        var script = CheckedOutScript.transaction(1)
        script.session.beginEnd()
        script.lock(2)
        #expect(script.outcome == .atEnd)
        #expect(script.submission == nil)
    }

    @Test("is asked for by a body that is over and whose session is lost, and ends by the loss")
    func atEndAndLost() {
        var script = CheckedOutScript.transaction(1)
        script.session.beginEnd()
        script.session.noteLost(.lost)
        script.lock(2)
        script.lose()
        #expect(script.outcome == .failed(.lost))
    }

    @Test("is not waited for when the body is over, and its try is undone")
    func atEndOfTry() {
        var script = CheckedOutScript.transaction(1)
        script.lock(2)
        script.session.beginEnd()
        script.answer(.row(false))
        #expect(script.sent == Self.undoing)
        script.answer()
        #expect(script.outcome == .atEnd)
    }

    @Test("is not begun anew when the body is over")
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

    @Test("of a key that is held already is held in the stronger mode")
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

    @Test("that the body has taken by SQL of its own is held, and released if another statement has failed meanwhile")
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
