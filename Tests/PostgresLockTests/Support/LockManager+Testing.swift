import PostgresLock

extension LockManager {
    /// Whether a lock can be had right now.
    func isFree(_ key: LockKey, mode: LockMode = .exclusive) async throws -> Bool {
        guard let lock = try await tryAcquire(key, mode: mode) else { return false }
        try await lock.release()
        return true
    }
}
