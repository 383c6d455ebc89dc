import Foundation
import LibPQ
import PostgresLock
import PostgresLockTesting
import Testing

/// A pool that has all the connections that the server allows.
@Suite("Limits of connections")
struct ConnectionLimitTests {
    private static let manyTables = """
        DO $$ BEGIN FOR i IN 1..100 LOOP EXECUTE 'CREATE TEMP TABLE t' || i || ' (i int PRIMARY KEY, x text)'; END LOOP; END $$
        """

    @Test(
        "no connection is refused to a role that is allowed no more than the pool, whatever ends sessions",
        .server(),
        .direct("the role's limit is the server's"),
        arguments: [2, 4]
    )
    func connectionLimit(limit: Int) async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE ROLE app LOGIN CONNECTION LIMIT \(limit)")
        let locks = try database.manager {
            $0.url = database.server.connectionString(database: database.name, user: "app")
            $0.pool.maximumConnections = limit
        }
        let other = try database.manager()
        let ended = Locked(0)
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for round in 0..<640 {
                        let key = LockKey(number: Int64(round % 2))
                        let limit = Duration.seconds(30)
                        let isLast = round % 20 == task
                        do {
                            switch task {
                            case 0: try await other.withLock(key, timeout: limit) { _ in }
                            case 1 where isLast:
                                // Any of its sessions, whatever it does.
                                try await other.withTransaction(timeout: limit) {
                                    _ = try await $0.query(
                                        """
                                        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' \
                                        ORDER BY random() LIMIT 1
                                        """
                                    )
                                }
                            case 1: try await other.withTransaction(locking: key, timeout: limit) { _ in }
                            case 2 where isLast:
                                try await locks.withTransaction(timeout: limit) {
                                    // The server's process takes a while to clear up.
                                    try await $0.execute(Self.manyTables)
                                    // Not to be had on such a connection, which is closed for it.
                                    try await $0.execute("COPY (SELECT 1) TO STDOUT")
                                }
                            case 2, 3: try await locks.withTransaction(timeout: limit) { _ = try await $0.query("SELECT 1") }
                            case 4 where isLast:
                                let running = Task {
                                    try await locks.withTransaction(timeout: limit) { _ = try await $0.query("SELECT pg_sleep(60)") }
                                }
                                try await Task.sleep(for: .milliseconds(20))
                                running.cancel()
                                try await running.value
                            case 4:
                                let cancelled = Task {
                                    try await locks.withTransaction(locking: key, timeout: limit) { _ = try await $0.query("SELECT 1") }
                                }
                                cancelled.cancel()
                                try await cancelled.value
                            case 5: try await locks.withSession(timeout: limit) { try await $0.withLock(key, timeout: limit) { _ in } }
                            default: try await locks.withLock(key, timeout: limit) { _ in }
                            }
                        } catch {
                            // Sessions are ended in the middle of all that.
                        }
                        ended.withLock { $0 += 1 }
                    }
                }
            }
        }
        #expect(ended.withLock { $0 } == 5120)
        let refused = try database.server.serverLog().split(separator: "\n").filter { $0.contains("too many connections") }
        // On a slow machine the server's process may take longer to drop the tables than the manager waits for its end.
        let abandonedEnds = await locks.abandonedEnds
        #expect(refused.isEmpty || abandonedEnds > 0, "\(refused.count) refused, such as \(refused.first ?? "")")
        await locks.shutdown()
    }

    @Test(
        "a connection keeps its place while the server's process takes seconds to leave",
        .server(),
        .direct("the role's limit is the server's")
    )
    func slowToLeave() async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE ROLE app LOGIN CONNECTION LIMIT 2")
        let locks = try database.manager {
            $0.url = database.server.connectionString(database: database.name, user: "app")
            $0.pool.maximumConnections = 2
            $0.pool.idleTimeout = .milliseconds(100)
        }
        // The manager waits for five seconds at most. On a machine that stands still for as long the round says nothing.
        for round in 0..<10 {
            try await locks.withLock("a", timeout: .seconds(60)) { _ in }
            let process: Int32? = try await locks.withTransaction(timeout: .seconds(60)) { transaction in
                try await transaction.query("SELECT pg_backend_pid()").first?.decode(0)
            }
            let start = ContinuousClock.now
            kill(try #require(process), SIGSTOP)
            let next = Task {
                try await Task.sleep(for: .milliseconds(500))
                try await locks.withTransaction(timeout: .seconds(60)) { _ in }
            }
            try await Task.sleep(for: .seconds(2.5))
            kill(try #require(process), SIGCONT)
            let time = start.duration(to: .now)
            try await next.value
            guard time < .seconds(4), round < 9 else { continue }
            let refused = try database.server.serverLog().split(separator: "\n").filter { $0.contains("too many connections") }
            #expect(refused.isEmpty, "\(refused.count) refused, such as \(refused.first ?? "")")
            break
        }
        await locks.shutdown()
    }
}
