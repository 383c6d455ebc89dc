import PostgresLock
import Testing

@Suite("The text of statements")
struct StatementTextTests {
    @Test(
        "pg_stat_statements has no further entry for a further wait, whatever its key and its limit",
        .server(["shared_preload_libraries": "pg_stat_statements"]),
        .extension("pg_stat_statements")
    )
    func entries() async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE EXTENSION pg_stat_statements")
        let owned = try OwnedLibPQ(database.url)
        // Questions that a manager asks from time to time, on a busy machine perhaps for the first time late in the test.
        func withoutLooks(_ configuration: inout LockManager.Configuration) {
            configuration.lookInterval = .seconds(3600)
            configuration.releaseLookInterval = .seconds(3600)
        }
        let (locks, others) = (try database.manager(withoutLooks), try database.manager(withoutLooks))
        func entries() async throws -> Int {
            let rows = try await database.query(
                "SELECT query FROM pg_stat_statements WHERE query ~ 'advisory|swift_postgres_lock|SAVEPOINT'"
            )
            return rows.count
        }
        func waits(_ numbers: Range<Int32>) async throws {
            for number in numbers {
                for key in [LockKey(number: Int64(number)), LockKey(number, -number)] {
                    let taken = try await others.acquire(key)
                    let late = await lockError {
                        try await ConnectionLock(key, on: owned.connection).acquire(timeout: .milliseconds(100 + Int(number)))
                    }
                    #expect(late?.code == .timedOut)
                    await expectTimedOut(from: .milliseconds(100 + Int(number))) { timeout in
                        try await locks.withTransaction { transaction in
                            try await transaction.execute("SAVEPOINT s")
                            try await transaction.acquire(key, timeout: timeout)
                        }
                    }
                    try await taken.release()
                    let lock = ConnectionLock(key, on: owned.connection)
                    try await lock.acquire()
                    try await lock.release()
                }
            }
        }
        try await waits(0..<3)
        let before = try await entries()
        try await waits(3..<10)
        let after = try await entries()
        #expect(before > 0)
        #expect(after == before)
    }
}
