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

    @Test(
        "a statement of the body that has succeeded counts, also if it was cancelled meanwhile",
        arguments: [Engine.EndCause.cancelled, .timedOut(nil)]
    )
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
