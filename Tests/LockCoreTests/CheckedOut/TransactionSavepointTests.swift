import Testing

@testable import LockCore

@Suite("Savepoints and rollbacks of a transaction's body")
struct TransactionSavepointTests {
    typealias Reply = CheckedOutSession.Reply

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
}
