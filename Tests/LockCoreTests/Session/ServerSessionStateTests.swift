import Testing

@testable import LockCore

@Suite("States of a server session")
struct ServerSessionStateTests {
    /// What can happen to a session that changes its state, or what it is for.
    enum Event: CaseIterable, Sendable {
        case convert, beginWait, hold, verify, unlock, record, checkOut, becomeIdle

        /// The states in which it may happen.
        var fits: Set<String> {
            switch self {
            case .convert, .record, .checkOut: ["idle"]
            case .beginWait: ["idle", "verifying that it holds nothing"]
            case .hold, .verify: ["waiting"]
            case .unlock: ["holding a lock"]
            case .becomeIdle: ["verifying that it holds nothing", "releasing its lock", "writing a record", "checked out"]
            }
        }

        var next: ServerSession.State {
            switch self {
            case .convert, .becomeIdle: .idle(since: ServerSession.start)
            case .beginWait: .waiting(1)
            case .hold: .holding(1)
            case .verify: .verifying(1, reported: .full)
            case .unlock: .unlocking(1)
            case .record: .recording
            case .checkOut: .checkedOut(.init())
            }
        }

        func happens(to session: inout ServerSession, key: AdvisoryKey = 1) {
            switch self {
            case .convert: session.convert(to: .checkedOut)
            case .beginWait: session.beginWait(for: key)
            case .hold: session.hold(key)
            case .verify: session.verify(key, reported: .full)
            case .unlock: session.unlock(key)
            case .record: session.record()
            case .checkOut: session.checkOut()
            case .becomeIdle: session.becomeIdle(now: ServerSession.start)
            }
        }
    }

    @Test("an event that fits the state of a session leads to the next state, and breaks no invariant", arguments: Event.allCases)
    func fits(event: Event) {
        let sessions = ServerSession.inEachState.filter { event.fits.contains($0.state.name) }
        #expect(Set(sessions.map(\.state.name)) == event.fits)
        for session in sessions {
            let next = session.after { event.happens(to: &$0) }
            #expect(next.state == event.next)
            #expect(next.brokenInvariant == nil)
            #expect(next.role == (event == .convert ? .checkedOut : session.role))
        }
    }

    @Test(
        "an event that does not fit the state of a session is noted as a broken invariant, and changes nothing else",
        arguments: Event.allCases
    )
    func doesNotFit(event: Event) throws {
        for session in ServerSession.inEachState where !event.fits.contains(session.state.name) {
            let broken = session.after { event.happens(to: &$0) }
            let what = try #require(broken.brokenInvariant, "\(event) while \(session.state.name)")
            #expect(what.hasSuffix("while it was \(session.state.name)"))
            #expect(broken.everythingElse == session.everythingElse)
            #expect(broken.isBroken())
        }
    }

    @Test("an event for another key than the session's is a broken invariant, and changes nothing else")
    func otherKey() {
        let cases: [(Event, ServerSession)] = [
            (.beginWait, .verifying()), (.hold, .waiting()), (.verify, .waiting()), (.unlock, .holding()),
        ]
        for (event, session) in cases {
            let broken = session.after { event.happens(to: &$0, key: 2) }
            #expect(broken.brokenInvariant != nil, "\(event)")
            #expect(broken.everythingElse == session.everythingElse)
        }
    }

    @Test("the first broken invariant of a session is the one that is reported")
    func first() {
        let session = ServerSession.shared().after {
            $0.record()
            $0.checkOut()
        }
        #expect(session.brokenInvariant == "a record was begun while it was shared")
    }

    @Test("a session that has connected is shared, or idle, and is connected once")
    func connected() {
        for (role, state) in [(.shared, .shared), (.waiting, .idle(since: ServerSession.start))] as [(Engine.Role, ServerSession.State)] {
            var session = ServerSession.connecting(role)
            #expect(session.isConnecting && !session.isShared && !session.isIdle)
            let isFirst = session.connected(now: ServerSession.start)
            #expect(isFirst)
            #expect(session.state == state)
            let isSecond = session.connected(now: ServerSession.start)
            #expect(!isSecond)
            #expect(session.state == state)
            #expect(session.brokenInvariant == nil)
        }
    }

    @Test("a late report of the attempt to connect does not change a connected session")
    func lateAttempt() {
        let attempt = ServerSession.Connecting(until: Duration.seconds(1).instant)
        #expect(ServerSession.connecting().after { $0.connecting(attempt) }.state == .connecting(attempt))
        for session in ServerSession.inEachState where !session.isConnecting {
            #expect(session.after { $0.connecting(attempt) }.state == session.state)
        }
    }

    @Test("a statement runs only on a session that is checked out, and one at a time")
    func statements() {
        let other = ServerSession.CheckOut.Statement(call: 8, sentAt: ServerSession.start, answerBy: nil, lockWait: nil, renewals: nil)
        for session in ServerSession.inEachState {
            var next = session
            let isRun = next.run(other)
            #expect(isRun == (session.isCheckedOut && session.statement == nil))
            #expect((next.brokenInvariant != nil) == (session.statement != nil))
            #expect(next.statement?.call == (isRun ? 8 : session.statement?.call))
            if !isRun { #expect(next.everythingElse == session.everythingElse) }
        }
    }

    @Test("only a checked-out session is guarded, and with a lease its locks count as held")
    func guarding() {
        for session in ServerSession.inEachState {
            let guarding = session.after { $0.setGuarding(true) }
            #expect(guarding.holdsSomething(hasLease: true) == (session.holdsSomething(hasLease: true) || session.isCheckedOut))
            #expect(guarding.holdsSomething(hasLease: false) == session.holdsSomething(hasLease: false))
            #expect(guarding.after { $0.setGuarding(false) }.everythingElse == session.everythingElse)
        }
    }

    @Test("a shared session counts what it holds, and the most that it has held; more than that can't be released")
    func counts() {
        let session = ServerSession.shared().after {
            $0.noteHeld(3)
            $0.noteHeld(-2)
        }
        #expect(session.heldCount == 1)
        #expect(session.mostHeld == 3)
        #expect(session.holdsSomething(hasLease: false))
        let broken = session.after { $0.noteHeld(-2) }
        #expect(broken.brokenInvariant == "more was released than it held while it was shared")
        #expect(broken.everythingElse == session.everythingElse)
    }

    @Test("a session in each state keeps its invariants, and one whose statement was never sent does not")
    func invariants() {
        for session in ServerSession.inEachState { #expect(!session.isBroken(), "\(session.state.name)") }
        let statement = ServerSession.CheckOut.Statement(call: 7, sentAt: ServerSession.start, answerBy: nil, lockWait: nil, renewals: nil)
        #expect(ServerSession.idle().after { $0.beginWait(for: 1) }.isBroken())
        #expect(ServerSession.holding().after { $0.unlock(1) }.isBroken())
        #expect(ServerSession.checkedOut().after { _ = $0.run(statement) }.isBroken())
        let verifying = ServerSession.waiting().after {
            _ = $0.answered(now: ServerSession.start)
            $0.verify(1, reported: nil)
        }
        #expect(verifying.isBroken())
        #expect(ServerSession.connecting().after { _ = $0.submit(.heartbeat, now: ServerSession.start) }.isBroken())
    }
}
