import PostgresLock
import Testing

/// A lock of a manager's, to be released by any task.
actor HeldKey {
    private let database: TestDatabase
    private var handle: LockHandle?

    init(_ key: LockKey, _ database: TestDatabase) async throws {
        self.database = database
        handle = try await database.manager().acquire(key)
    }

    func release() async throws {
        try await handle.take()?.release()
    }

    func releaseToWaiters() async throws {
        try await database.eventually("a wait") { try await database.locks(granted: false) == 1 }
        try await release()
    }
}
