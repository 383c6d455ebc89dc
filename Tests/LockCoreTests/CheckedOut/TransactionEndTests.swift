import Testing

@testable import LockCore

@Suite("The end of a transaction")
struct TransactionEndTests {
    typealias Reply = CheckedOutSession.Reply

    @Test("a commit is not cancelled, has its own limit, and the reset goes behind it, apart from its answer")
    func commit() {
        var script = CheckedOutScript.transaction(1)
        script.now = .zero.advanced(by: .seconds(1))
        script.session.beginEnd()
        script.commit()
        #expect(script.sent == [.commit])
        #expect(script.submission?.further == [.plainReset])
        #expect(script.submission?.answerBy == Duration.seconds(8).instant)
        #expect(script.submission?.isCancellable == false)
        script.answer(each: [.tag("COMMIT", .none), .ok])
        #expect(script.outcome == .commitAnswered(tag: "COMMIT"))
        #expect(script.isClean)
        #expect(!script.isLost)
    }

    @Test("the session of a body that has run SQL is reset thoroughly, and as one that may be deferrable where the SQL says so")
    func thoroughReset() {
        var script = CheckedOutScript.transaction()
        script.pass("SELECT 1")
        script.commit()
        #expect(script.submission?.further == [.thoroughReset])
        script = .transaction()
        script.pass("SET TRANSACTION DEFERRABLE")
        script.rollBack()
        #expect(script.sent == [.rollBack, .reset(isThorough: true, mayDefer: true)])
    }

    @Test("a commit that the server has turned into a rollback says so")
    func rolledBack() {
        var script = CheckedOutScript.transaction(1)
        script.commit()
        script.answer(each: [.tag("ROLLBACK", .none), .ok])
        #expect(script.outcome == .commitAnswered(tag: "ROLLBACK"))
        script = .transaction(1)
        script.commit()
        script.answer(each: [.ok, .ok])
        #expect(script.outcome == .commitAnswered(tag: ""))
    }

    @Test("a failed commit is no commit, and its session is clean")
    func failed() {
        var script = CheckedOutScript.transaction(1)
        script.commit()
        script.answer(each: [.failed(.divided, .none), .ok])
        #expect(script.outcome == .failed(.divided))
        #expect(script.isClean)
    }

    @Test("a commit that was answered counts, whatever becomes of the session afterwards")
    func lostAfterwards() {
        for replies in [[Reply.tag("COMMIT", .none)], [.tag("COMMIT", .none), .ok]] {
            var script = CheckedOutScript.transaction(1)
            script.commit()
            script.lose(after: replies)
            #expect(script.outcome == .commitAnswered(tag: "COMMIT"))
            #expect(!script.isClean)
        }
    }

    @Test("the outcome of an unanswered commit is unknown, with the reason", arguments: [true, false])
    func unknown(isNoted: Bool) {
        var script = CheckedOutScript.transaction(1)
        script.commit()
        script.lose(isNoted: isNoted)
        #expect(script.outcome == .commitUnknown(.lost))
        #expect(!script.isClean)
    }

    @Test("a transaction ends by the loss that was reported before, not by that of the answer")
    func firstReason() {
        var script = CheckedOutScript.transaction(1)
        script.session.noteLost(.full)
        script.session.noteLost(.closing)
        script.commit()
        script.lose()
        #expect(script.outcome == .commitUnknown(.full))
    }

    @Test("a commit that was answered by nothing at all is unknown")
    func nothing() throws {
        var script = CheckedOutScript.transaction(1)
        script.commit()
        script.answer(each: [])
        guard case .commitUnknown(let failure) = script.outcome else { throw Unexpected(script.outcome as Any) }
        #expect(failure.kind == .connectionLost)
        #expect(!script.isClean)
    }

    @Test(
        "a transaction's session whose reset has failed, or is not complete, is not used for other calls",
        arguments: [[Reply.failed(.divided)], []]
    )
    func resetFailed(resets: [Reply]) {
        var script = CheckedOutScript.transaction(1)
        script.commit()
        script.answer(each: [.tag("COMMIT", .none)] + resets)
        #expect(script.outcome == .commitAnswered(tag: "COMMIT"))
        #expect(!script.isClean)
    }

    @Test("with nothing to reset, a session whose commit has failed is used for other calls only if its transaction has ended")
    func nothingToReset() {
        for (reply, isClean) in [(Reply.failed(.cancelledByServer), false), (.failed(.divided, .none), true)] {
            var script = CheckedOutScript.transaction(1) { $0.hasSettings = false }
            script.commit()
            #expect(script.submission?.further == [])
            script.answer(each: [reply])
            #expect(script.isClean == isClean)
        }
    }

    @Test("a transaction that is marked for rollback is rolled back where it was to be committed")
    func rollbackOnly() {
        var script = CheckedOutScript.transaction(1)
        script.session.markRollbackOnly()
        #expect(script.session.unusable == .rollbackOnly)
        script.commit()
        #expect(script.sent == [.rollBack, .plainReset])
        script.answer()
        #expect(script.outcome == .unusable(.rollbackOnly))
        #expect(script.isClean)
    }

    @Test("a transaction that an error has aborted is rolled back, and the manager's decision is the reason if there are both")
    func aborted() {
        var script = CheckedOutScript.transaction(1)
        script.fail()
        #expect(script.session.isAborted)
        script.commit()
        script.answer()
        #expect(script.outcome == .unusable(.aborted))
        script = .transaction(1)
        script.fail()
        script.session.markRollbackOnly()
        script.commit()
        script.answer()
        #expect(script.outcome == .unusable(.rollbackOnly))
    }

    @Test("a transaction that can only be rolled back takes no more locks, and runs no more SQL")
    func refuses() {
        var script = CheckedOutScript.transaction(1)
        script.session.markRollbackOnly()
        script.lock(2)
        #expect(script.outcome == .unusable(.rollbackOnly))
        script.run("SELECT 1")
        #expect(script.outcome == .unusable(.rollbackOnly))
        script = .transaction(1)
        script.fail()
        script.lock(2)
        #expect(script.outcome == .unusable(.aborted))
        script.run("SAVEPOINT a")
        #expect(script.outcome == .unusable(.aborted))
        #expect(script.submission == nil)
    }

    @Test("a rollback is not cancelled, has the limit of any answer, and the session is clean if it and the reset were done")
    func rollBack() {
        let answers: [([Reply], Bool)] = [
            ([.ok, .ok], true), ([.failed(.divided), .ok], false), ([.ok, .failed(.divided)], false), ([.ok], false),
        ]
        for (replies, isClean) in answers {
            var script = CheckedOutScript.transaction(1)
            script.session.beginEnd()
            script.rollBack()
            #expect(script.sent == [.rollBack, .plainReset])
            #expect(script.submission?.answerBy == Duration.seconds(5).instant)
            script.answer(each: replies)
            #expect(script.outcome == .done)
            #expect(script.isClean == isClean)
        }
    }

    @Test("a session that is lost is not rolled back, and one that is lost meanwhile is not clean")
    func lost() {
        var script = CheckedOutScript.transaction(1)
        script.session.noteLost(.lost)
        script.rollBack()
        #expect(script.outcome == .done)
        #expect(script.submission == nil)
        #expect(!script.isClean)
        script = .transaction(1)
        script.rollBack()
        script.lose(after: [.ok, .ok])
        #expect(script.outcome == .done)
        #expect(!script.isClean)
    }
}
