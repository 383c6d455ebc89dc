import Testing

@testable import LockCore

@Suite("What a server session is sent, and answers")
struct ServerSessionSendingTests {
    private static let start = ServerSession.start
    private static let later = Duration.seconds(1).instant

    @Test("answers come in the order in which the statements were sent, each with the time at which its own was")
    func order() {
        var session = ServerSession.shared()
        let works: [Engine.Work] = [.tryLock(1), .heartbeat, .unlock(2)]
        for (index, work) in works.enumerated() {
            let isSent = session.submit(work, now: Duration.seconds(index).instant)
            #expect(isSent)
        }
        #expect(session.works == works)
        #expect(session.sentCount == 3)
        for (index, work) in works.enumerated() {
            #expect(!session.isAnswered && !session.isFree)
            let submission = session.answered(now: Duration.seconds(9).instant)
            #expect(submission?.work == work)
            #expect(submission?.sentAt == Duration.seconds(index).instant)
            #expect(session.answeredCount == index + 1)
        }
        #expect(session.isAnswered && session.isFree)
    }

    @Test("an answer to nothing is a broken invariant, and changes nothing else")
    func unasked() {
        for session in ServerSession.inEachState where session.isAnswered {
            var broken = session
            let submission = broken.answered(now: Self.later)
            #expect(submission == nil)
            #expect(broken.brokenInvariant == "an answer came while it was \(session.state.name)")
            #expect(broken.everythingElse == session.everythingElse)
        }
    }

    @Test("nothing but heartbeats is under way on a quiet session")
    func quiet() {
        #expect(ServerSession.idle().isQuiet)
        #expect(ServerSession.holding().after { _ = $0.submit(.heartbeat, now: Self.start) }.isQuiet)
        #expect(!ServerSession.unlocking().isQuiet)
        #expect(!Self.cancelled(.waiting()).isQuiet)
    }

    // MARK: Held back

    private static func cancelled(_ session: ServerSession, _ cause: Engine.EndCause? = nil) -> ServerSession {
        session.after {
            let isSent = $0.requestCancel(.request(cause))
            #expect(isSent)
            $0.noteCancelSent()
        }
    }

    @Test(
        "while a cancel request is unanswered nothing is sent; what was held back goes out in order when it can't be struck any more",
        arguments: [true, false]
    )
    func heldBack(isStatementAnsweredFirst: Bool) {
        var session = Self.cancelled(.waiting())
        func settle(_ session: inout ServerSession) -> ServerSession.Settled? { session.settle(now: Self.later) }
        if isStatementAnsweredFirst { _ = session.answered(now: Self.start) }
        for work in [.releaseAll, .heartbeat] as [Engine.Work] {
            let isSent = session.submit(work, now: Self.start)
            #expect(!isSent)
        }
        #expect(session.sentCount == 1)
        #expect(settle(&session) == nil)
        if isStatementAnsweredFirst {
            session.cancelAnswered(.notFound, now: Self.start)
        } else {
            session.cancelAnswered(.notFound, now: Self.start)
            #expect(settle(&session) == nil, "the wait is not answered")
            _ = session.answered(now: Self.start)
        }
        #expect(settle(&session)?.submitted == [.releaseAll, .heartbeat])
        #expect(session.cancelRequest == nil)
        #expect(session.works == [.releaseAll, .heartbeat])
        #expect(session.liveness.lastSent == Self.later)
        #expect(settle(&session)?.submitted == [], "once")
    }

    @Test("a statement that is answered ends with the cause of its cancel request, and not before that is answered too")
    func settled() throws {
        var plain = ServerSession.running()
        _ = plain.answered(now: Self.later)
        let uncancelled = try #require(plain.settle(now: Self.later)?.statement)
        #expect(uncancelled.call == 7)
        #expect(uncancelled.cause == nil)
        #expect(plain.statement == nil)
        var session = Self.cancelled(.running(), .cancelled)
        _ = session.answered(now: Self.later)
        #expect(session.statement?.isAnswered == true && session.runningStatement == nil)
        let early = session.settle(now: Self.later)
        #expect(early == nil)
        session.cancelAnswered(.notFound, now: Self.later)
        let statement = try #require(session.settle(now: Self.later)?.statement)
        #expect(statement.call == 7)
        #expect(statement.cause == .cancelled)
        #expect(session.state == .checkedOut(.init()))
    }

    @Test("a running statement does not end before it is answered, whatever is settled before")
    func running() {
        var session = ServerSession.running()
        let settled = session.settle(now: Self.later)
        #expect(settled != nil && settled?.statement == nil)
        #expect(session.runningStatement?.call == 7)
    }

    @Test("an answer to a heartbeat does not end the statement behind it")
    func behindHeartbeat() {
        var session = ServerSession.idle(.checkedOut)
        _ = session.submit(.heartbeat, now: Self.start)
        session.checkOut()
        _ = session.run(.init(call: 7, sentAt: Self.start, answerBy: nil, lockWait: nil, renewals: nil))
        _ = session.submit(.statement(7), now: Self.start)
        let first = session.answered(now: Self.later)
        #expect(first?.work == .heartbeat)
        #expect(session.runningStatement?.call == 7)
        let second = session.answered(now: Self.later)
        #expect(second?.work == .statement(7))
        #expect(session.runningStatement == nil)
    }

    // MARK: Cancelling

    @Test("only a wait or an unanswered statement is cancelled")
    func cancellable() {
        for session in [ServerSession.waiting(), .running()] {
            #expect(Self.cancelled(session).cancelRequest != nil)
        }
        for session in [ServerSession.checkedOut(), .running().after { _ = $0.answered(now: Self.later) }] {
            var idle = session
            let isSent = idle.requestCancel(.request())
            #expect(!isSent)
            #expect(idle.everythingElse == session.everythingElse)
            #expect(idle.brokenInvariant == nil)
        }
    }

    @Test("to cancel what can't run for long is a broken invariant, and changes nothing else")
    func notCancellable() {
        for session in ServerSession.inEachState where !session.isWaiting && !session.isCheckedOut {
            var broken = session
            let isSent = broken.requestCancel(.request())
            #expect(!isSent)
            #expect(broken.brokenInvariant == "what it runs was to be cancelled while it was \(session.state.name)")
            #expect(broken.everythingElse == session.everythingElse)
        }
    }

    @Test("a second reason to cancel sends no second request, and replaces the first only if that was to begin anew")
    func superseded() {
        for (first, second, expected) in [(.renewed, .cancelled, .cancelled), (.cancelled, .timedOut(nil), .cancelled)]
            as [(Engine.EndCause, Engine.EndCause, Engine.EndCause)]
        {
            var session = Self.cancelled(.running(), first)
            let isSent = session.requestCancel(.request(second))
            #expect(!isSent)
            #expect(session.cancelRequest?.cause == expected)
        }
    }

    @Test("a cancel request whose answer comes after the session has gone on changes nothing")
    func lateCancel() {
        let session = ServerSession.holding()
        let late = session.after {
            $0.noteCancelSent()
            $0.cancelAnswered(.refused, now: Self.later)
        }
        #expect(late.everythingElse == session.everythingElse)
    }

    @Test("a cancel request that is settled, and is kept all the same, is a broken invariant")
    func keptCancel() {
        let settled = ServerSession.waiting().after {
            _ = $0.requestCancel(.request())
            _ = $0.answered(now: Self.later)
            $0.hold(1)
        }
        #expect(settled.isBroken())
    }
}
