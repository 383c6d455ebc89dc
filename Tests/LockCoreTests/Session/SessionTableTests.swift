import Testing

@testable import LockCore

@Suite("The table of sessions")
struct SessionTableTests {
    private static let configuration = Engine.Configuration()
    private static func at(_ seconds: Int) -> Instant { Duration.seconds(seconds).instant }

    @Test("sessions have ascending numbers, which are never used twice, and are found whatever was removed before them")
    func numbers() {
        var table = SessionTable()
        var expected: [ConnectionID] = []
        for number in 1...20 {
            let id = table.open(number == 1 ? .shared : .waiting)
            #expect(id == ConnectionID(number))
            expected.append(id)
            guard number % 3 == 0 else { continue }
            let removed = table.remove(expected.remove(at: expected.count / 2))
            #expect(removed != nil)
        }
        #expect(table.ids == expected)
        #expect(table.count == expected.count)
        #expect(table.all.map(\.id) == expected)
        for number in 0...21 {
            let id = ConnectionID(number)
            #expect(table[id]?.id == (expected.contains(id) ? id : nil))
            #expect(table.read(id) { $0.id } == table[id]?.id)
        }
        #expect(table.first { $0.role == .waiting } == expected[1])
        #expect(table.count { $0.role == .waiting } == expected.count - 1)
        #expect(table.contains { $0.role == .shared })
        #expect(!table.contains { $0.role == .fencing })
        for id in expected { _ = table.remove(id) }
        let next = table.open(.waiting)
        #expect(next == 21)
    }

    @Test("an event of a session that is gone changes nothing")
    func gone() {
        var table = SessionTable()
        let id = table.open(.waiting)
        _ = table.remove(id)
        let removed = table.remove(id)
        #expect(removed == nil)
        let result = table.update(id) { $0.connected(now: ServerSession.start) }
        #expect(result == nil)
        #expect(table.count == 0)
    }

    @Test("the idle session of a role is the oldest")
    func idle() {
        var table = SessionTable()
        for role: Engine.Role in [.waiting, .checkedOut, .waiting, .waiting] { _ = table.open(role) }
        #expect(table.idle(.waiting) == nil)
        for id: ConnectionID in [4, 3, 2] { table.update(id) { _ = $0.connected(now: ServerSession.start) } }
        #expect(table.idle(.waiting) == 3)
        table.update(3) { $0.beginWait(for: 1) }
        #expect(table.idle(.waiting) == 4)
        #expect(table.idle(.checkedOut) == 2)
    }

    // MARK: When something is due

    @Test("after each change of a session the first due time is computed anew")
    func due() {
        var table = SessionTable()
        #expect(table.due(Self.configuration) == .distantFuture)
        let first = table.open(.waiting)
        #expect(table.due(Self.configuration) == .distantFuture)
        table.update(first) { $0.connecting(.init(until: Self.at(5))) }
        #expect(table.due(Self.configuration) == Self.at(5))
        table.update(first) { _ = $0.connected(now: Self.at(1)) }
        #expect(table.due(Self.configuration) == Self.at(61))
        let second = table.open(.shared)
        table.update(second) { $0.connecting(.init(until: Self.at(8))) }
        #expect(table.due(Self.configuration) == Self.at(8), "of several sessions the first one counts")
        _ = table.remove(second)
        #expect(table.due(Self.configuration) == Self.at(61))
        _ = table.remove(first)
        #expect(table.due(Self.configuration) == .distantFuture)
    }

    @Test("after a change of a session the due time that was known counts no more")
    func isKnown() {
        var table = SessionTable()
        #expect(table.computeDue(Self.configuration) == table.knownDue)
        let id = table.open(.waiting)
        #expect(table.knownDue == nil)
        _ = table.computeDue(Self.configuration)
        table.update(id) { $0.connecting(.init(until: nil)) }
        #expect(table.knownDue == nil)
        _ = table.computeDue(Self.configuration)
        table.noteHeard(now: Self.at(5))
        #expect(table.knownDue != nil, "what is due of that comes later")
    }

    @Test("what a shared session is sent and answers keeps the due time that was known, which is never too late")
    func isKnownForShared() throws {
        let pause = Self.configuration.leastPause
        var table = SessionTable(leastPause: pause)
        let id = table.open(.shared)
        table.update(id) { _ = $0.connected(now: Self.at(0)) }
        #expect(table.computeDue(Self.configuration) == .distantFuture)
        table.update(id, sentAt: Self.at(1)) { _ = $0.submit(.heartbeat, now: Self.at(1)) }
        let due = Self.at(1).advanced(by: pause)
        #expect(table.knownDue == due && table.due(Self.configuration) >= due)
        _ = table.answered(id, now: Self.at(2))
        table.noteHeld(1, on: id)
        #expect(table.knownDue == due && table.due(Self.configuration) >= due, "the heartbeat of a session that holds something")
        // Computed while it owes an answer, when no heartbeat is due.
        table.update(id, sentAt: Self.at(3)) { _ = $0.submit(.heartbeat, now: Self.at(3)) }
        _ = table.computeDue(Self.configuration)
        _ = table.answered(id, now: Self.at(4))
        let known = try #require(table.knownDue)
        #expect(known <= table.due(Self.configuration))
    }

    @Test("for what another session is sent and answers the due time is computed anew")
    func isKnownForOthers() {
        var table = SessionTable(leastPause: Self.configuration.leastPause)
        let id = table.open(.fencing)
        table.update(id) { _ = $0.connected(now: Self.at(0)) }
        _ = table.computeDue(Self.configuration)
        table.update(id, sentAt: Self.at(1)) { _ = $0.submit(.heartbeat, now: Self.at(1)) }
        #expect(table.knownDue == nil)
        _ = table.computeDue(Self.configuration)
        _ = table.answered(id, now: Self.at(2))
        #expect(table.knownDue == nil)
    }

    @Test("an answer of the server puts off the end of a wait of which nothing is heard")
    func heard() {
        var table = SessionTable()
        let id = table.open(.waiting)
        table.update(id) { session in
            session = ServerSession.waiting()
            session.noteAsked(now: Self.at(10))
            session.noteAsked(now: Self.at(60))
        }
        #expect(table.due(Self.configuration) == Self.at(40))
        table.noteHeard(now: Self.at(15))
        #expect(table.heardAt == Self.at(15))
        #expect(table.due(Self.configuration) == Self.at(45))
    }

    // MARK: Invariants

    @Test("a session with a broken invariant is reported after the change that broke it, and not without a change")
    func broken() {
        var table = SessionTable()
        let ids = [table.open(.shared), table.open(.waiting)]
        #expect(table.takeBroken().isEmpty)
        table.update(ids[1]) { $0.hold(1) }
        let broken = table.takeBroken()
        #expect(broken.map(\.id) == [ids[1]])
        #expect(broken.map(\.what) == ["a wait was granted while it was connecting"])
        #expect(table.takeBroken().isEmpty)
        _ = table.remove(ids[1])
        table.update(ids[0]) { _ = $0.connected(now: ServerSession.start) }
        #expect(table.takeBroken().isEmpty)
    }

    @Test("an invariant that no event has noted is checked after every change")
    func checked() {
        var table = SessionTable()
        let id = table.open(.waiting)
        table.update(id) { session in
            _ = session.connected(now: ServerSession.start)
            session.beginWait(for: 1)
        }
        #expect(table.takeBroken().map(\.what) == ["its wait was never sent while it was waiting"])
    }
}
