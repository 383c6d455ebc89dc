import PostgresLock
import Testing

@Suite("Lock handles that can be copied", .database)
struct CopyableHandleTests {
    /// A helper whose result has to be copyable, such as a span of tracing.
    private func withSpan<Result>(_ name: String, _ body: () async throws -> Result) async throws -> Result {
        try await body()
    }

    @Test("a lock that is acquired inside a helper stays held until its handle releases it")
    func helper() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let handle = try await withSpan("acquire") { try await locks.acquire("a").copyable() }
        #expect(handle.lock.isHeld)
        #expect(handle.lock.key == "a")
        #expect(try await database.locks() == 1)
        try await handle.release()
        #expect(!handle.lock.isHeld)
        #expect(try await database.locks() == 0)
    }

    @Test("a lock is released by the first of its handle's copies that does, and only once")
    func copies() async throws {
        let database = try TestDatabase.get()
        let (locks, other) = (try database.manager(), try database.manager())
        let handles = Array(repeating: try await locks.acquire("a").copyable(), count: 3)
        try await handles[1].release()
        try await other.withLock("a") { lock in
            for handle in handles { try await handle.release() }
            #expect(lock.isHeld)
            let held = try await database.locks()
            #expect(held == 1)
        }
    }

    @Test("a lock whose handle's last copy is dropped is released")
    func dropped() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        var first: CopyableLockHandle? = try await locks.acquire("a").copyable()
        var second = first
        let lock = first?.lock
        first = nil
        #expect(lock?.isHeld == true)
        #expect(second != nil)
        second = nil
        #expect(lock?.isHeld == false)
        try await database.eventually("the lock is released") { try await database.locks() == 0 }
    }

    @Test("the release of a lock that was lost throws the loss")
    func loss() async throws {
        let database = try TestDatabase.get()
        let handle = try await database.manager().acquire("a").copyable()
        try await database.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        #expect(await handle.lock.waitForEnd()?.code == .lockLost)
        #expect(await lockError { try await handle.release() }?.code == .lockLost)
    }
}
