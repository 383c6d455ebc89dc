import PostgresLock

/// Many locks that are held while something else is measured.
struct HeldLocks {
    private let locks: [CopyableLockHandle]

    /// Takes the locks of the keys from `first` on, a thousand at a time.
    init(count: Int, first: Int64, _ manager: LockManager) async throws {
        let lanes = min(count, 1000)
        let tasks = (0..<lanes).map { lane in
            Task {
                var taken: [CopyableLockHandle] = []
                for index in stride(from: lane, to: count, by: lanes) {
                    taken.append(try await manager.acquire(LockKey(number: first + Int64(index))).copyable())
                }
                return taken
            }
        }
        var locks: [CopyableLockHandle] = []
        for task in tasks { locks += try await task.value }
        self.locks = locks
    }

    func release() async throws {
        let tasks = locks.map { lock in Task { try await lock.release() } }
        for task in tasks { try await task.value }
    }
}
