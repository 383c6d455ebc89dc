import LibPQ
import PostgresLock
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
        "a pooler of transactions is refused at once, by an error that says what to do",
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

    @Test("what the manager sets reaches no other client of a pooler that is refused", .server())
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

    @Test("a pool of sessions does for everything, and nothing is left in it", .server())
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

            // Contention: one waits on the server for the other.
            let held = try await direct.acquire("b")
            let waiting = Task { try await locks.withLock("b") { _ in "got it" } }
            try await database.eventually("a wait on the server") { try await database.locks(granted: false) == 1 }
            try await held.release()
            #expect(try await waiting.value == "got it")
            let short = await lockError {
                let other = try await direct.acquire("b")
                defer { _ = other }
                try await locks.withLock("b", timeout: .milliseconds(200)) { _ in }
            }
            #expect(short?.code == .timedOut)

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

    @Test("pglock doctor tells the poolers apart", .server())
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

    @Test("a pool of sessions that has but one is reported as too small", .server())
    func smallPool() async throws {
        try await Pgbouncer.with("session", poolSize: 1) { pooler in
            let locks = try pooler.manager {
                $0.timeouts.connect = .seconds(2)
                $0.timeouts.unreachable = .seconds(2)
            }
            let error = await lockError { try await locks.withLock("a") { _ in } }
            #expect(error?.code == .cannotConnect)
            #expect(error?.message.contains("pool is too small") == true)
        }
    }
}
