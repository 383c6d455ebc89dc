import PostgresLock
import Testing

/// Uses that have to compile are half of each test.
@Suite("Texts as keys", .database)
struct KeyTextTests {
    private let id = "orders:42"

    @Test("a text in a variable is the key that the same text is as a literal, for locks of a manager")
    func manager() async throws {
        let locks = try TestDatabase.get().manager()
        #expect(try await locks.withLock(id) { $0.key } == "orders:42")
        #expect(try await locks.withLock(id.prefix(6)) { $0.key } == "orders")
        #expect(try await locks.withLock("orders:\(42)") { $0.key } == LockKey(id))
        #expect(try await locks.withLockIfAvailable(id) { $0.key } == "orders:42")
        #expect(try await locks.withLocks([.exclusive(id), .shared("rates"), LockRequest(id)]) { Set($0.keys) } == ["orders:42", "rates"])
        #expect(try await locks.withTransaction(locking: id) { $0.lock?.key } == "orders:42")
        let handle = try await locks.acquire(id)
        #expect(handle.key == "orders:42")
        try await handle.release()
        guard let tried = try await locks.tryAcquire(id) else {
            Issue.record("The lock is taken.")
            return
        }
        #expect(tried.key == "orders:42")
        try await tried.release()
    }

    @Test("a text in a variable is the key that the same text is as a literal, for locks of a session and of a transaction")
    func session() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        try await locks.withSession { session in
            #expect(try await session.withLock(id) { $0.key } == "orders:42")
            #expect(try await session.withLockIfAvailable(id) { $0.key } == "orders:42")
            try await session.acquire(id)
            try await session.release("orders:42")
            #expect(try await session.tryAcquire("orders:42"))
            try await session.release(id)
            let held = try await database.locks()
            #expect(held == 0)
        }
        try await locks.withTransaction { transaction in
            try await transaction.acquire(id)
            #expect(try await transaction.tryAcquire("orders:42"))
            let isTaken = try await !transaction.tryAcquire(id)
            #expect(!isTaken)
            let held = try await database.locks()
            #expect(held == 1)
        }
    }

    @Test("keys other than texts are written as before, inside scopes too")
    func otherKeys() async throws {
        let locks = try TestDatabase.get().manager()
        let none: LockKey? = nil
        #expect(try await locks.withLock(.postgresqlLock("orders:42")) { $0.key } == LockKey(id))
        #expect(try await locks.withLock(.init(number: 42)) { $0.key } == LockKey(number: 42))
        #expect(try await locks.withLock(.init(describing: 42)) { $0.key } == "42")
        #expect(try await locks.withLock(.distributedLock("orders")) { $0.key } == .distributedLock("orders"))
        #expect(try await locks.withTransaction(locking: .goose) { $0.lock?.key } == .goose)
        try await locks.withTransaction(locking: none) { #expect($0.lock == nil) }
        try await locks.withTransaction(locking: nil) { #expect($0.lock == nil) }
        try await locks.withSession { session in
            try await session.withLock("a") { _ in try await session.acquire("b", mode: .shared) }
            let isTaken = try await session.withLock("a") { _ in try await session.tryAcquire("c", mode: .shared) }
            #expect(isTaken)
        }
    }
}
