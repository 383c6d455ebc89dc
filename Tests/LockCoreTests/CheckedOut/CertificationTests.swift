import Testing

@testable import LockCore

@Suite("A lock on a checked-out session with a lease")
struct CertificationTests {
    /// Asks for a lock that is granted, up to the question whether the session lives.
    private static func granted(_ scope: CheckedOutSession.Scope, isFirst: Bool = false) -> CheckedOutScript {
        if isFirst {
            var script = CheckedOutScript(.transaction, first: 1) { $0.isLeased = true }
            script.open()
            script.answer(.row(true))
            return script
        }
        var script = scope == .session ? CheckedOutScript.session { $0.isLeased = true } : .transaction { $0.isLeased = true }
        script.lock(1)
        script.answer(.row(true))
        if scope == .transaction { script.answer() }
        return script
    }

    static let kinds: [(CheckedOutSession.Scope, Bool)] = [(.transaction, true), (.transaction, false), (.session, false)]

    @Test("a leased lock is given out if the session certainly lives, and not before that is known", arguments: kinds)
    func certain(scope: CheckedOutSession.Scope, isFirst: Bool) {
        var script = Self.granted(scope, isFirst: isFirst)
        #expect(script.isToCertify)
        #expect(script.outcome == nil)
        #expect(script.session.holdings.isEmpty)
        script.certify(true)
        #expect(script.outcome == .locked(nil))
        #expect(script.heldKeys == [1])
        #expect(script.takeEvents() == (isFirst ? [.granted] : []))
    }

    @Test("a leased lock is given out after the session has answered, if that makes it certain", arguments: kinds)
    func certainThen(scope: CheckedOutSession.Scope, isFirst: Bool) {
        var script = Self.granted(scope, isFirst: isFirst)
        script.certify(false)
        #expect(script.sent == [.nothing])
        #expect(script.submission?.isCancellable == false)
        script.answer()
        #expect(script.isToCertify)
        script.certify(true)
        #expect(script.outcome == .locked(nil))
    }

    @Test("a leased lock is not given out if the answer does not make it certain, and the session is given up", arguments: kinds)
    func suspect(scope: CheckedOutSession.Scope, isFirst: Bool) {
        var script = Self.granted(scope, isFirst: isFirst)
        _ = script.takeEvents()
        script.certify(false)
        script.answer()
        script.certify(false)
        #expect(script.outcome == .failed(Failure.suspect))
        #expect(script.takeEvents() == [.givenUp(Failure.suspect)])
        #expect(script.submission == nil)
        #expect(script.session.holdings.isEmpty)
    }

    @Test(
        "a leased lock of a transaction is not given out if the statement that checks the session fails, since the error has released the lock"
    )
    func failed() {
        var script = Self.granted(.transaction, isFirst: true)
        script.certify(false)
        script.answer(.failed(.cancelledByServer))
        #expect(script.sent == [.rollBack, .plainReset])
        script.answer()
        #expect(script.outcome == .failed(.cancelledByServer))
        script = Self.granted(.transaction)
        script.certify(false)
        script.answer(.failed(.cancelledByServer))
        #expect(script.sent == [.rollBackToSavepoint(.step), .releaseSavepoint(.step)])
        script.answer(each: [.failed(.divided), .failed(.inAborted)])
        #expect(script.outcome == .failed(.cancelledByServer))
        #expect(script.session.holdings.isEmpty)
    }

    @Test(
        "a leased lock of a session is given out also if the statement that checks the session fails, since the error shows that it lives"
    )
    func failedInSession() {
        var script = Self.granted(.session)
        script.certify(false)
        script.answer(.failed(.cancelledByServer, .none))
        script.certify(true)
        #expect(script.outcome == .locked(nil))
    }

    @Test("a leased lock is not given out if the session is lost while it is asked, or before", arguments: kinds)
    func lost(scope: CheckedOutSession.Scope, isFirst: Bool) {
        var script = Self.granted(scope, isFirst: isFirst)
        _ = script.takeEvents()
        script.certify(false)
        script.lose()
        #expect(script.outcome == .failed(.lost))
        #expect(script.submission == nil)
        for isCertain in [true, false] {
            script = Self.granted(scope, isFirst: isFirst)
            _ = script.takeEvents()
            script.session.noteLost(.lost)
            script.certify(isCertain)
            #expect(script.outcome == .failed(.lost))
            #expect(script.submission == nil)
            #expect(script.takeEvents() == [])
            #expect(script.session.holdings.isEmpty)
        }
    }

    @Test("a leased lock is certified behind its record, whose position is kept meanwhile")
    func fenced() {
        var script = CheckedOutScript.session {
            $0.isLeased = true
            $0.isFencing = true
        }
        script.lock(1)
        script.answer(.row(true))
        script.answer(.at(7))
        script.certify(false)
        script.answer()
        script.certify(true)
        #expect(script.outcome == .locked(.at(7)))
    }

    @Test("a leased lock that the body has taken by SQL is guarded, whether the session certainly lives or not", arguments: [true, false])
    func body(isCertain: Bool) {
        var script = CheckedOutScript.transaction { $0.isLeased = true }
        script.run("SELECT pg_advisory_xact_lock(1)", mayLock: true)
        script.answer(.tag("SELECT 1"))
        #expect(script.isToCertify)
        script.certify(isCertain)
        #expect(script.outcome == .done)
        script.run("SELECT 1")
        script.answer()
        #expect(!script.isToCertify)
        #expect(script.outcome == .done)
    }

    @Test("a lock without a lease needs no check of its session")
    func noLease() {
        var script = CheckedOutScript.transaction()
        script.run("SELECT pg_advisory_xact_lock(1)", mayLock: true)
        script.answer()
        #expect(!script.isToCertify)
        #expect(script.outcome == .done)
    }
}
