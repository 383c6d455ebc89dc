import PostgresLock
import Testing

@Suite("Crowds", .database)
struct CrowdTests {
    @Test("ten thousand tasks that wait for one key are one wait on the server; cancelled, they all end")
    func oneKey() async throws {
        let database = try TestDatabase.get()
        let holder = try await database.manager().acquire("a")
        let locks = try database.manager()
        let tasks = (0..<10_000).map { _ in
            Task {
                // Caught here, since the testing library keeps a list of all errors that live, and looks through all of it.
                do {
                    try await locks.acquire("a").release()
                    return false
                } catch {
                    return error is CancellationError
                }
            }
        }
        try await database.eventually("they wait") { try await database.locks(granted: false) == 1 }
        // What counts the sessions has just ended one of its own.
        try await database.eventually("few sessions") { try await database.sessions() <= 3 }
        for task in tasks { task.cancel() }
        var cancelled = 0
        for task in tasks where await task.value { cancelled += 1 }
        #expect(cancelled == tasks.count)
        try await database.eventually("no wait remains") { try await database.locks(granted: false) == 0 }
        try await holder.release()
    }

    @Test("more contended keys than connections are all served, and the pool's limit is hard", arguments: [2, 3, 8])
    func manyContendedKeys(limit: Int) async throws {
        let database = try TestDatabase.get()
        let other = try database.manager()
        let locks = try database.manager { $0.pool.maximumConnections = limit }
        let keys = (0..<50).map { LockKey(number: Int64($0)) }
        let (blocking, end) = AsyncStream.makeStream(of: Void.self)
        let blocker = Task {
            try await withThrowingTaskGroup { group in
                for key in keys {
                    group.addTask { try await other.withLock(key) { _ in for await _ in blocking {} } }
                }
                try await group.waitForAll()
            }
        }
        try await database.eventually("all are taken") { try await database.locks() == keys.count }
        try await withThrowingTaskGroup { group in
            for key in keys {
                group.addTask { try await locks.withLock(key) { _ in } }
            }
            try await database.eventually("all wait") { await locks.waitingCount == keys.count }
            end.finish()
            try await group.waitForAll()
        }
        try await blocker.value
        #expect(await locks.connectionPeak <= limit)
    }
}
