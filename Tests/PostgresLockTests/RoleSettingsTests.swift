import ChildProcesses
import FaultTools
import Foundation
import Logging
import PostgresLock
import PostgresLockTesting
import Testing

/// The settings of a role apply to the role's own statements, and must not change what the library's statements do.
@Suite("A role's settings", .server(), .direct("a pooler's sessions are another role's"))
struct RoleSettingsTests {
    private static let nasty = [
        "DateStyle = 'German, DMY'", "IntervalStyle = 'sql_standard'", "bytea_output = 'escape'", "extra_float_digits = -15",
        "TimeZone = 'Asia/Kathmandu'", "client_encoding = 'LATIN1'", "client_min_messages = 'error'", "exit_on_error = on",
        "default_transaction_isolation = 'serializable'", "default_transaction_read_only = on", "default_transaction_deferrable = on",
        "statement_timeout = '300ms'", "lock_timeout = '200ms'", "idle_session_timeout = '700ms'",
        "idle_in_transaction_session_timeout = '700ms'", "force_parallel_mode = on", "plan_cache_mode = 'force_custom_plan'",
        "standard_conforming_strings = off", "array_nulls = off", "transform_null_equals = on", "quote_all_identifiers = on",
        "enable_seqscan = off", "row_security = off", "search_path = ''", "work_mem = '64kB'", "jit_above_cost = 0",
        "stats_fetch_consistency = 'snapshot'", "synchronous_commit = off", "xmlbinary = hex", "lc_monetary = 'C'",
    ]

    /// Creates a role that can log in, with settings of its own.
    private func role(_ settings: [String], in database: TestDatabase) async throws -> (name: String, url: String) {
        let name = "role_\(UInt32.random(in: .min ... .max))"
        try await database.query("CREATE ROLE \(name) LOGIN")
        for setting in settings {
            let known = "SELECT 1 FROM pg_settings WHERE name = '\(setting.prefix { $0 != " " })'"
            guard try await !database.query(known).isEmpty else { continue }
            try await database.query("ALTER ROLE \(name) SET \(setting)")
        }
        return (name, database.server.connectionString(database: database.name, user: name))
    }

    @Test("values are read back as they were sent, and locks work, whatever settings the role has")
    func nasty() async throws {
        let database = try TestDatabase.get()
        let role = try await role(Self.nasty, in: database)
        let others = try database.manager()
        let locks = try database.manager {
            $0.url = role.url
            $0.fencingTokens = true
            $0.lease = .seconds(10)
        }
        try await database.query("CREATE TABLE t AS SELECT 1 AS n; GRANT SELECT ON t TO PUBLIC")
        // For a safe snapshot a deferrable transaction of the role waits until this one is over.
        try await others.withTransaction { writing in
            try await writing.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            try await writing.execute("UPDATE t SET n = n + (SELECT count(*) FROM t)")
            try await locks.withLock("a", timeout: .seconds(120)) { lock in
                #expect(lock.isHeld)
                #expect(lock.fencingToken != nil)
                let isFree = try await others.isFree("a")
                #expect(!isFree)
            }
            try await locks.withLocks((0..<40).map { .exclusive(LockKey(number: $0)) }, timeout: .seconds(120)) { _ in
                let count = try await database.locks()
                #expect(count == 40)
            }
            try await waits(locks, others)
            try await locks.withSession(timeout: .seconds(120)) { session in
                try await session.withLock("a", timeout: .seconds(120)) { lock in #expect(lock.isHeld) }
            }
        }
        try await values(locks)
        await locks.shutdown()
        try await database.query("DROP ROLE \(role.name)")
    }

    /// Longer than the role's time limits.
    private func waits(_ locks: LockManager, _ others: LockManager) async throws {
        let taken = try await others.acquire("taken")
        await expectTimedOut(from: .seconds(2)) { timeout in try await locks.withLock("taken", timeout: timeout) { _ in } }
        let waiting = Task { try await locks.withLock("taken") { $0.isHeld } }
        try await TestDatabase.get().eventually("it waits") { try await TestDatabase.get().locks(granted: false) == 1 }
        try await taken.release()
        #expect(try await waiting.value)
    }

    private func values(_ locks: LockManager) async throws {
        let date = Date(timeIntervalSince1970: 1_795_000_000.25)
        try await locks.withTransaction(locking: "a") { transaction in
            let rows = try await transaction.query(
                "SELECT $1, $2, $3, $4::pg_catalog.text, pg_catalog.justify_hours('-49 h'), $5::float4",
                [.date(date), .bytes([0, 92, 255, 16]), .double(0.1 + 0.2), "it's “quoted” \\ ☃", .double(0.3)]
            )
            let row = try #require(rows.first)
            #expect(try row.decode(0, as: Date.self) == date)
            #expect(try row.decode(1, as: [UInt8].self) == [0, 92, 255, 16])
            #expect(try row.decode(2, as: Double.self) == 0.1 + 0.2)
            #expect(try row.decode(3, as: String.self) == "it's “quoted” \\ ☃")
            #expect(try row.decode(4, as: String.self) == "-2 days -01:00:00")
            #expect(try row.decode(5, as: Float.self) == 0.3)
            // Other settings are those of the role.
            let own = try await transaction.query(
                """
                SELECT pg_catalog.current_setting('transaction_isolation'), pg_catalog.current_setting('transaction_read_only'),
                    '2.3.2026'::pg_catalog.date, pg_catalog.current_setting('TimeZone')
                """
            )
            #expect(try (0..<4).map { try own[0].decode($0, as: String.self) } == ["serializable", "on", "2026-03-02", "Asia/Kathmandu"])
        }
    }

    @Test("the library's own statements wait for no transactions of other sessions, although those of the role do")
    func deferrable() async throws {
        let database = try TestDatabase.get()
        let deferring = [
            "default_transaction_isolation = 'serializable'", "default_transaction_read_only = on", "default_transaction_deferrable = on",
        ]
        let role = try await role(deferring, in: database)
        let others = try database.manager()
        // One connection beside the shared one.
        let locks = try database.manager {
            $0.url = role.url
            $0.pool.maximumConnections = 2
        }
        let wishing = try database.manager { $0.pool.maximumConnections = 2 }
        try await database.query("CREATE TABLE t AS SELECT 1 AS n; GRANT SELECT ON t TO PUBLIC")
        let sessions = "SELECT pid FROM pg_stat_activity WHERE usename = '\(role.name)' ORDER BY pid"
        try await others.withTransaction { writing in
            try await writing.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            try await writing.execute("UPDATE t SET n = n + (SELECT count(*) FROM t)")
            try await locks.withTransaction { _ in }
            try await locks.withLock("a") { _ in }
            let before = try await database.query(sessions)
            for _ in 0..<2 {
                try await locks.withTransaction { _ in }
                // None of these takes a snapshot.
                try await locks.withTransaction { try await $0.execute("SET work_mem = '1MB'") }
                try await locks.withSession { session in
                    try await session.withLock("b") { lock in
                        try await session.execute("SET work_mem = '1MB'")
                        #expect(lock.isHeld)
                    }
                    #expect(try await session.tryAcquire("c"))
                    try await session.execute("SET work_mem = '2MB'")
                }
            }
            // A session that was closed is replaced by another one.
            let after = try await database.query(sessions)
            #expect(after == before)
            try await wishing.withSession { session in
                try await session.execute(
                    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE"
                )
                try await session.withLock("b") { lock in #expect(lock.isHeld) }
                #expect(try await session.tryAcquire("c"))
                try await session.release("c")
                let shown = try await session.query("SHOW default_transaction_deferrable")
                #expect(try shown[0].decode(0, as: String.self) == "on")
            }
        }
        // The settings of the library's own statements are as before.
        for (manager, expected) in [(locks, "on"), (wishing, "off")] {
            try await manager.withSession { session in
                try await session.execute("SET work_mem = '1MB'")
                try await session.withLock("b") { _ in }
                let shown = try await session.query("SHOW default_transaction_deferrable")
                #expect(try shown[0].decode(0, as: String.self) == expected)
            }
        }
        await locks.shutdown()
        try await database.query("DROP ROLE \(role.name)")
    }

    @Test("with ALTER ROLE … SET role, locks work, and the statements of bodies run as the role that is set")
    func otherRole() async throws {
        let database = try TestDatabase.get()
        let owner = try await role([], in: database)
        let login = try await role(["default_transaction_isolation = 'repeatable read'"], in: database)
        try await database.query("GRANT \(owner.name) TO \(login.name); ALTER ROLE \(login.name) SET role = \(owner.name)")
        let others = try database.manager()
        let recorder = LogRecorder()
        var configuration = LockManager.Configuration(url: login.url)
        configuration.lease = .seconds(5)
        configuration.pool.maximumConnections = 3
        let locks = try LockManager(configuration: configuration, logger: recorder.logger)
        let asked = "SELECT current_user::text || ' ' || pg_catalog.current_setting('transaction_isolation')"
        let expected = "\(owner.name) repeatable read"
        for _ in 0..<3 {
            try await locks.withLock("a") { lock in #expect(lock.isHeld) }
            try await waits(locks, others)
            try await locks.withTransaction(locking: "a") { transaction in
                #expect(try await transaction.query(asked)[0].decode(0, as: String.self) == expected)
                // Longer than the lease, so the lock is kept only because the server shows that the session is active.
                try await transaction.execute("SELECT pg_catalog.pg_sleep(6)")
                #expect(transaction.lock?.isHeld == true)
            }
            try await locks.withSession { session in
                try await session.withLock("b") { lock in #expect(lock.isHeld) }
                #expect(try await session.query(asked)[0].decode(0, as: String.self) == expected)
                try await session.withLock("b") { lock in #expect(lock.isHeld) }
            }
        }
        await locks.shutdown()
        await locks.drainLog()
        #expect(recorder.lines.all.filter { $0.level >= .warning }.map(\.message) == [])
        let doctor = try ChildProcess.helper("pglock", ["doctor", login.url])
        var output = ""
        for await line in doctor.lines { output += line + "\n" }
        #expect(await doctor.status() == 0, "\(output)")
        #expect(output.contains("ok       lock"), "\(output)")
        // No cancel of a wait was refused.
        #expect(try !database.server.serverLog().contains("permission denied"))
        try await database.query("DROP ROLE \(login.name); DROP ROLE \(owner.name)")
    }
}
