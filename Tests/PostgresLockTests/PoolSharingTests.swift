import LibPQ
import PostgresLock
import PostgresLockTesting
import Testing

/// Waits, transactions and sessions that need connections of the same small pool.
@Suite("Sharing the pool", .database)
struct PoolSharingTests {
    @Test("in a pool of two, a transaction gets the connection that is not shared while a wait for a lock goes on")
    func waitYields() async throws {
        let database = try TestDatabase.get()
        let holder = try database.manager()
        let locks = try database.manager { $0.pool.maximumConnections = 2 }
        let lock = try await holder.acquire("a")
        let waiting = Task { try await locks.withLock("a") { _ in } }
        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
        for number in 0..<3 {
            #expect(try await locks.withTransaction { try await $0.query("SELECT \(number)") }.count == 1)
        }
        try await lock.release()
        try await waiting.value
    }

    @Test(
        "a deadlock through the pool ends by itself: sessions wait for a lock of a set, the set for a transaction, and the transaction for a connection",
        arguments: [2, 3, 8]
    )
    func ring(size: Int) async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.pool.maximumConnections = size }
        let (first, second) = (LockKey(number: 1), LockKey(number: 2))
        let sessions = max(1, size - 2)
        let begun = AsyncStream.makeStream(of: Void.self)
        let gate = AsyncStream.makeStream(of: Void.self)
        let calls = (0..<sessions).map { _ in
            Task {
                try await locks.withSession { session in
                    begun.continuation.yield()
                    for await _ in gate.stream { break }
                    try await session.withLock(first) { _ in }
                }
            }
        }
        var missing = sessions
        for await _ in begun.stream {
            missing -= 1
            if missing == 0 { break }
        }
        let transaction = Task { try await locks.withTransaction(locking: second) { _ in } }
        try await database.eventually("the transaction waits for a connection") { await locks.waitingCount == 1 }
        let set = Task { try await locks.withLocks([.exclusive(first), .exclusive(second)]) { _ in } }
        try await database.eventually("the set has its first lock") { try await database.locks() == 1 }
        gate.continuation.finish()
        // Only checks that they end: without limits the deadlock would not.
        let tasks = calls + [set, transaction]
        let ended = Locked(0)
        let watches = tasks.map { task in
            Task {
                try await task.value
                ended.withLock { $0 += 1 }
            }
        }
        try await database.eventually("all end") { ended.withLock { $0 } == tasks.count }
        for task in tasks { task.cancel() }
        for watch in watches { _ = await watch.result }
    }

    @Test("the limit of a wait does not apply to the body that gets the session next")
    func noLimitLeft() async throws {
        let database = try TestDatabase.get()
        let lock = try await database.manager().acquire("a")
        let locks = try database.manager { $0.pool.maximumConnections = 2 }
        await expectTimedOut { try await locks.withLock("a", timeout: $0) { _ in } }
        let limit = try await locks.withSession { try await $0.query("SHOW lock_timeout").first?.decode(0, as: String.self) }
        #expect(limit == "0")
        #expect(await locks.connectionPeak == 2)
        try await lock.release()
    }

    @Test("a session that was reset after a body can wait for locks again")
    func waitsAfterReset() async throws {
        let database = try TestDatabase.get()
        let lock = try await database.manager().acquire("a")
        let log = LogRecorder()
        var configuration = LockManager.Configuration(url: database.url)
        configuration.pool.maximumConnections = 2
        let locks = try LockManager(configuration: configuration, logger: log.logger)
        for _ in 0..<3 {
            await expectTimedOut { try await locks.withLock("a", timeout: $0) { _ in } }
            try await locks.withSession { _ = try await $0.query("SELECT 1") }
        }
        #expect(await locks.connectionPeak == 2)
        try await lock.release()
        await locks.shutdown(gracePeriod: .zero)
        await locks.drainLog()
        // If the dropped statements were not prepared again, the session would be closed, and another one opened.
        #expect(log.lines.all.filter { $0.message == "connection lost" }.count == 0)
        #expect(log.lines.all.filter { $0.message == "connected" }.count == 2)
    }
}
