import Testing

@testable import LockCore

@Suite("The settings of an explicit session")
struct SessionSettingsTests {
    private static func script(_ configure: (inout CheckedOutSession.Settings) -> Void = { _ in }) -> CheckedOutScript {
        .session {
            $0.hasRoleSettings = true
            configure(&$0)
        }
    }

    @Test("the body's first statement gets the settings of the role, and the session is reset thoroughly from then on")
    func role() {
        var script = Self.script()
        script.run("SELECT 1")
        #expect(script.sent == [.roleSettings])
        #expect(script.submission?.isCancellable == false)
        script.answer()
        #expect(script.sent == [.body])
        script.answer()
        #expect(script.outcome == .done)
        script.run("SELECT 1")
        #expect(script.sent == [.body])
        script.answer()
        script.end()
        #expect(script.sent == [.thoroughReset])
    }

    @Test("a session whose role has no settings is given none")
    func noRole() {
        var script = CheckedOutScript.session()
        script.run("SELECT 1")
        #expect(script.sent == [.body])
    }

    @Test("settings that fail, or are lost, fail the statement, which is not run, and are given to the next one")
    func fails() {
        var script = Self.script()
        script.run("SELECT 1")
        script.answer(.failed(.divided))
        #expect(script.outcome == .failed(.divided))
        script.run("SELECT 1")
        #expect(script.sent == [.roleSettings])
        script.lose(isNoted: false)
        #expect(script.outcome == .failed(.lost))
        script.end()
        #expect(script.sent == [.thoroughReset], "half of them may be there")
    }

    @Test(
        "the library's own statements in a session that may be deferrable are not, from its body's first statement on",
        arguments: ["on", "off", nil]
    )
    func deferrable(value: String?) {
        var script = Self.script { $0.mayDefer = true }
        script.lock(1)
        #expect(script.sent == [.tryLock(1, .exclusive)], "before the body's first statement ours are as they should be")
        script.answer(.row(true))
        script.pass("SELECT 1")
        script.answer()
        script.lock(2)
        #expect(script.sent == [.showDeferrable, .doNotDefer])
        #expect(script.submission?.isCancellable == false)
        script.answer(each: [.text(value), .ok])
        #expect(script.sent == [.tryLock(2, .exclusive)])
        script.answer(.row(true))
        script.unlock(2)
        #expect(script.sent == [.unlock(2)], "once is enough")
        script.answer(.row(true))
        script.run("SELECT 1")
        #expect(script.sent == [.setDeferrable(value == "on" ? "on" : "off")])
        script.answer()
        script.answer()
        script.unlock(1)
        #expect(script.sent == [.showDeferrable, .doNotDefer])
        script.answer(each: [.text(value), .ok])
        #expect(script.sent == [.unlock(1)])
    }

    @Test("SQL that may make a session deferrable is taken into account, also at the session's end")
    func byBody() {
        var script = CheckedOutScript.session(holding: [1])
        script.pass("SET default_transaction_DEFERRABLE = on")
        script.end()
        #expect(script.sent == [.showDeferrable, .doNotDefer])
        script.answer(each: [.text("on"), .ok])
        #expect(script.sent == [.unlock(1), .reset(isThorough: true, mayDefer: true)])
        script.answer(each: [.row(true), .ok])
        #expect(script.isClean)
    }

    @Test("the end of a session that holds nothing does not depend on whether it may be deferrable")
    func endEmpty() {
        var script = CheckedOutScript.session()
        script.pass("SET default_transaction_deferrable = on")
        script.end()
        #expect(script.sent == [.reset(isThorough: true, mayDefer: true)])
    }

    @Test("a session that is lost while the library's own statements are prepared ends them by the loss", arguments: [true, false])
    func lost(isNoted: Bool) {
        var script = CheckedOutScript.session(holding: [1])
        script.pass("SET default_transaction_deferrable = on")
        script.lock(2)
        script.lose(isNoted: isNoted)
        #expect(script.sent == [.tryLock(2, .exclusive)])
        script.lose()
        #expect(script.outcome == .failed(.lost))
        script = .session(holding: [1])
        script.pass("SET default_transaction_deferrable = on")
        script.unlock(1)
        script.lose(isNoted: isNoted)
        script.lose()
        #expect(script.outcome == .failed(.lost))
    }

    @Test("what the body's value was is not forgotten by a loss, nor made up")
    func lostValue() {
        var script = CheckedOutScript.session(holding: [1])
        script.pass("SET default_transaction_deferrable = on")
        script.lock(2)
        script.lose(isNoted: false)
        #expect(script.session.deferrable == nil)
    }

    @Test("a transaction that the body has begun is rolled back, and that is an error", arguments: ["BEGIN", "START TRANSACTION"])
    func begin(tag: String) {
        var script = CheckedOutScript.session(holding: [1])
        script.run("BEGIN")
        script.answer(.tag(tag))
        #expect(script.sent == [.rollBack])
        #expect(script.submission?.isCancellable == false)
        script.answer()
        #expect(script.outcome == .begunBySQL)
        #expect(script.heldKeys == [1])
        var transaction = CheckedOutScript.transaction(1)
        transaction.pass("BEGIN", .tag(tag))
        #expect(transaction.outcome == .done, "there it is a warning of the server")
    }

    @Test("savepoints, ends and failures of a session's statements have no meaning for its locks")
    func statements() {
        var script = CheckedOutScript.session(holding: [1])
        for reply in [CheckedOutSession.Reply.tag("COMMIT", .none), .tag("ROLLBACK", .none), .tag("SELECT", .none)] {
            script.run("SAVEPOINT")
            #expect(script.sent == [.body])
            script.answer(reply)
            #expect(script.outcome == .done)
        }
        for state in [CheckedOutSession.TransactionState.none, .aborted] {
            script.run("SELECT 1/0")
            script.answer(.failed(.divided, state))
            #expect(script.outcome == .failed(.divided))
        }
        script.run("SELECT pg_sleep(1)")
        script.answer(.failed(.cancelledByServer), cause: .cancelled)
        #expect(script.outcome == .ended(.cancelled))
        #expect(script.takeEvents() == [])
        #expect(script.heldKeys == [1])
    }

    @Test("no statement of a body is sent after its end, also behind its settings")
    func atEnd() {
        var script = Self.script()
        script.run("SELECT 1")
        script.session.beginEnd()
        script.answer()
        #expect(script.outcome == .atEnd)
    }
}
