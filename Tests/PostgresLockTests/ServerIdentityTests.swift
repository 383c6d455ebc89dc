import LibPQ
import Testing

@testable import PostgresLock

@Suite("The identity of servers")
struct ServerIdentityTests {
    private static func identity(_ system: String?, _ timeline: UInt32?) -> ServerIdentity {
        ServerIdentity(system: system, timeline: timeline)
    }

    @Test("servers differ by their system identifiers and by a lower timeline; an unknown value makes no difference")
    func difference() {
        let known = Self.identity("1", 2)
        #expect(known.difference(from: Self.identity("1", 2)) == nil)
        #expect(known.difference(from: Self.identity("1", 3)) == nil, "a promotion")
        #expect(known.difference(from: Self.identity("1", 1))?.kind == .anotherServer)
        #expect(known.difference(from: Self.identity("2", 2))?.message.contains("its system identifier is 2, and was 1") == true)
        #expect(known.difference(from: Self.identity("2", 3))?.kind == .anotherServer)
        #expect(known.difference(from: Self.identity(nil, 1))?.message.contains("its timeline is 1") == true)
        for other in [Self.identity(nil, nil), Self.identity("1", nil), Self.identity(nil, 2)] {
            #expect(known.difference(from: other) == nil)
            #expect(other.difference(from: known) == nil)
        }
    }

    @Test("a server with a lower timeline is the same cluster before a promotion, unless its system identifier differs")
    func older() {
        let known = Self.identity("1", 2)
        #expect(known.isOlder(Self.identity("1", 1)))
        #expect(known.isOlder(Self.identity(nil, 1)))
        #expect(Self.identity(nil, 2).isOlder(Self.identity("1", 1)))
        #expect(!known.isOlder(Self.identity("2", 1)))
        #expect(!known.isOlder(Self.identity("1", 2)))
        #expect(!known.isOlder(Self.identity("1", nil)))
        #expect(!Self.identity("1", nil).isOlder(known))
    }

    @Test("later answers of a server complete its identity")
    func updated() {
        let known = ServerIdentity(system: "1", timeline: 2, flushed: 3, started: "a")
        #expect(known.updated(by: ServerIdentity(system: nil, timeline: nil)) == known)
        let later = known.updated(by: ServerIdentity(system: "1", timeline: 4, flushed: 5, started: "b"))
        #expect(later == ServerIdentity(system: "1", timeline: 4, flushed: 5, started: "b"))
        #expect(Self.identity(nil, 2).updated(by: Self.identity("1", nil)) == Self.identity("1", 2))
    }
}
