import LibPQ
import PostgresLock
import PostgresLockTesting
import PostgresLockTestingTraits
import Testing

@Suite("Databases of tests")
struct EphemeralDatabaseTests {
    @Suite("With the trait of a suite", .ephemeralPostgres)
    struct Shared {
        private static let seen = Locked<(names: Set<String>, folders: Set<String>)>(([], []))

        @Test("each test has a database of its own on one server, and the same key is free in each", arguments: 1...3 as ClosedRange<Int>)
        func ownDatabase(_ number: Int) async throws {
            let database = try EphemeralDatabase.current
            #expect(try await database.query("SELECT current_database()") == [[database.name]])
            let locks = try LockManager(configuration: .init(url: database.connectionString))
            try await locks.withLock("a", timeout: .zero) { #expect($0.isHeld) }
            let (isNew, servers) = Self.seen.withLock { seen in
                seen.folders.insert(database.server.dataDirectory)
                return (seen.names.insert(database.name).inserted, seen.folders.count)
            }
            #expect(isNew)
            #expect(servers == 1)
            // A manager that a test forgets does not keep the database from being dropped.
            _ = try await locks.acquire("a").copyable()
        }
    }

    @Test("a test that asks for options has a server of its own", .ephemeralPostgres(.init(settings: ["max_connections": "17"])))
    func ownServer() async throws {
        let database = try EphemeralDatabase.current
        #expect(try await database.query("SHOW max_connections") == [["17"]])
    }

    @Test(
        "to end the sessions that hold a lock takes it from its holder, and leaves the locks of others",
        .ephemeralPostgres,
        arguments: ["a", LockKey(number: -5), LockKey(-1, 42)] as [LockKey]
    )
    func endSessions(holding key: LockKey) async throws {
        let database = try EphemeralDatabase.current
        let here = try LockManager(configuration: .init(url: database.connectionString))
        let there = try LockManager(configuration: .init(url: database.connectionString))
        let lost = try await here.acquire(key).copyable()
        let kept = try await there.acquire("b").copyable()
        #expect(try await database.endSessions(holding: "c") == 0)
        #expect(kept.lock.isHeld)
        #expect(try await database.endSessions(holding: key) == 1)
        #expect(await lost.lock.waitForEnd()?.code == .lockLost)
        await #expect(throws: LockError.self) { try await lost.release() }
        let again = try await there.acquire(key, timeout: .zero).copyable()
        try await again.release()
        try await kept.release()
        await here.shutdown()
        await there.shutdown()
    }

    @Test("a test without the trait is told which trait it lacks")
    func without() {
        let error = #expect(throws: EphemeralPostgresError.self) { try EphemeralDatabase.current }
        #expect(error?.code == .noDatabase)
        #expect(error?.message.contains(".ephemeralPostgres") == true)
    }

    @Test("a database is dropped when its body returns, throws or is cancelled, also under open sessions")
    func dropped() async throws {
        struct Mistake: Error {}
        try await EphemeralPostgres.withServer { server async throws in
            let count = "SELECT count(*) FROM pg_database WHERE datname LIKE 'test%'"
            let locks = try await server.withDatabase { database in
                #expect(try await server.query(count) == [["1"]])
                let locks = try LockManager(configuration: .init(url: database.connectionString))
                try await locks.withLock("a") { _ in }
                return locks
            }
            #expect(try await server.query(count) == [["0"]])
            await #expect(throws: Mistake.self) { try await server.withDatabase { _ in throw Mistake() } }
            #expect(try await server.query(count) == [["0"]])
            let cancelled = Task {
                try await server.withDatabase { _ in
                    withUnsafeCurrentTask { $0?.cancel() }
                    try Task.checkCancellation()
                }
            }
            await #expect(throws: CancellationError.self) { try await cancelled.value }
            #expect(try await server.query(count) == [["0"]])
            await locks.shutdown(gracePeriod: .zero)
        }
    }
}
