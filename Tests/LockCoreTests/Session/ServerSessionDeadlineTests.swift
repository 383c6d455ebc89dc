import Testing

@testable import LockCore

@Suite("When a server session has something to do")
struct ServerSessionDeadlineTests {
    private static let configuration = Engine.Configuration()

    /// A lease of 6 s, with heartbeats every 2 s.
    private static let leased = {
        var configuration = Engine.Configuration()
        configuration.lease = .seconds(6)
        configuration.heartbeatInterval = .seconds(2)
        return configuration
    }()

    private static func at(_ seconds: Int) -> Instant { Duration.seconds(seconds).instant }

    private static func due(
        _ session: ServerSession,
        _ configuration: Engine.Configuration = configuration,
        heardAt: Instant = ServerSession.start
    ) -> Instant {
        session.due(configuration, heardAt: heardAt)
    }

    /// The tests below count on that.
    @Test("by default an answer may take 30 seconds, a heartbeat is due after 10, and an idle session is closed after 60")
    func defaults() {
        #expect(Self.configuration.responseTimeout == .seconds(30))
        #expect(Self.configuration.heartbeatInterval == .seconds(10))
        #expect(Self.configuration.idleTimeout == .seconds(60))
        #expect(Self.configuration.lease == nil)
    }

    // MARK: The response deadline

    @Test("an attempt to connect has its own limit, or none")
    func connecting() {
        #expect(Self.due(.connecting()) == .distantFuture)
        let limited = ServerSession.connecting().after { $0.connecting(.init(until: Self.at(3))) }
        #expect(limited.deadline(Self.configuration) == Self.at(3))
        #expect(Self.due(limited) == Self.at(3))
    }

    @Test("the response deadline of a session counts from the oldest unanswered statement, and anew from each answer")
    func response() {
        var session = ServerSession.shared()
        #expect(session.deadline(Self.configuration) == .distantFuture)
        _ = session.submit(.tryLock(1), now: Self.at(1))
        _ = session.submit(.tryLock(2), now: Self.at(5))
        #expect(Self.due(session) == Self.at(31))
        _ = session.answered(now: Self.at(10))
        #expect(Self.due(session) == Self.at(40))
        _ = session.answered(now: Self.at(20))
        #expect(session.deadline(Self.configuration) == .distantFuture)
    }

    @Test("no answer is waited for beyond the end of the lease")
    func leaseEnd() {
        let session = ServerSession.shared().after { _ = $0.submit(.tryLock(1), now: Self.at(1)) }
        #expect(session.deadline(Self.leased) == Self.at(7))
    }

    @Test("the answer to what was cancelled is waited for no longer than the lease, also after the caller's deadline")
    func cancelledWithinLease() {
        #expect(ServerSession.waiting().cancelLimit(.timedOut(nil), Self.configuration) == .seconds(10))
        #expect(ServerSession.waiting().cancelLimit(.timedOut(nil), Self.leased) == .seconds(6))
    }

    @Test("a wait, and a statement without a limit, have no response deadline")
    func lasting() {
        #expect(ServerSession.waiting().deadline(Self.configuration) == .distantFuture)
        #expect(ServerSession.running().deadline(Self.configuration) == .distantFuture)
    }

    @Test("what a session owes ahead of a wait has its response deadline, and the wait has none when it is its turn")
    func waitBehindHeartbeat() {
        var session = ServerSession.idle().after { _ = $0.submit(.heartbeat, now: Self.at(1)) }
        session.beginWait(for: 1)
        _ = session.submit(.wait(1, .exclusive, limit: nil), now: Self.at(5))
        #expect(session.deadline(Self.configuration) == Self.at(31))
        _ = session.answered(now: Self.at(6))
        #expect(session.deadline(Self.configuration) == .distantFuture)
    }

    @Test("a statement with a limit has that, also behind a heartbeat, until it is answered")
    func explicitLimit() {
        var session = ServerSession.idle(.checkedOut).after { _ = $0.submit(.heartbeat, now: Self.at(1)) }
        session.checkOut()
        _ = session.run(.init(call: 7, sentAt: Self.at(2), answerBy: Self.at(4), lockWait: nil, renewals: nil))
        _ = session.submit(.statement(7), now: Self.at(2))
        #expect(session.deadline(Self.configuration) == Self.at(4))
        #expect(Self.due(session) == Self.at(4))
        _ = session.answered(now: Self.at(3))
        #expect(session.deadline(Self.configuration) == Self.at(4), "that was the answer to the heartbeat")
        _ = session.answered(now: Self.at(3))
        #expect(session.deadline(Self.configuration) == .distantFuture)
    }

    @Test("a limit beyond the response timeout does not put off the deadline of what was sent before")
    func longLimit() {
        var session = ServerSession.idle(.checkedOut).after { _ = $0.submit(.heartbeat, now: Self.at(1)) }
        session.checkOut()
        _ = session.run(.init(call: 7, sentAt: Self.at(2), answerBy: Self.at(100), lockWait: nil, renewals: nil))
        _ = session.submit(.statement(7), now: Self.at(2))
        #expect(session.deadline(Self.configuration) == Self.at(31))
    }

    @Test("an answer that the server says it has given is waited for no longer than any other")
    func missedAnswer() {
        for session in [ServerSession.waiting(), .running()] {
            let missed = session.after { $0.noteAnswerMissed(now: Self.at(3)) }
            #expect(missed.deadline(Self.configuration) == Self.at(33))
            #expect(missed.after { $0.noteActive() }.deadline(Self.configuration) == .distantFuture)
        }
    }

    // MARK: Cancel requests

    @Test("a session that does not answer is closed at the limit of its cancel request, and the request is repeated before")
    func cancelRequest() {
        var session = ServerSession.waiting()
        _ = session.requestCancel(.request(giveUpAt: .seconds(20)))
        #expect(Self.due(session) == Self.at(20), "The server is not asked about it any more.")
        session.noteCancelSent()
        session.cancelAnswered(.notFound, now: Self.at(1))
        #expect(Self.due(session) == Duration.milliseconds(1002).instant)
    }

    // MARK: Of no use

    @Test("an idle session is closed after the idle timeout, counted from when it became idle")
    func idle() {
        let session = ServerSession.checkedOut().after { $0.becomeIdle(now: Self.at(7)) }
        #expect(session.idleEnd(Self.configuration) == Self.at(67))
        #expect(Self.due(session) == Self.at(67))
        for other in ServerSession.inEachState where !other.isIdle { #expect(other.idleEnd(Self.configuration) == nil) }
    }

    // MARK: Heartbeats

    @Test("without a lease, a session gives heartbeats only if it holds something and owes no answer, or is asked about if it waits")
    func heartbeats() {
        for session in ServerSession.inEachState {
            let isDue = ["waiting", "holding a lock"].contains(session.state.name)
            #expect(session.heartbeat(Self.configuration) == (isDue ? Self.at(10) : nil), "\(session.state.name)")
        }
        #expect(ServerSession.shared().after { $0.noteHeld(1) }.heartbeat(Self.configuration) == Self.at(10))
    }

    @Test("with a lease, every session that the server would end for silence gives heartbeats, and is asked about while it runs")
    func leasedHeartbeats() {
        let silent: Set = ["connecting", "releasing its lock", "verifying that it holds nothing", "writing a record"]
        for session in ServerSession.inEachState {
            #expect(session.heartbeat(Self.leased) == (silent.contains(session.state.name) ? nil : Self.at(2)), "\(session.state.name)")
        }
    }

    @Test("a heartbeat is due so long after the last thing that was sent, or the last question about the session")
    func lastSent() {
        let session = ServerSession.waiting().after { $0.noteAsked(now: Self.at(3)) }
        #expect(session.heartbeat(Self.configuration) == Self.at(13))
        var shared = ServerSession.shared().after { $0.noteHeld(1) }
        _ = shared.submit(.tryLock(1), now: Self.at(4))
        #expect(shared.heartbeat(Self.configuration) == nil, "It owes an answer.")
        _ = shared.answered(now: Self.at(5))
        #expect(shared.heartbeat(Self.configuration) == Self.at(14))
    }

    @Test("a wait that is being cancelled is not asked about; a statement that is being cancelled is")
    func cancelled() {
        #expect(ServerSession.waiting().after { _ = $0.requestCancel(.request()) }.heartbeat(Self.leased) == nil)
        #expect(ServerSession.running().after { _ = $0.requestCancel(.request()) }.heartbeat(Self.leased) == Self.at(2))
    }

    // MARK: Doubt

    @Test("locks come in doubt at the end of their validity, once, and only where there is a lease and something is held")
    func validity() {
        let session = ServerSession.holding().after { _ = $0.renew(answerTo: Self.at(1), validFor: .zero) }
        #expect(session.validityEnd(Self.leased) == Self.at(1))
        #expect(Self.due(session, Self.leased) == Self.at(1))
        #expect(session.validityEnd(Self.configuration) == nil)
        #expect(session.after { $0.noteSuspect() }.validityEnd(Self.leased) == nil)
        for other in ServerSession.inEachState where !other.holdsSomething(hasLease: true) {
            #expect(other.after { _ = $0.renew(answerTo: Self.at(1), validFor: .zero) }.validityEnd(Self.leased) == nil)
        }
        let checkedOut = ServerSession.checkedOut().after {
            _ = $0.renew(answerTo: Self.at(1), validFor: .zero)
            $0.setGuarding(true)
        }
        #expect(checkedOut.validityEnd(Self.leased) == Self.at(1))
    }

    @Test("a wait of which the server says nothing is given up if nothing else is heard of the server either")
    func unseenWait() {
        for session in [ServerSession.waiting(), .running(lockWait: 1)] {
            #expect(session.unseenWaitEnd(Self.configuration, heardAt: ServerSession.start) == nil, "it was not asked about")
            let asked = session.after { $0.noteAsked(now: Self.at(10)) }
            #expect(asked.unseenWaitEnd(Self.configuration, heardAt: ServerSession.start) == Self.at(40))
            #expect(asked.unseenWaitEnd(Self.configuration, heardAt: Self.at(15)) == Self.at(45))
            #expect(asked.after { $0.forgetAsked() }.unseenWaitEnd(Self.configuration, heardAt: ServerSession.start) == nil)
            // What else is due for it comes later.
            let often = asked.after { $0.noteAsked(now: Self.at(39)) }
            #expect(Self.due(often) == Self.at(40))
        }
        let statement = ServerSession.running().after { $0.noteAsked(now: Self.at(10)) }
        #expect(statement.unseenWaitEnd(Self.configuration, heardAt: ServerSession.start) == nil)
    }
}
