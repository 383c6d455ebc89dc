import ChildProcesses
import FaultTools
import Foundation
import LibPQ
import Logging
import PostgresLock
import PostgresLockTesting
import Testing

/// Behind a real pgbouncer.
@Suite("Poolers")
struct PoolerTests {
    struct Pool: CustomTestStringConvertible {
        var size = 20
        var settings: [String: String] = [:]
        var clients = 0

        var testDescription: String { "pool of \(size), \(settings), \(clients) other clients" }
    }

    @Test(
        "a pooler of transactions is refused at once, by an error with advice",
        .server(),
        arguments: [
            Pool(), Pool(size: 1), Pool(size: 2), Pool(settings: ["server_round_robin": "1"]),
            Pool(size: 2, settings: ["server_round_robin": "1"]), Pool(clients: 6), Pool(size: 3, clients: 6),
            Pool(size: 1, clients: 2), Pool(size: 3, settings: ["server_round_robin": "1"], clients: 6),
        ]
    )
    func transactionPooling(_ pool: Pool) async throws {
        try await Pgbouncer.with("transaction", poolSize: pool.size, settings: pool.settings) { pooler in
            await withTaskGroup { group in
                for _ in 0..<pool.clients {
                    group.addTask {
                        while !Task.isCancelled {
                            _ = try? await pooler.query("BEGIN; SELECT pg_sleep(0.01); COMMIT; SELECT 1; SELECT pg_sleep(0.02)")
                        }
                    }
                }
                for _ in 0..<3 {
                    let error = await lockError { try await pooler.manager().withLock("a") { _ in } }
                    #expect(error?.code == .transactionPooling)
                    #expect(error?.message.contains("pool_mode = session") == true)
                }
                group.cancelAll()
            }
        }
    }

    @Test("a pooler of statements is refused", .server())
    func statementPooling() async throws {
        try await Pgbouncer.with("statement") { pooler in
            let error = await lockError { try await pooler.manager().withLock("a") { _ in } }
            #expect(error?.code == .transactionPooling)
        }
    }

    @Test("a manager that refuses a pooler changes no settings of the pooler's other clients", .server())
    func leaks() async throws {
        try await Pgbouncer.with("transaction", poolSize: 2) { pooler in
            // Both sessions of the pool.
            func settings() async throws -> [String] {
                let sql = """
                    BEGIN; SELECT pg_sleep(0.5);
                    SELECT pg_backend_pid() || string_agg(name || '=' || setting, ',' ORDER BY name) FROM pg_settings
                    WHERE name ~ 'timeout|interval|keepalive' AND source = 'session'
                    """
                async let first = pooler.query(sql)
                async let second = pooler.query(sql)
                return try await [first, second].sorted()
            }
            _ = try await settings()
            for _ in 0..<3 { _ = await lockError { try await pooler.manager().withLock("a") { _ in } } }
            #expect(try await settings() == ["", ""])
            #expect(try await TestDatabase.get().locks() == 0)
        }
    }

    @Test("everything works through a pooler of sessions, and nothing is left in its pool", .server())
    func sessionPooling() async throws {
        let database = try TestDatabase.get()
        try await Pgbouncer.with("session") { pooler in
            let direct = try database.manager()
            let locks = try pooler.manager()
            try await locks.withLock("a") { lock in
                #expect(lock.isHeld)
                let isFree = try await direct.isFree("a")
                #expect(!isFree)
            }
            #expect(try await direct.isFree("a"))

            // One waits on the server for the other.
            let held = try await direct.acquire("b")
            let waiting = Task { try await locks.withLock("b") { _ in "got it" } }
            try await database.eventually("a wait on the server") { try await database.locks(granted: false) == 1 }
            try await held.release()
            #expect(try await waiting.value == "got it")
            let other = try await direct.acquire("b")
            await expectTimedOut(from: .seconds(2)) { timeout in try await locks.withLock("b", timeout: timeout) { _ in } }
            try await other.release()

            try await locks.withTransaction(locking: "c") { transaction in
                try await transaction.execute("CREATE TABLE t (n int)")
                let isFree = try await direct.isFree("c")
                #expect(!isFree)
            }
            #expect(try await database.query("SELECT count(*) FROM t") == [["0"]])
            try await locks.withSession { session in try await session.withLock("d") { _ in } }

            await locks.shutdown()
            try await database.eventually("nothing is locked") { try await database.locks() == 0 }
            // The pooler resets a session before the next client gets it.
            #expect(try await pooler.query("SELECT count(*) FROM pg_settings WHERE source = 'session' AND name ~ 'timeout'") == "0")
        }
    }

    @Test("a session whose settings were undone behind a pooler keeps the name and the encoding that its client has given", .server())
    func clientSettings() async throws {
        let server = try TestDatabase.get().server
        _ = try await server.query("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        try await Pgbouncer.with("session") { pooler in
            let locks = try pooler.manager {
                $0.url = pooler.url + " dbname='latin'"
                $0.applicationName = #"it's \ orders"#
                $0.pool.maximumConnections = 2
            }
            for _ in 0..<3 {
                let row = try await locks.withSession { session in
                    try await session.query(
                        "SELECT current_setting('application_name'), current_setting('client_encoding'), current_setting('server_encoding'), $1",
                        [.string("größe")]
                    )[0]
                }
                let texts = try (0..<4).map { try row.decode($0, as: String.self) }
                #expect(texts == [#"it's \ orders"#, "UTF8", "LATIN1", "größe"])
            }
        }
    }

    @Test("transactions of a manager of transactions exclude each other through a pooler of transactions", .server(), arguments: [2, 20])
    func transactions(poolSize: Int) async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE TABLE counter AS SELECT 0 AS n")
        let role = "ALTER DATABASE \(database.name) SET"
        // They apply to the test's own queries, too, which may take long on a busy machine.
        try await database.query("\(role) statement_timeout = '5s'; \(role) lock_timeout = '4s'")
        try await Pgbouncer.with("transaction", poolSize: poolSize) { pooler in
            let managers = try (0..<2).map { _ in try pooler.transactionManager() }
            // Read and written by separate statements, so that only the lock prevents lost updates.
            try await withThrowingTaskGroup { group in
                for number in 0..<40 {
                    group.addTask {
                        try await managers[number % 2].withTransaction(locking: "counter") { transaction in
                            let n = try await transaction.query("SELECT n FROM counter").first?.decode(0, as: Int.self) ?? 0
                            try await transaction.execute("UPDATE counter SET n = \(n + 1)")
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await database.query("SELECT n FROM counter") == [["40"]])

            // The timeouts of the database do not end waits, and still apply to other clients.
            let waiting = try await managers[0].withTransaction(locking: "long") { transaction in
                let waiting = Task { try await managers[1].withTransaction(locking: "long") { _ in "got it" } }
                try await database.eventually("a wait") { try await database.locks(granted: false) == 1 }
                try await transaction.execute("SELECT pg_sleep(6)")
                return waiting
            }
            #expect(try await waiting.value == "got it")
            #expect(try await pooler.query("SHOW statement_timeout") == "5s")

            // Deadlines and cancellations also end waits through the pooler.
            try await managers[0].withTransaction(locking: "taken") { _ in
                for _ in 0..<20 {
                    let error = await lockError {
                        try await managers[1].withTransaction(locking: "taken", timeout: .milliseconds(20)) { _ in }
                    }
                    // Some deadlines come before the server's answer.
                    #expect(error.map { [.timedOut, .noAnswer].contains($0.code) } == true, "\(String(describing: error))")
                }
            }
            try await managers[1].withTransaction(locking: "taken", timeout: .seconds(120)) { _ in }
        }
        try await database.eventually("nothing is locked") { try await database.locks() == 0 }
    }

    @Test(
        "behind a pooler of transactions no session is asked about the wait of another one, since the pool may have given that to another client",
        .server()
    )
    func noOtherSession() async throws {
        let database = try TestDatabase.get()
        try await Pgbouncer.with("transaction") { pooler in
            let held = try await database.manager().acquire("k")
            let locks = try pooler.transactionManager()
            let first = Task { try await locks.withTransaction(locking: "k", timeout: .seconds(600)) { _ in } }
            try await database.eventually("a wait") { try await database.locks(granted: false) == 1 }
            let error = await lockError { try await locks.withTransaction(locking: "k", timeout: .seconds(1)) { _ in } }
            #expect(error?.code == .noAnswer)
            #expect(await locks.connectionCount == 1)
            let cancelled = Task { try await locks.withTransaction(locking: "k", timeout: .seconds(600)) { _ in } }
            cancelled.cancel()
            await #expect(throws: CancellationError.self) { try await cancelled.value }
            #expect(await locks.connectionCount == 1)
            try await held.release()
            try await first.value
        }
    }

    @Test(
        "a manager of transactions has as many transactions at a time as connections, and no connection besides",
        .server(),
        arguments: [1, 3]
    )
    func transactionConnections(count: Int) async throws {
        let database = try TestDatabase.get()
        try await Pgbouncer.with("transaction") { pooler in
            let locks = try pooler.transactionManager { $0.pool.maximumConnections = count }
            let counts = Locked((running: 0, peak: 0))
            try await withThrowingTaskGroup { group in
                for number in 0..<(4 * count) {
                    group.addTask {
                        try await locks.withTransaction(locking: LockKey(number: Int64(number))) { transaction in
                            counts.withLock {
                                $0.running += 1
                                $0.peak = max($0.peak, $0.running)
                            }
                            defer { counts.withLock { $0.running -= 1 } }
                            // On a busy machine all could have run on the first connection before the others are there.
                            try await database.eventually("as many run as there are connections") { counts.withLock { $0.peak >= count } }
                            try await transaction.execute("SELECT pg_sleep(0.1)")
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(counts.withLock { $0.peak } == count)
            #expect(await locks.connectionCount == count)
        }
    }

    @Test("the error for a pooler of transactions names TransactionLockManager", .server())
    func advice() async throws {
        try await Pgbouncer.with("transaction") { pooler in
            let error = await lockError { try await pooler.manager().withLock("a") { _ in } }
            #expect(error?.message.contains("TransactionLockManager") == true, "\(String(describing: error))")
        }
    }

    @Test("pglock doctor distinguishes the kinds of poolers", .server())
    func doctor() async throws {
        struct Pool {
            let mode: String
            var settings: [String: String] = [:]
            let status: Int32
            let finding: String
        }
        let pools = [
            Pool(mode: "transaction", status: 2, finding: "failed   pooling      The connection goes through a pooler that pools tran"),
            Pool(mode: "statement", status: 2, finding: "failed   pooling      The connection goes through a pooler that pools stat"),
            Pool(mode: "session", status: 0, finding: "ok       pooling      a pooler of sessions"),
            Pool(
                mode: "session",
                settings: ["server_reset_query": "SELECT pg_advisory_unlock_all()"],
                status: 0,
                finding: "warning  pooling      There is a pooler of sessions that keeps the settings"
            ),
            Pool(
                mode: "session",
                settings: ["server_reset_query": ""],
                status: 2,
                finding: "failed   pooling      There is a pooler of sessions that keeps the locks"
            ),
        ]
        let database = try TestDatabase.get()
        for pool in pools {
            try await Pgbouncer.with(pool.mode, settings: pool.settings) { pooler in
                let program = try ChildProcess.helper("pglock", ["doctor", pooler.url])
                var output = ""
                for await line in program.lines { output += line + "\n" }
                #expect(await program.status() == pool.status)
                #expect(output.contains(pool.finding), "\(output)")
            }
            try await database.eventually("nothing is locked") { try await database.locks() == 0 }
        }
    }

    @Test("a pool of a single session is reported as too small", .server())
    func smallPool() async throws {
        try await Pgbouncer.with("session", poolSize: 1) { pooler in
            let locks = try pooler.manager {
                $0.timeouts.connect = .seconds(8)
                $0.timeouts.unreachable = .seconds(8)
            }
            let error = await lockError { try await locks.withLock("a") { _ in } }
            #expect(error?.code == .cannotConnect)
            #expect(error?.message.contains("pool is too small") == true)
        }
    }
}
