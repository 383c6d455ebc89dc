import PostgresLock

extension LockManager {
    /// Whether a lock is free.
    func isFree(_ key: LockKey, mode: LockMode = .exclusive) async throws -> Bool {
        guard let lock = try await tryAcquire(key, mode: mode) else { return false }
        try await lock.release()
        return true
    }
}
