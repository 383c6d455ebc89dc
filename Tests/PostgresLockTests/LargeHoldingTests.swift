import PostgresLock
import PostgresLockTesting
import Testing

/// Sessions that hold so much that their rounds share transactions.
@Suite("Large holdings")
struct LargeHoldingTests {
    private static let roomy = ["max_locks_per_transaction": "500"]

    private func keys(_ range: Range<Int64>) -> [LockRequest] {
        range.map { .exclusive(LockKey(number: $0)) }
    }

    /// How many of our sessions are in a transaction.
    private func transactions(_ database: TestDatabase) async throws -> Int {
        let query = """
            SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND xact_start IS NOT NULL
            """
        return try await database.query(query).count
    }

    @Test("keep others out as ever, and leave no transaction open", .server(roomy))
    func exclusion() async throws {
        let database = try TestDatabase.get()
        let (ours, theirs) = (try database.manager(), try database.manager())
        let held = try await ours.acquire(all: keys(0..<3000))
        let ledger = Ledger()
        try await withThrowingTaskGroup { group in
            for manager in [ours, theirs] {
                for task in 0..<50 {
                    group.addTask {
                        for _ in 0..<20 {
                            try await manager.withLock(LockKey(number: Int64(10_000 + task % 10))) { _ in
                                let value = await ledger.read(task % 10)
                                await Task.yield()
                                await ledger.write(task % 10, value + 1)
                            }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(await ledger.values.values.allSatisfy { $0 == 200 })
        #expect(try await theirs.tryAcquire(all: keys(2999..<3001)) == nil)
        try await database.eventually("no transaction is open") { try await transactions(database) == 0 }
        let isHeld = held.isHeld
        #expect(isHeld)
        try await held.release()
        #expect(try await database.locks() == 0)
    }

    @Test("survive errors in the middle of a transaction", .server(["max_locks_per_transaction": "10", "max_connections": "60"]))
    func errors() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.capacity = .unlimited }
        let held = try await locks.acquire(all: keys(0..<600))
        for round in 0..<5 {
            let error = await #expect(throws: LockError.self) {
                try await locks.withLocks(keys(Int64(1000)..<Int64(21_000 + round))) { _ in }
            }
            #expect(error?.code == .lockTableFull)
            #expect(try await database.locks() == 600)
            try await locks.withLock("another") { lock in #expect(lock.isHeld) }
        }
        let isHeld = held.isHeld
        #expect(isHeld)
        try await held.release()
        #expect(try await database.locks() == 0)
    }
}

/// Numbers that lose updates unless a reader and writer of one excludes the others.
private actor Ledger {
    private(set) var values: [Int: Int] = [:]

    func read(_ key: Int) -> Int { values[key, default: 0] }
    func write(_ key: Int, _ value: Int) { values[key] = value }
}
