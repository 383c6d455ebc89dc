import LibPQ
import Testing

@testable import PostgresLock

@Suite("The turn to check a server")
struct CheckingTurnTests {
    private let serverChecks = ServerChecks(forgetAfter: .seconds(1))
    private let started = Locked<[String]>([])
    private let attempts = ["a": ConnectAttempt(), "b": ConnectAttempt(), "c": ConnectAttempt(), "d": ConnectAttempt()]

    private func begin(_ turn: CheckingTurn, _ name: String) throws {
        turn.begin(try #require(attempts[name])) { [started] in started.withLock { $0.append(name) } }
    }

    private func end(_ turn: CheckingTurn, _ name: String) throws { turn.end(try #require(attempts[name])) }

    @Test("is one attempt's at a time, in the order in which they came")
    func order() throws {
        let turn = CheckingTurn(serverChecks)
        for name in ["a", "b", "c"] { try begin(turn, name) }
        #expect(started.withLock { $0 } == ["a"])
        try end(turn, "a")
        #expect(started.withLock { $0 } == ["a", "b"])
        // It was given up, and its thread ends later.
        try end(turn, "a")
        #expect(started.withLock { $0 } == ["a", "b"])
        try end(turn, "b")
        #expect(started.withLock { $0 } == ["a", "b", "c"])
        try end(turn, "c")
        try begin(turn, "d")
        #expect(started.withLock { $0 } == ["a", "b", "c", "d"])
    }

    @Test("does not come to an attempt that was given up while it stood in line")
    func abandoned() throws {
        let turn = CheckingTurn(serverChecks)
        for name in ["a", "b", "c"] { try begin(turn, name) }
        try end(turn, "b")
        #expect(started.withLock { $0 } == ["a"])
        try end(turn, "a")
        #expect(started.withLock { $0 } == ["a", "c"])
    }

    @Test("is everybody's once the server is known")
    func verified() throws {
        let turn = CheckingTurn(serverChecks)
        for name in ["a", "b", "c"] { try begin(turn, name) }
        try serverChecks.admit(ServerIdentity(system: "1", timeline: 1), seenBefore: [:])
        try begin(turn, "d")
        #expect(started.withLock { $0 } == ["a", "d"])
        try end(turn, "a")
        #expect(started.withLock { $0 } == ["a", "d", "b", "c"])
        for name in ["b", "c", "d"] { try end(turn, name) }
        #expect(started.withLock { $0 }.count == 4, "each is started once")
    }
}
