import Testing

@testable import LockCore

@Suite("What the body of a transaction runs itself")
struct TransactionBodyTests {
    typealias Reply = CheckedOutSession.Reply

    @Test("a statement of the body is sent unchanged, without a deadline, and can be cancelled")
    func plain() {
        var script = CheckedOutScript.transaction(1) { $0.hasRoleSettings = true }
        script.run("SELECT 1")
        #expect(script.sent == [.body])
        #expect(script.submission?.deadline == nil && script.submission?.answerBy == nil)
        #expect(script.submission?.isCancellable == true && script.submission?.isUndone == false)
        script.answer(.tag("SELECT 1"))
        #expect(script.outcome == .done)
        #expect(script.takeEvents() == [])
    }

    @Test("a statement of the body that has succeeded counts, also if it was cancelled meanwhile", arguments: [Engine.EndCause.cancelled, .timedOut(nil)])
    func outrun(cause: Engine.EndCause) {
        var script = CheckedOutScript.transaction(1)
        script.run("SELECT 1")
        script.answer(.tag("SELECT 1"), cause: cause)
        #expect(script.outcome == .done)
    }

    @Test("a cancelled statement of the body fails by its cancellation, and the error has released the locks")
    func cancelled() {
        var script = CheckedOutScript.transaction(1, further: [3, 2])
        script.run("SELECT pg_sleep(1)")
        script.answer(.failed(.cancelledByServer), cause: .cancelled)
        #expect(script.outcome == .ended(.cancelled))
        #expect(script.takeEvents() == [.released([1, 2, 3], isAll: true, because: .settled(cause: .cancelled))])
        #expect(script.session.isAborted)
    }

    @Test("a failed statement of the body without a savepoint before has released all locks of the transaction")
    func fails() {
        var script = CheckedOutScript.transaction(1)
        script.fail()
        #expect(script.outcome == .failed(.divided))
        #expect(script.takeEvents() == [.released([1], isAll: true, because: .failed(.divided))])
        script = .transaction()
        script.fail()
        #expect(script.takeEvents() == [.released([], isAll: true, because: .failed(.divided))])
        #expect(script.session.unusable == .aborted)
    }

    @Test("a failed statement of the body that does not abort the transaction releases no lock")
    func failsAlone() {
        var script = CheckedOutScript.transaction(1)
        script.run("SELECT 1/0")
        script.answer(.failed(.divided, .open))
        #expect(script.outcome == .failed(.divided))
        #expect(script.takeEvents() == [])
        #expect(script.session.unusable == nil)
    }

    // MARK: Savepoints

    @Test("the base comes before the body's first savepoint, and an error behind it does not release the locks from before")
    func base() {
        var script = CheckedOutScript.transaction(1, further: [2])
        script.run("savepoint a")
        #expect(script.sent == [.setSavepoint(.base)])
        #expect(script.submission?.isCancellable == false)
        script.answer()
        #expect(script.sent == [.body])
        script.answer(.tag("SAVEPOINT"))
        #expect(script.outcome == .done)
        script.pass("SAVEPOINT b", .tag("SAVEPOINT"))
        script.fail()
        #expect(script.takeEvents() == [])
        #expect(script.session.unusable == nil)
        script.run("ROLLBACK TO b")
        script.answer(.tag("ROLLBACK"))
        #expect(script.sent == [.areHeld((1, .exclusive), (2, .exclusive))])
        script.answer(.rows(true, true))
        #expect(script.outcome == .done)
        #expect(script.heldKeys == [1, 2])
    }

    @Test("an error releases the locks since the library's latest savepoint, and no others")
    func exposed() {
        var script = CheckedOutScript.transaction(1)
        script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
        script.take(4)
        script.take(3)
        script.fail()
        #expect(script.takeEvents() == [.released([3, 4], isAll: false, because: .failed(.divided))])
        #expect(script.heldKeys == [1])
        #expect(script.session.unusable == .aborted)
    }

    @Test("the library sets another savepoint before the body's next one if a lock was taken since")
    func sheltered() {
        var script = CheckedOutScript.transaction(1)
        script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
        script.take(2)
        script.run("SAVEPOINT b")
        #expect(script.sent == [.setSavepoint(.base)])
        script.answer()
        script.answer(.tag("SAVEPOINT"))
        script.fail()
        #expect(script.takeEvents() == [])
    }

    @Test("a base that can't be set shelters nothing, and the statement runs all the same")
    func baseFails() {
        var script = CheckedOutScript.transaction(1)
        script.run("SAVEPOINT a")
        script.answer(.failed(.divided))
        #expect(script.takeEvents() == [.released([1], isAll: true, because: nil)])
        #expect(script.sent == [.body])
        script.answer(.failed(.inAborted))
        #expect(script.outcome == .failed(.inAborted))
    }

    @Test("a base that could not be set again where it may be gone shelters nothing any more")
    func baseGone() {
        for sql in [#"RELEASE U&"\0061""#, "RELEASE swift_postgres_lock_base"] {
            var script = CheckedOutScript.transaction(1)
            script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
            script.run(sql)
            script.answer(.tag("RELEASE"))
            #expect(script.sent == [.setSavepoint(.base)])
            script.answer(.failed(.cancelledByServer))
            #expect(script.outcome == .done)
            #expect(script.takeEvents() == [.released([1], isAll: true, because: nil)])
        }
    }

    @Test("a base still shelters the locks below it if only a later savepoint of the library may be gone and could not be set again")
    func upperGone() {
        var script = CheckedOutScript.transaction(1)
        script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
        script.take(2)
        script.pass("SAVEPOINT b", .tag("SAVEPOINT"))
        script.run("RELEASE a /**/")
        script.answer(.tag("RELEASE"))
        #expect(script.sent == [.setSavepoint(.base)])
        script.answer(.failed(.cancelledByServer))
        #expect(script.takeEvents() == [.released([2], isAll: false, because: nil)])
        #expect(script.heldKeys == [1])
    }

    @Test("a base that is set again shelters again")
    func baseAgain() {
        var script = CheckedOutScript.transaction(1)
        script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
        script.pass(#"RELEASE U&"\0061""#, .tag("RELEASE"))
        #expect(script.outcome == .done)
        script.fail()
        #expect(script.takeEvents() == [])
    }

    @Test("a session that is lost while a base is set, before or after the statement, is no sign of an error")
    func baseLost() {
        var script = CheckedOutScript.transaction(1)
        script.run("SAVEPOINT a")
        script.lose()
        #expect(script.sent == [.body])
        script.lose()
        #expect(script.outcome == .failed(.lost))
        #expect(!script.session.savepoints.isBaseSet)
        script = .transaction(1)
        script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
        script.run("RELEASE swift_postgres_lock_base")
        script.answer(.tag("RELEASE"))
        script.lose()
        #expect(script.outcome == .done, "it was answered")
        #expect(script.takeEvents() == [])
    }

    // MARK: Rollbacks

    @Test("a rollback to a savepoint releases the locks since, and reports them")
    func rollback() {
        var script = CheckedOutScript.transaction(1, .shared)
        script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
        script.take(3, .shared)
        script.take(2)
        script.run("ROLLBACK TO a")
        script.answer(.tag("ROLLBACK"))
        #expect(script.sent == [.areHeld((1, .shared), (2, .exclusive), (3, .shared))])
        #expect(script.submission?.isCancellable == false)
        script.answer(.rows(true, false, true))
        #expect(script.outcome == .done)
        #expect(script.takeEvents() == [.rolledBack(2, to: nil)])
        #expect(script.heldKeys == [1, 3])
        script.fail()
        #expect(script.takeEvents() == [.released([3], isAll: false, because: .failed(.divided))], "2 is forgotten")
    }

    @Test("answers before a loss are not matched with other locks")
    func rollbackLost() {
        var script = CheckedOutScript.transaction(1, further: [2])
        script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
        script.run("ROLLBACK TO a")
        script.answer(.tag("ROLLBACK"))
        script.lose(after: [.row(false)])
        #expect(script.outcome == .done)
        #expect(script.takeEvents() == [])
    }

    @Test("a rollback of a transaction without a lock has nothing to look for")
    func rollbackUnlocked() {
        var script = CheckedOutScript.transaction()
        script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
        script.run("ROLLBACK TO a")
        script.answer(.tag("ROLLBACK"))
        #expect(script.outcome == .done)
    }

    @Test("a rollback after which the first lock is gone was the end of the transaction, which another one follows")
    func chained() {
        var script = CheckedOutScript.transaction(1, further: [2])
        script.run("ROLLBACK AND CHAIN")
        script.answer(.tag("ROLLBACK"))
        script.answer(.rows(false, false))
        #expect(script.outcome == .endedBySQL(nil))
        #expect(script.isLost)
    }

    @Test("a lock that was shared, and was taken alone since, is shared again after a rollback to between the two")
    func sharedAgain() {
        var script = CheckedOutScript.transaction(1)
        script.take(2, .shared)
        script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
        script.take(2)
        script.run("ROLLBACK TO a")
        script.answer(.tag("ROLLBACK"))
        #expect(script.sent == [.areHeld((1, .exclusive), (2, .exclusive), (2, .shared))])
        script.answer(.rows(true, false, true))
        #expect(script.outcome == .done)
        #expect(script.takeEvents() == [.rolledBack(2, to: .shared)])
        #expect(script.heldKeys == [1, 2])
        script.run("ROLLBACK TO b")
        script.answer(.tag("ROLLBACK"))
        #expect(script.sent == [.areHeld((1, .exclusive), (2, .shared))], "There is nothing below it any more.")
        script.answer(.rows(true, false))
        #expect(script.takeEvents() == [.rolledBack(2, to: nil)])
        #expect(script.heldKeys == [1])
    }

    @Test("a lock that is reported during the look is looked for too, and answers are not mistaken for those about other locks")
    func toldMeanwhile() {
        var script = CheckedOutScript.transaction(5, further: [2])
        script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
        script.run("ROLLBACK TO a")
        script.answer(.tag("ROLLBACK"))
        #expect(script.sent == [.areHeld((5, .exclusive), (2, .exclusive))])
        script.noteLock(1, .exclusive)
        script.answer(.rows(true, false))
        #expect(script.takeEvents() == [.rolledBack(2, to: nil)])
        #expect(script.sent == [.areHeld((5, .exclusive), (1, .exclusive))])
        script.answer(.rows(true, false))
        #expect(script.outcome == .done)
        #expect(script.takeEvents() == [.rolledBack(1, to: nil)])
        #expect(script.heldKeys == [5])
    }

    @Test("answers that don't fit what was looked for leave open what is held, so the session is given up")
    func unfitting() {
        for replies in [[.row(true)], [.rows(true, true, true)], [.ok], []] as [[Reply]] {
            var script = CheckedOutScript.transaction(1, further: [2])
            script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
            script.run("ROLLBACK TO a")
            script.answer(.tag("ROLLBACK"))
            script.answer(each: replies)
            #expect(script.isLost)
        }
    }

    @Test("many locks are looked for by one statement, and a rollback costs no more than their number", .timeLimit(.minutes(10)))
    func many() {
        let count: Int64 = 200_000
        var script = CheckedOutScript.transaction(-1)
        script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
        for key in 0..<count { script.noteLock(AdvisoryKey(key), .exclusive) }
        script.run("ROLLBACK TO a")
        script.answer(.tag("ROLLBACK"))
        #expect(script.sent?.count == 1)
        script.answer(Reply(rows: [true] + (0..<count).map { $0.isMultiple(of: 2) }, transaction: .open))
        #expect(script.outcome == .done)
        #expect(script.heldKeys.count == 1 + Int(count) / 2)
        #expect(script.takeEvents().count == Int(count) / 2)
    }

    @Test("a lock that is shared again is no more at risk than before it was taken alone")
    func sharedAgainSheltered() {
        var script = CheckedOutScript.transaction(1)
        script.pass("SAVEPOINT x", .tag("SAVEPOINT"))
        script.take(2, .shared)
        script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
        script.take(2)
        script.run("ROLLBACK TO a")
        script.answer(.tag("ROLLBACK"))
        script.answer(.rows(true, false, true))
        #expect(script.takeEvents() == [.rolledBack(2, to: .shared)])
        script.fail()
        #expect(script.takeEvents() == [], "The savepoints before it keep the lock.")
        #expect(script.heldKeys == [1, 2])
    }

    @Test("a failed look after a rollback aborts the transaction, and the released locks are reported")
    func lookFails() {
        var script = CheckedOutScript.transaction(1)
        script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
        script.take(2)
        script.run("ROLLBACK TO a")
        script.answer(.tag("ROLLBACK"))
        script.answer(.failed(.divided))
        #expect(script.outcome == .failed(.failed(.divided)))
        #expect(script.takeEvents() == [.released([2], isAll: false, because: .failed(.divided))])
        #expect(script.heldKeys == [1])
    }

    @Test("a chained transaction that was begun without a lock goes on, with a base of its own")
    func chainedUnlocked() {
        var script = CheckedOutScript.transaction(further: [2])
        script.pass("SAVEPOINT a", .tag("SAVEPOINT"))
        script.run("ROLLBACK AND CHAIN")
        script.answer(.tag("ROLLBACK"))
        script.answer(.row(false))
        #expect(script.sent == [.setSavepoint(.base)])
        script.answer()
        #expect(script.outcome == .done)
        #expect(script.heldKeys == [])
        #expect(script.takeEvents() == [.rolledBack(2, to: nil)])
    }

    // MARK: Ends by SQL

    @Test("SQL that ends the transaction has ended its locks, and the session is given up")
    func ends() throws {
        for reply in [Reply.tag("COMMIT", .none), .tag("ROLLBACK", .none), .tag("COMMIT", .open), .tag("PREPARE TRANSACTION", .none)] {
            for first in [nil, 1] as [AdvisoryKey?] {
                var script = CheckedOutScript.transaction(first)
                script.run("COMMIT")
                script.answer(reply)
                #expect(script.outcome == .endedBySQL(nil))
                #expect(script.isLost)
                let events = script.takeEvents()
                guard case .givenUp = events.first, events.count == 1 else { throw Unexpected(events) }
            }
        }
    }

    @Test("SQL that fails, and ends the transaction, says both")
    func endsFailing() {
        var script = CheckedOutScript.transaction(1)
        script.run("COMMIT")
        script.answer(.failed(.divided, .none))
        #expect(script.outcome == .endedBySQL(.divided))
        #expect(script.isLost)
    }

    @Test("a session that is lost by a statement ends it by the loss, and is not given up besides")
    func lost() {
        for isNoted in [true, false] {
            var script = CheckedOutScript.transaction(1)
            script.run("SELECT pg_terminate_backend(pg_backend_pid())")
            script.lose(isNoted: isNoted)
            #expect(script.outcome == .failed(.lost))
            #expect(script.takeEvents() == [])
        }
    }

    @Test("a loss that comes with the answer is no end by SQL, and no error's doing")
    func lostWithAnswer() {
        for reply in [Reply.tag("COMMIT", .none), .tag("ROLLBACK", .open)] {
            var script = CheckedOutScript.transaction(1)
            script.run("COMMIT")
            script.session.noteLost(.lost)
            script.answer(reply)
            #expect(script.outcome == .done)
            #expect(script.takeEvents() == [])
        }
        for state in [CheckedOutSession.TransactionState.none, .aborted] {
            var script = CheckedOutScript.transaction(1)
            script.run("SELECT 1/0")
            script.session.noteLost(.lost)
            script.answer(.failed(.divided, state))
            #expect(script.outcome == .failed(.divided))
            #expect(script.takeEvents() == [])
        }
    }

    @Test("no statement of a body is sent after its end, also behind the base")
    func atEnd() {
        var script = CheckedOutScript.transaction(1)
        script.run("SAVEPOINT a")
        script.session.beginEnd()
        script.answer()
        #expect(script.outcome == .atEnd)
        script.run("SELECT 1")
        #expect(script.outcome == .atEnd)
        #expect(script.submission == nil)
    }
}
