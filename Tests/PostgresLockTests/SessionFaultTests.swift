import FaultTools
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("Faults of sessions")
struct SessionFaultTests {
    private static let kill = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        """

    @Test("the loss of the connection loses all locks, cancels the bodies, and is thrown with the keys", .database)
    func loss() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let error = await lockError {
            try await locks.withSession { session in
                try await session.acquire("a")
                let inner = await lockError {
                    try await session.withLock("b") { lock in
                        try await database.queryUncancelled(Self.kill)
                        let loss = await lock.waitForEnd()
                        #expect(loss?.code == .lockLost)
                        #expect(loss?.keys == ["b"])
                        #expect(!lock.isHeld)
                        #expect(await becomesCancelled())
                    }
                }
                #expect(inner?.code == .lockLost)
                #expect(await becomesCancelled())
                let unlock = await lockError { try await session.release("a") }
                #expect(unlock?.code == .lockLost)
            }
        }
        #expect(error?.code == .lockLost)
        #expect(Set(error?.keys ?? []) == ["a", "b"])
        // The manager goes on with another connection.
        try await locks.withSession { try await $0.acquire("a") }
    }

    @Test("the loss of a session that held nothing is reported as a lost connection, also to a wait", .database)
    func lossWithoutLock() async throws {
        let database = try TestDatabase.get()
        let (locks, other) = (try database.manager(), try database.manager())
        let idle = await lockError {
            try await locks.withSession { session in
                try await database.query(Self.kill)
                try await Task.sleep(for: .seconds(600))
            }
        }
        #expect(idle?.code == .connectionLost)
        #expect(idle?.underlying is CancellationError)
        let taken = try await other.acquire("taken")
        let waiting = Task { try await locks.withSession { try await $0.acquire("taken") } }
        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
        // The session says so a moment after it has begun to wait.
        try await database.eventually("the wait is ended") {
            try await !database.query(Self.kill + " AND wait_event_type = 'Lock'").isEmpty
        }
        let error = await lockError { try await waiting.value }
        #expect(error?.code == .connectionLost)
        try await taken.release()
    }

    @Test("COPY through the client, which libpq can't run in a pipeline, closes the connection, and the manager goes on", .database)
    func copy() async throws {
        let locks = try TestDatabase.get().manager()
        for sql in ["COPY (SELECT 1) TO STDOUT", "COPY pg_class FROM STDIN"] {
            let inSession = await lockError { try await locks.withSession { try await $0.execute(sql) } }
            #expect(inSession?.code == .connectionLost)
            #expect(inSession?.message.contains("COPY") == true)
            let inTransaction = await lockError { try await locks.withTransaction(locking: "a") { try await $0.execute(sql) } }
            #expect(inTransaction?.code == .lockLost)
        }
        try await locks.withSession { try await $0.acquire("a") }
    }

    @Test("a session that is ended by the manager's shutdown fails by an error that says so", .database)
    func shutdown() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let (started, continuation) = AsyncStream.makeStream(of: Void.self)
        let task = Task {
            try await locks.withSession { session in
                try await session.acquire("a")
                continuation.yield()
                try await Task.sleep(for: .seconds(600))
            }
        }
        for await _ in started { break }
        await locks.shutdown(gracePeriod: .zero)
        let error = await lockError { try await task.value }
        #expect(error?.code == .lockLost)
        #expect(error?.message.contains("shut down") == true)
    }

    @Test("a session whose unlock is not answered is closed", .server())
    func silence() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
            $0.timeouts.response = .seconds(10)
        }
        let error = await lockError {
            try await locks.withSession { session in
                try await session.acquire("kept")
                try await session.acquire("a")
                link.swallowEverything()
                let unlock = await lockError { try await session.release("a") }
                #expect(unlock?.code == .connectionLost)
            }
        }
        #expect(error?.code == .lockLost)
        #expect(error?.keys == ["kept"])
        await locks.shutdown(gracePeriod: .zero)
    }

    @Test(
        "sessions that take the same locks in any order, and retry after a deadlock, all end, and no update is lost",
        .server(["deadlock_timeout": "10ms"])
    )
    func deadlocks() async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE TABLE t (key text PRIMARY KEY, x int); INSERT INTO t VALUES ('a', 0), ('b', 0), ('c', 0)")
        let managers = [try database.manager(), try database.manager()]
        let (lanes, rounds) = (6, 20)
        let deadlocks = try await withThrowingTaskGroup(of: Int.self) { group in
            for lane in 0..<lanes {
                group.addTask {
                    var deadlocks = 0
                    for _ in 0..<rounds {
                        let keys = ["a", "b", "c"].shuffled().prefix(2).map { LockKey($0) }
                        deadlocks += try await managers[lane % 2].withSession { session in
                            try await Self.increment(keys[0], keys[1], session)
                        }
                    }
                    return deadlocks
                }
            }
            return try await group.reduce(0, +)
        }
        print("sessions in any order: \(deadlocks) deadlocks in \(lanes * rounds) rounds")
        #expect(deadlocks > 0)
        #expect(try await database.query("SELECT sum(x) FROM t") == [["\(2 * lanes * rounds)"]])
    }

    /// Reads and writes by separate statements, so that two holders of the same lock would lose an update.
    ///
    /// - Returns: The number of deadlocks.
    private static func increment(_ first: LockKey, _ second: LockKey, _ session: LockSession) async throws -> Int {
        for deadlocks in 0... {
            do {
                try await session.withLock(first) { _ in
                    try await Task.sleep(for: .milliseconds(2))
                    try await session.withLock(second) { _ in
                        for name in [first, second].compactMap(\.name) {
                            let x = try await session.query("SELECT x FROM t WHERE key = $1", [.string(name)])[0].decode(0, as: Int.self)
                            try await session.execute("UPDATE t SET x = $1 WHERE key = $2", [.int(x + 1), .string(name)])
                        }
                    }
                }
                return deadlocks
            } catch let error as LockError where error.code == .deadlock {
                #expect(error.keys.contains(first) || error.keys.contains(second))
            }
        }
        return 0
    }

    @Test(
        "a statement of a task that outlives the body is not sent after the end of the scope, also if the session was being prepared for it",
        .server(),
        .direct("the link is before the server"),
        arguments: [true, false]
    )
    func lateStatement(isTransaction: Bool) async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        // For a session the role's setting is restored first, for a transaction a savepoint is set.
        try await database.query("CREATE ROLE app LOGIN; ALTER ROLE app SET default_transaction_isolation = 'serializable'")
        let locks = try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=app dbname=\(database.name)"
        }
        let sleep = "SELECT pg_sleep(20) /* savepoint */"
        let preparation = """
            SELECT 1 FROM pg_stat_activity WHERE usename = 'app'
            AND query LIKE '\(isTransaction ? "SAVEPOINT %" : "SELECT pg_catalog.set_config(''default_transaction_isolation'', NULL%")'
            """
        let (late, continuation) = AsyncStream.makeStream(of: Task<Void, any Error>.self)
        func body(_ run: @escaping @Sendable () async throws -> Void) async throws {
            // The statement that makes it ready is shown until the answer and the next one have come over the link.
            link.setDelay(.seconds(3))
            continuation.yield(Task { try await run() })
            try await database.eventually("the connection is made ready") { try await !database.query(preparation).isEmpty }
            link.setDelay(.zero)
        }
        if isTransaction {
            try await locks.withTransaction(locking: "a") { transaction in
                try await body { _ = try await transaction.query(sleep) }
            }
        } else {
            try await locks.withSession { session in try await body { _ = try await session.query(sleep) } }
        }
        for await task in late {
            let error = await #expect(throws: LockError.self) { try await task.value }
            #expect(error?.code == .invalidArgument)
            break
        }
        await locks.shutdown()
        try await database.query("DROP ROLE app")
    }
}
