import LibPQ
import LockCore
import Logging
import Testing

@testable import PostgresLock

#if ServiceLifecycleSupport
    import ServiceLifecycle
#endif

@Suite("Shares of work on PostgreSQL", .database)
struct SharesServerTests {
    private let log = ShareLog()

    @Test("the keys are those that the documentation gives to other languages")
    func keys() throws {
        let keys = try ShareKeys("mailboxes", count: 64)
        let classes = ["members", "share", "count"].map { LockKey("pglock:\($0):mailboxes").advisory.shown.high }
        #expect(keys.classes.map { UInt32(bitPattern: $0) } == classes)
        #expect(keys.member(.max) == LockKey(Int32(bitPattern: classes[0]), -1))
        #expect(keys.share(5) == LockKey(Int32(bitPattern: classes[1]), 5))
        #expect(keys.agreement == LockKey(Int32(bitPattern: classes[2]), 64))
    }

    @Test("a look tells members, taken shares and numbers of shares, and takes no other lock for one of them")
    func look() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let keys = try ShareKeys("mailboxes", count: 64)
        let classes = keys.classes
        #expect(try await ShareLook.read(keys, by: locks) == ShareLook())
        let held: [LockRequest] = [
            .exclusive(keys.member(.max)), .exclusive(keys.member(1)), .shared(keys.member(2)),
            .exclusive(keys.share(5)), .shared(keys.share(6)),
            .shared(keys.agreement), .exclusive(LockKey(classes[2], 65)),
            .exclusive(LockKey(number: Int64(classes[0]) << 32 | 3)),
            .exclusive(LockKey(classes[0] &+ 1, 4)),
        ]
        try await locks.withLocks(held) { _ in
            let look = try await ShareLook.read(keys, by: locks)
            #expect(look == ShareLook(members: [.max, 1], taken: [5, 6], counts: [64]))
        }
    }

    #if ServiceLifecycleSupport
        @Test("as a service it ends with the graceful shutdown of its group, after the others have taken over")
        func service() async throws {
            let database = try TestDatabase.get()
            let (locks, other) = (try database.manager(), try database.manager())
            // So many that each of the two gets some, whatever numbers chance gives them. (Of 8, one in 128 would get none.)
            let count = 64
            let service = SharesService("mailboxes", count: count, locks: locks, body: log.body("a"))
            let group = ServiceGroup(services: [service], logger: Logger(label: "test"))
            let run = Task { try await group.run() }
            try await database.eventually("it has all shares") { log.count(of: "a") == count }
            let second = Task { [log] in try await other.withShares(of: "mailboxes", count: count, log.body("b")) }
            try await database.eventually("both have some") { log.members.count == 2 }
            await group.triggerGracefulShutdown()
            try await run.value
            try await database.eventually("the other one has all") { log.count(of: "b") == count }
            #expect(!log.hadTwo)
            second.cancel()
            await #expect(throws: CancellationError.self) { try await second.value }
        }
    #endif
}
