import PostgresLock
import PostgresLockTesting
import Testing

/// Far more contended keys than connections.
@Suite("Overflow")
struct OverflowTests {
    /// The tasks wait inside the scope of the holder. On a busy machine, they wait for longer than other tests.
    private static let nestedLimit = Duration.seconds(1_800)

    /// Runs the body while another session holds the keys from 0 on; the body can release them.
    private func withHolder(of count: Int, _ database: TestDatabase, _ body: (LockTransaction) async throws -> Void) async throws {
        try await database.manager().withTransaction { holder in
            try await holder.execute("SELECT pg_advisory_lock(i) FROM generate_series(0, \(count - 1)) i")
            try await body(holder)
            try await holder.execute("SELECT pg_advisory_unlock_all()")
        }
    }

    enum Order: CaseIterable {
        case allAtOnce
        case firstToLast
        case lastToFirst
    }

    @Test(
        "ten thousand keys that another session holds are all granted over three connections, in whatever order they are released",
        .server(["max_locks_per_transaction": "2048", "max_connections": "20"]),
        arguments: Order.allCases
    )
    func served(order: Order) async throws {
        let count = 10_000
        let database = try TestDatabase.get()
        let locks = try database.manager {
            $0.pool.maximumConnections = 3
            $0.timeouts.nested = Self.nestedLimit
        }
        let clock = ContinuousClock()
        try await withHolder(of: count, database) { holder in
            let tasks = (0..<count).map { number in
                Task { try await locks.withLock(LockKey(number: Int64(number))) { $0.isHeld } }
            }
            try await database.eventually("all wait") { await locks.waitingCount == count }
            try await Task.sleep(for: .seconds(1))
            // A free key is granted at once meanwhile, on the shared session.
            var delays: [Duration] = []
            for number in 0..<50 {
                delays.append(try await clock.measure { try await locks.withLock("free \(number)") { _ in } })
                try await Task.sleep(for: .milliseconds(5))
            }
            delays.sort()
            let start = clock.now
            switch order {
            case .allAtOnce:
                try await holder.execute("SELECT pg_advisory_unlock_all()")
            case .firstToLast, .lastToFirst:
                for part in 0..<10 {
                    let first = (order == .firstToLast ? part : 9 - part) * count / 10
                    try await holder.execute("SELECT pg_advisory_unlock(i) FROM generate_series(\(first), \(first + count / 10 - 1)) i")
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            for task in tasks { #expect(try await task.value) }
            let duration = clock.now - start
            print(
                "\(count) contended keys over 3 connections, \(order): \(duration); a free key meanwhile: \(delays[25]), at most \(delays[49])"
            )
            // A quadratic algorithm takes hours; a busy machine takes minutes.
            #expect(duration < .seconds(300))
            // A wait that was ended on the server may have got its lock before; it is released afterwards.
            try await database.eventually("no lock is left") { try await database.locks() == 0 }
        }
        #expect(await locks.connectionPeak <= 3)
    }

    @Test(
        "a hundred thousand tasks that wait for a hundred thousand keys are all cancelled at once, and leave nothing behind",
        .server(["max_locks_per_transaction": "16384", "max_connections": "20"])
    )
    func cancelled() async throws {
        let count = 100_000
        let database = try TestDatabase.get()
        let locks = try database.manager {
            $0.pool.maximumConnections = 8
            $0.timeouts.nested = Self.nestedLimit
        }
        let clock = ContinuousClock()
        try await withHolder(of: count, database) { _ in
            let tasks = (0..<count).map { number in
                Task {
                    // Caught here, because the testing library visits all errors that are alive whenever one more is thrown.
                    do {
                        try await locks.acquire(LockKey(number: Int64(number))).release()
                        return false
                    } catch {
                        return error is CancellationError
                    }
                }
            }
            try await database.eventually("all wait") { await locks.waitingCount == count }
            try await database.eventually("some of them on the server") { try await database.locks(granted: false) == 6 }
            var ended = 0
            let duration = await clock.measure {
                for task in tasks { task.cancel() }
                for task in tasks { ended += await task.value ? 1 : 0 }
            }
            let quiet = try await clock.measure {
                try await database.eventually("no session waits") { try await database.locks(granted: false) == 0 }
            }
            print("\(count) waiting tasks cancelled in \(duration), the server's side \(quiet) later")
            #expect(ended == count)
            #expect(duration < .seconds(600))
            #expect(try await database.locks() == count)
        }
    }
}
