import PostgresLock
import Testing

/// A way in which this library takes a lock that other programs take by their own means.
enum OurSide: String, CaseIterable, Sendable {
    case manager
    case session
    case connection

    /// Acquires a lock, and holds it until it is released.
    ///
    /// - Parameter isBlocking: Whether to wait for it.
    /// - Returns: `nil` if it is taken.
    func acquire(
        _ key: LockKey,
        _ mode: LockMode,
        _ scope: LockScope,
        isBlocking: Bool,
        _ locks: LockManager,
        _ database: TestDatabase
    ) async throws -> Held? {
        let held = Held()
        let task = Task {
            do {
                try await hold(key, mode, scope, isBlocking ? .seconds(300) : .zero, locks, database) { await held.begin() }
            } catch let error as LockError where error.code == .timedOut && !isBlocking {
                await held.refuse()
            } catch {
                await held.refuse()
                throw error
            }
        }
        return try await held.begun(task) ? held : nil
    }

    private func hold(
        _ key: LockKey,
        _ mode: LockMode,
        _ scope: LockScope,
        _ timeout: Duration,
        _ locks: LockManager,
        _ database: TestDatabase,
        _ body: @Sendable () async -> Void
    ) async throws {
        switch (self, scope) {
        case (.manager, .session):
            try await locks.withLock(key, mode: mode, timeout: timeout) { _ in await body() }
        case (.manager, _):
            try await locks.withTransaction(locking: key, mode: mode, timeout: timeout) { _ in await body() }
        case (.session, .session):
            try await locks.withSession { session in
                try await session.withLock(key, mode: mode, timeout: timeout) { _ in await body() }
            }
        case (.session, _):
            try await locks.withTransaction { transaction in
                try await transaction.acquire(key, mode: mode, timeout: timeout)
                await body()
            }
        case (.connection, _):
            let owned = try OwnedLibPQ(database.url)
            let lock = ConnectionLock(key, on: owned.connection, mode: mode, scope: scope)
            if scope == .transaction { _ = try await owned.connection.queryBoolean("BEGIN") }
            try await lock.acquire(timeout: timeout)
            await body()
            if scope == .transaction {
                _ = try await owned.connection.queryBoolean("COMMIT")
            } else {
                try await lock.release()
            }
        }
    }

    /// A lock that a task holds until it is told to release it.
    actor Held {
        private var isGranted: Bool?
        private var asker: CheckedContinuation<Bool, Never>?
        private var holder: CheckedContinuation<Void, Never>?
        private var task: Task<Void, any Error>?

        /// Called by the task when it has the lock. Returns when the lock is to be released.
        func begin() async {
            decide(true)
            await withCheckedContinuation { holder = $0 }
        }

        func refuse() {
            decide(false)
        }

        private func decide(_ isGranted: Bool) {
            self.isGranted = isGranted
            asker?.resume(returning: isGranted)
            asker = nil
        }

        /// - Returns: Whether the lock was granted.
        func begun(_ task: Task<Void, any Error>) async throws -> Bool {
            self.task = task
            let isGranted =
                if let isGranted { isGranted } else { await withCheckedContinuation { asker = $0 } }
            if !isGranted { try await task.value }
            return isGranted
        }

        func end() async throws {
            holder?.resume()
            holder = nil
            try await task?.value
        }
    }
}
