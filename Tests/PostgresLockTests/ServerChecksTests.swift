import LibPQ
import Testing

@testable import PostgresLock

@Suite("What is remembered of a checked server")
struct ServerChecksTests {
    private static func identity(_ flushed: UInt64, timeline: UInt32 = 1) -> ServerIdentity {
        ServerIdentity(system: "1", timeline: timeline, flushed: flushed)
    }

    @Test("a primary is not refused as behind because another connection was told a later log location meanwhile")
    func overtaken() throws {
        let serverChecks = ServerChecks(forgetAfter: .seconds(1))
        try serverChecks.admit(Self.identity(100), seenBefore: serverChecks.flushed)
        let seen = serverChecks.flushed
        // Two sessions are asked, and the later answer is evaluated first; or a token is given out before the earlier answer is evaluated.
        try serverChecks.admit(Self.identity(120), seenBefore: serverChecks.flushed)
        serverChecks.note(timeline: 1, location: 130)
        serverChecks.note(timeline: 1, location: 90)
        try serverChecks.admit(Self.identity(110), seenBefore: seen)
        #expect(serverChecks.flushed == [1: 130], "what was seen is not forgotten for it")
        for behind in [99, 110, 129] as [UInt64] {
            let error = #expect(throws: ConnectionFailure.self) {
                try serverChecks.admit(Self.identity(behind), seenBefore: serverChecks.flushed)
            }
            #expect(error?.kind == .anotherServer)
        }
        try serverChecks.admit(Self.identity(130), seenBefore: serverChecks.flushed)
    }

    @Test("log locations are compared on the same timeline only")
    func timelines() throws {
        let serverChecks = ServerChecks(forgetAfter: .seconds(1))
        try serverChecks.admit(Self.identity(100), seenBefore: serverChecks.flushed)
        try serverChecks.admit(Self.identity(50, timeline: 2), seenBefore: serverChecks.flushed)
        #expect(serverChecks.flushed == [1: 100, 2: 50])
        #expect(throws: ConnectionFailure.self) { try serverChecks.admit(Self.identity(200), seenBefore: serverChecks.flushed) }
    }

    // MARK: Other servers

    private static func server(_ system: String?, _ timeline: UInt32) -> ServerIdentity {
        ServerIdentity(system: system, timeline: timeline)
    }

    private static let another = ConnectionFailure(.anotherServer, "")
    private static let standby = ConnectionFailure(.standby, "")

    @Test("a server of the known cluster that was only asked is remembered, and servers with a lower timeline are refused from then on")
    func seen() throws {
        let serverChecks = ServerChecks(forgetAfter: .seconds(1))
        #expect(!serverChecks.noteSeen(Self.server("1", 9)), "none is known to compare it with")
        #expect(!serverChecks.isChecked)
        try serverChecks.admit(Self.server("1", 2), seenBefore: [:])
        #expect(serverChecks.isChecked)
        #expect(!serverChecks.noteSeen(Self.server("2", 9)))
        #expect(!serverChecks.noteSeen(Self.server("1", 1)))
        #expect(serverChecks.known?.timeline == 2)
        #expect(serverChecks.noteSeen(Self.server("1", 3)))
        #expect(throws: ConnectionFailure.self) { try serverChecks.admit(Self.server("1", 2), seenBefore: [:]) }
        try serverChecks.admit(Self.server("1", 3), seenBefore: [:])
    }

    @Test("a timeline that no server has any more is forgotten, reported once, and replaced by the highest timeline of the primaries")
    func forgotten() throws {
        let serverChecks = ServerChecks(forgetAfter: .zero)
        try serverChecks.admit(Self.server("1", 5), seenBefore: [:])
        for timeline in [2, 3, 1] as [UInt32] {
            #expect(throws: ConnectionFailure.self) { try serverChecks.admit(Self.server("1", timeline), seenBefore: [:]) }
        }
        serverChecks.noteExhausted([Self.another, Self.standby])
        #expect(serverChecks.known == Self.server("1", 3))
        #expect(serverChecks.takeForgotten() == 5)
        #expect(serverChecks.takeForgotten() == nil, "it is returned once")
        #expect(throws: ConnectionFailure.self) { try serverChecks.admit(Self.server("1", 2), seenBefore: [:]) }
        #expect(throws: ConnectionFailure.self) { try serverChecks.admit(Self.server("2", 3), seenBefore: [:]) }
        try serverChecks.admit(Self.server("1", 3), seenBefore: [:])
    }

    @Test("a timeline is not forgotten before it has been missing for long enough")
    func tooSoon() throws {
        let serverChecks = ServerChecks(forgetAfter: .seconds(3600))
        try serverChecks.admit(Self.server("1", 2), seenBefore: [:])
        for _ in 0..<3 {
            #expect(throws: ConnectionFailure.self) { try serverChecks.admit(Self.server("1", 1), seenBefore: [:]) }
            serverChecks.noteExhausted([Self.another])
        }
        #expect(serverChecks.known?.timeline == 2)
        #expect(serverChecks.takeForgotten() == nil)
    }

    @Test("a timeline is not forgotten while a host is silent or refuses, since that host may have it")
    func silentHost() throws {
        let serverChecks = ServerChecks(forgetAfter: .zero)
        try serverChecks.admit(Self.server("1", 2), seenBefore: [:])
        for kind in [ConnectionFailure.Kind.unreachable, .tooManyConnections, .authentication] {
            #expect(throws: ConnectionFailure.self) { try serverChecks.admit(Self.server("1", 1), seenBefore: [:]) }
            serverChecks.noteExhausted([Self.another, ConnectionFailure(kind, "")])
            #expect(serverChecks.known?.timeline == 2)
        }
        // Answers of an earlier round do not count.
        serverChecks.noteExhausted([Self.standby, Self.standby])
        #expect(serverChecks.known?.timeline == 2)
    }

    @Test("no timeline is forgotten for a server of another cluster")
    func otherCluster() throws {
        let serverChecks = ServerChecks(forgetAfter: .zero)
        try serverChecks.admit(Self.server("1", 2), seenBefore: [:])
        #expect(throws: ConnectionFailure.self) { try serverChecks.admit(Self.server("2", 1), seenBefore: [:]) }
        serverChecks.noteExhausted([Self.another])
        #expect(serverChecks.known == Self.server("1", 2))
    }

    @Test("the time for which a timeline is missing starts anew after a server was admitted")
    func backAgain() throws {
        let serverChecks = ServerChecks(forgetAfter: .zero)
        try serverChecks.admit(Self.server("1", 2), seenBefore: [:])
        #expect(throws: ConnectionFailure.self) { try serverChecks.admit(Self.server("1", 1), seenBefore: [:]) }
        try serverChecks.admit(Self.server("1", 2), seenBefore: [:])
        serverChecks.noteExhausted([Self.standby])
        #expect(serverChecks.known?.timeline == 2)
    }

    // MARK: Servers with the same data

    private static func started(_ start: String?, timeline: UInt32? = 1, system: String? = "1") -> ServerIdentity {
        ServerIdentity(system: system, timeline: timeline, started: start)
    }

    @Test("a server is examined once more if it was started at another time on the same timeline, by one attempt at a time")
    func examination() throws {
        let serverChecks = ServerChecks(forgetAfter: .seconds(1))
        #expect(!serverChecks.beginExamination(of: Self.started("a")), "none is known yet")
        try serverChecks.admit(Self.started("a"), seenBefore: [:])
        for same in [Self.started("a"), Self.started(nil), Self.started("b", timeline: 2), Self.started("b", system: "2")] {
            #expect(!serverChecks.beginExamination(of: same))
        }
        let other = Self.started("b")
        #expect(serverChecks.beginExamination(of: other))
        #expect(!serverChecks.beginExamination(of: other), "another attempt does it")
        serverChecks.endExamination(of: other, hasFailed: false)
        #expect(serverChecks.isChecked)
        #expect(serverChecks.beginExamination(of: other), "it was not admitted yet")
        serverChecks.endExamination(of: other, hasFailed: false)
        try serverChecks.admit(other, seenBefore: [:])
        #expect(!serverChecks.beginExamination(of: other))
        #expect(serverChecks.beginExamination(of: Self.started("a")), "the former one is back, so there are two")
    }

    @Test("after an examination has failed, each connection is checked like the first one, until one is fit")
    func failedExamination() throws {
        let serverChecks = ServerChecks(forgetAfter: .seconds(1))
        try serverChecks.admit(Self.started("a"), seenBefore: [:])
        #expect(serverChecks.beginExamination(of: Self.started("b")))
        serverChecks.endExamination(of: Self.started("b"), hasFailed: true)
        #expect(!serverChecks.isChecked)
        #expect(serverChecks.known == Self.started("a"))
        try serverChecks.admit(Self.started("a"), seenBefore: [:])
        #expect(!serverChecks.isChecked, "it was not checked")
        serverChecks.noteFit()
        #expect(serverChecks.isChecked)
    }

    @Test("where the timeline is not to be read, the start of the server tells one from another")
    func unknownTimeline() throws {
        let serverChecks = ServerChecks(forgetAfter: .seconds(1))
        try serverChecks.admit(Self.started("a", timeline: nil, system: nil), seenBefore: [:])
        #expect(serverChecks.beginExamination(of: Self.started("b", timeline: nil, system: nil)))
    }
}
