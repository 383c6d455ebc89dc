import LibPQ
import Testing

@testable import PostgresLock

@Suite("What is remembered of servers")
struct GroundTests {
    private static func identity(_ flushed: UInt64, timeline: UInt32 = 1) -> ServerIdentity {
        ServerIdentity(system: "1", timeline: timeline, flushed: flushed)
    }

    @Test("a primary is not taken for one that is behind, because another connection was told of a later place meanwhile")
    func overtaken() throws {
        let ground = Ground(forgetAfter: .seconds(1))
        try ground.admit(Self.identity(100), seenBefore: ground.flushed)
        let seen = ground.flushed
        // Both ask, and the later answer is looked at first; or a token is given out before the earlier one is.
        try ground.admit(Self.identity(120), seenBefore: ground.flushed)
        ground.note(timeline: 1, location: 130)
        try ground.admit(Self.identity(110), seenBefore: seen)
        #expect(ground.flushed == [1: 130], "what was seen is not forgotten for it")
        for behind in [99, 110, 129] as [UInt64] {
            let error = #expect(throws: ConnectionFailure.self) { try ground.admit(Self.identity(behind), seenBefore: ground.flushed) }
            #expect(error?.kind == .anotherServer)
        }
        try ground.admit(Self.identity(130), seenBefore: ground.flushed)
    }

    @Test("places are compared on the same timeline only")
    func timelines() throws {
        let ground = Ground(forgetAfter: .seconds(1))
        try ground.admit(Self.identity(100), seenBefore: ground.flushed)
        try ground.admit(Self.identity(50, timeline: 2), seenBefore: ground.flushed)
        #expect(ground.flushed == [1: 100, 2: 50])
        #expect(throws: ConnectionFailure.self) { try ground.admit(Self.identity(200), seenBefore: ground.flushed) }
    }
}
