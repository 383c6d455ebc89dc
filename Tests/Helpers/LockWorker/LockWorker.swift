import PostgresLock

/// One process of a fleet: many tasks that take locks on a few keys in random modes, and record at the server who holds
/// what, so that holders who overlap without being allowed to are found whoever they are.
///
/// Arguments: a connection string, the number of tasks, and the rounds of each. The tables are made by the test.
@main
struct LockWorker {
    let locks: LockManager
    let records: LockManager

    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 5, let tasks = Int(arguments[2]), let rounds = Int(arguments[3]),
            let handoff = Int(arguments[4])
        else {
            print("usage: LockWorker URL TASKS ROUNDS HAND-ON-LIMIT")
            return
        }
        var configuration = LockManager.Configuration(url: arguments[1])
        configuration.handoff.maximumCount = handoff
        configuration.pool.maximumConnections = 5
        let worker = LockWorker(
            locks: try LockManager(configuration: configuration),
            records: try LockManager(configuration: configuration)
        )
        try await withThrowingTaskGroup { group in
            for _ in 0..<tasks {
                group.addTask {
                    for _ in 0..<rounds { try await worker.runOnce() }
                }
            }
            try await group.waitForAll()
        }
        await worker.locks.shutdown()
        await worker.records.shutdown()
    }

    private func runOnce() async throws {
        // Some give up half way, so that waits which end otherwise than by a grant are among what is tried.
        let timeout: Duration? = Int.random(in: 0..<10) == 0 ? .milliseconds(Int.random(in: 1...20)) : nil
        let task = Task {
            switch Int.random(in: 0..<10) {
            case 0..<6: try await holdOne(timeout)
            case 6..<8: try await holdSeveral(timeout)
            default: try await changeMode(timeout)
            }
        }
        let cancelling =
            Int.random(in: 0..<10) == 0
            ? Task { [delay = Duration.milliseconds(Int.random(in: 0...30))] in
                try await Task.sleep(for: delay)
                task.cancel()
            } : nil
        defer { cancelling?.cancel() }
        do {
            try await task.value
        } catch let error as LockError where [.timedOut, .noAnswer, .poolExhausted].contains(error.code) {
            return
        } catch is CancellationError {
            return
        }
    }

    private func randomKey() -> Int { Int.random(in: 0..<4) }
    private func randomMode() -> LockMode { Int.random(in: 0..<3) == 0 ? .exclusive : .shared }

    private func holdOne(_ timeout: Duration?) async throws {
        let (key, mode) = (randomKey(), randomMode())
        try await locks.withLock(LockKey(number: Int64(key)), mode: mode, timeout: timeout) { _ in
            try await hold(key, mode)
        }
    }

    private func holdSeveral(_ timeout: Duration?) async throws {
        let wanted = (0..<3).map { _ in LockRequest(LockKey(number: Int64(randomKey())), mode: randomMode()) }
        try await locks.withLocks(wanted, timeout: timeout) { set in
            for lease in set.leases { try await hold(Int(lease.key.number ?? -1), lease.mode) }
        }
    }

    private func changeMode(_ timeout: Duration?) async throws {
        let (key, mode) = (randomKey(), randomMode())
        let lock = try await locks.acquire(LockKey(number: Int64(key)), mode: mode, timeout: timeout)
        try await hold(key, mode)
        if mode == .exclusive {
            try await lock.downgrade()
            try await hold(key, .shared)
        } else if try await lock.tryUpgrade() {
            try await hold(key, .exclusive)
        }
        try await lock.release()
    }

    /// Not ended half way by a cancellation, which would leave a record behind.
    private func hold(_ key: Int, _ mode: LockMode) async throws {
        try await Task { try await record(key, mode) }.value
    }

    private func record(_ key: Int, _ mode: LockMode) async throws {
        let isExclusive = mode == .exclusive
        let id = Int.random(in: 1 ... .max)
        try await records.withTransaction { transaction in
            try await transaction.execute(
                "INSERT INTO holders (id, key, is_exclusive) VALUES ($1, $2, $3)",
                [.int(id), .int(key), .bool(isExclusive)]
            )
        }
        // The other's record is committed before it looks, too: of two who overlap, at least one sees the other.
        try await records.withTransaction { transaction in
            try await transaction.execute(
                """
                INSERT INTO violations SELECT id FROM holders
                WHERE key = $2 AND id <> $1 AND (is_exclusive OR $3)
                """,
                [.int(id), .int(key), .bool(isExclusive)]
            )
            try await transaction.execute("DELETE FROM holders WHERE id = $1", [.int(id)])
            try await transaction.execute("INSERT INTO rounds VALUES ($1)", [.bool(isExclusive)])
        }
    }
}
