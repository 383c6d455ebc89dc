import PostgresLock

/// One of several processes whose tasks take locks on a few keys in random modes. Each holder records its lock in a table at the server,
/// and there looks for conflicting locks of other holders, in this process and others.
///
/// Arguments: a connection string, the number of tasks, the rounds of each, and the limit of handoffs. The test creates the tables.
@main
struct LockWorker {
    let locks: LockManager
    let records: LockManager

    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 5, let tasks = Int(arguments[2]), let rounds = Int(arguments[3]),
            let handoff = Int(arguments[4])
        else {
            print("usage: LockWorker URL TASKS ROUNDS HANDOFF-LIMIT")
            return
        }
        var configuration = LockManager.Configuration(url: arguments[1])
        configuration.handoff.maximumCount = handoff
        configuration.pool.maximumConnections = 5
        // A record that could not be deleted would look like a holder. Tests run on busy machines.
        configuration.timeouts.unreachable = .seconds(120)
        configuration.timeouts.nested = .seconds(300)
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
        // Some calls have a short timeout or are cancelled, so that some waits end without a grant.
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
            for lock in set { try await hold(Int(lock.key.number ?? -1), lock.mode) }
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

    /// Records the lock in a task of its own, so that a cancellation does not leave a record behind.
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
        // Each holder commits its record before it looks for others, so at least one of two overlapping holders sees the other.
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
