import Foundation
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("Who holds a lock, and who waits for it", .lockServers)
struct HolderTests {
    @Test("holders and waiting sessions are named with their modes, those that wait in their order", arguments: ServerKind.allCases)
    func holders(kind: ServerKind) async throws {
        let server = try await kind.start()
        let managers = try (0..<4).map { _ in try server.manager() }
        let observer = try server.manager()
        #expect(try await observer.holders(of: "a") == [])
        #expect(try await observer.waiters(of: "a") == [])
        let shared = [
            try await managers[0].acquire("a", mode: .shared).copyable(), try await managers[1].acquire("a", mode: .shared).copyable(),
        ]
        var waits: [Task<Void, any Error>] = []
        for (index, mode) in [(2, LockMode.exclusive), (3, .shared)] {
            let locks = managers[index]
            waits.append(Task { try await locks.withLock("a", mode: mode) { _ in } })
            try await server.eventually("it waits") { try await server.locks(granted: false) == waits.count }
        }
        let holders = try await observer.holders(of: "a")
        #expect(holders.map(\.mode) == [.shared, .shared])
        #expect(holders.allSatisfy { $0.key == "a" && $0.key.name == "a" && $0.processID != nil })
        #expect(Set(holders.map(\.processID)).count == 2)
        let waiters = try await observer.waiters(of: "a")
        #expect(waiters.map(\.mode) == [.exclusive, .shared])
        #expect(waiters.map(\.position) == [0, 1])
        #expect(try await observer.holders(of: "b") == [])
        for lock in shared { try await lock.release() }
        for wait in waits { try await wait.value }
    }

    @Test("a look takes no lock", arguments: ServerKind.allCases)
    func takesNone(kind: ServerKind) async throws {
        let server = try await kind.start()
        // Looks for requests take one for a moment.
        let locks = try server.manager { $0.releaseLookInterval = .seconds(3600) }
        let handle = try await locks.acquire("a")
        #expect(try await locks.holders(of: "a").count == 1)
        #expect(try await server.locks() == 1)
        try await handle.release()
    }
}

@Suite("Who holds a lock, on PostgreSQL", .database)
struct ServerHolderTests {
    @Test("locks of other programs are seen, whatever the key and the scope, and since when sessions wait")
    func others() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let pair = LockKey(-1, 42)
        try await locks.withTransaction { transaction in
            _ = try await transaction.query("SELECT pg_advisory_xact_lock(-1, 42), pg_advisory_xact_lock_shared(-9)")
            let holder = try #require(try await locks.holders(of: pair).first)
            #expect(holder.mode == .exclusive)
            #expect(holder.state == "idle in transaction")
            let start = try #require(holder.sessionStart)
            #expect(abs(start.timeIntervalSinceNow) < 600)
            #expect(try await locks.holders(of: LockKey(number: -9)).map(\.mode) == [.shared])
            let waiting = Task { try await locks.withLock(pair) { _ in } }
            try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
            let waiter = try #require(try await locks.waiters(of: pair).first)
            #expect(waiter.processID != holder.processID)
            if let since = waiter.since { #expect(abs(since.timeIntervalSinceNow) < 600) }
            waiting.cancel()
            _ = await waiting.result
        }
    }

    @Test(
        "an ordinary role sees process, instance and role of others; with pg_read_all_stats, or as a superuser, also what they do",
        .direct("the roles are its own")
    )
    func roles() async throws {
        let database = try TestDatabase.get()
        let (app, reader) = ("\(database.name)_app", "\(database.name)_reader")
        try await database.query("CREATE ROLE \(app) LOGIN; CREATE ROLE \(reader) LOGIN; GRANT pg_read_all_stats TO \(reader)")
        let locks = try database.manager { $0.applicationName = "web-3" }
        let handle = try await locks.acquire("a")
        for (role, sees) in [(app, false), (reader, true), (nil as String?, true)] {
            let observer = try database.manager {
                if let role { $0.url = database.server.connectionString(database: database.name, user: role) }
            }
            let holder = try #require(try await observer.holders(of: "a").first)
            #expect(holder.instance == "web-3")
            #expect(holder.processID != nil && holder.role != nil)
            #expect((holder.state != nil) == sees, "\(role ?? "superuser")")
            #expect((holder.sessionStart != nil) == sees, "\(role ?? "superuser")")
            await observer.shutdown()
        }
        try await handle.release()
        try await database.query("DROP ROLE \(app); DROP ROLE \(reader)")
    }

    @Test("a lock that is held for a while has its time published, for all roles; it goes with the lock, and takes no other one's place")
    func since() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager {
            $0.releaseLookInterval = .milliseconds(20)
            $0.publicationDelay = .milliseconds(1)
        }
        let observer = try database.manager()
        let handle = try await locks.acquire("a")
        try await database.eventually("it is published") { try await observer.holders(of: "a").first?.since != nil }
        let since = try #require(try await observer.holders(of: "a").first?.since)
        #expect(abs(since.timeIntervalSinceNow) < 600)
        #expect(try await observer.holders(of: "a").count == 1)
        #expect(try await observer.holders(of: "b") == [])
        try await handle.release()
        try await database.eventually("it is not published any more") { try await database.locks() == 0 }
    }

    @Test("the time is found also where the lock was waited for on a session of its own, and the program has a name without a mark")
    func sinceWithoutMark() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager {
            $0.applicationName = "orders"
            $0.releaseLookInterval = .milliseconds(20)
            $0.publicationDelay = .milliseconds(1)
        }
        let observer = try database.manager()
        let first = try await observer.acquire("a")
        let waiting = Task { try await locks.withLock("a") { _ in try await Task.sleep(for: .seconds(600)) } }
        try await database.eventually("it waits") { try await observer.waiters(of: "a").count == 1 }
        try await first.release()
        // On the shared session, which the other session has no mark in common with.
        let other = try await locks.acquire("b")
        try await database.eventually("both are published") {
            let (a, b) = (try await observer.holders(of: "a").first, try await observer.holders(of: "b").first)
            return a?.since != nil && b?.since != nil && a?.processID != b?.processID
        }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        try await other.release()
        try await database.eventually("nothing is published any more") { try await database.locks() == 0 }
    }

    @Test("a manager that is not to publish has one lock on the server for each that it holds")
    func unpublished() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager {
            $0.releaseLookInterval = .milliseconds(20)
            $0.publicationDelay = .milliseconds(1)
            $0.publishesHolds = false
        }
        let handle = try await locks.acquire("a")
        try await Task.sleep(for: .milliseconds(500))
        // A look for requests takes another one for a moment. What is published stays.
        try await database.eventually("it has one lock") { try await database.locks() == 1 }
        try await handle.release()
    }
}
