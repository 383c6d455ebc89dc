import ChildProcesses
import FaultTools
import Foundation
import LibPQ
import Logging
import PostgresLock
import PostgresLockTesting
import Testing

/// Behind a real pgbouncer that does not reset its sessions.
@Suite("Poolers that do not reset their sessions")
struct PoolerResetTests {
    @Test(
        "a pooler that does not reset its sessions is reported, and no client's session is ended for that",
        .server(),
        arguments: [nil, "", "SELECT pg_advisory_unlock_all()"]
    )
    func keepingPool(reset: String?) async throws {
        let database = try TestDatabase.get()
        try await Pgbouncer.with("session", settings: reset.map { ["server_reset_query": $0] } ?? [:]) { pooler in
            let recorder = LogRecorder()
            let locks = try LockManager(configuration: .init(url: pooler.url), logger: recorder.logger)
            try await locks.withLock("a") { _ in }
            await locks.shutdown()
            await locks.drainLog()
            let warnings = recorder.lines.all.filter { $0.level == .warning }.map(\.message)
            #expect(warnings.contains { $0.contains("server_reset_query = DISCARD ALL") } == (reset != nil))
            #expect(warnings.contains { $0.contains("locks, settings") } == (reset == ""))
            // No client's session was ended for that.
            let log = try database.server.serverLog()
            #expect(!log.contains("due to administrator command"))
        }
        try await database.eventually("nothing is locked") { try await database.locks() == 0 }
    }

    @Test("a pooler that keeps settings is detected also if other clients come and go meanwhile", .server(), arguments: [false, true])
    func keepingBusyPool(isReset: Bool) async throws {
        let database = try TestDatabase.get()
        let settings = isReset ? [:] : ["server_reset_query": "SELECT pg_advisory_unlock_all()"]
        try await Pgbouncer.with("session", settings: settings) { pooler in
            let parameters = ConnectionParameters(string: pooler.url, applicationName: "")
            let outcome = await withCheckedContinuation {
                (continuation: CheckedContinuation<Result<ResetCheck.Outcome, any Error>, Never>) in
                Thread.detachNewThread { continuation.resume(returning: Result { try Self.checkReset(parameters) }) }
            }
            let found = try outcome.get()
            #expect(found == (isReset ? ResetCheck.Outcome.isReset : .keepsSettings))
        }
        try await database.eventually("nothing is locked") { try await database.locks() == 0 }
    }

    /// Other clients give sessions back after the one that has a setting left, and the pool gives out the latest first.
    private static func checkReset(_ parameters: ConnectionParameters) throws -> ResetCheck.Outcome {
        func open() throws(ConnectionFailure) -> BlockingSession {
            let session = try BlockingSession.open(parameters, within: .seconds(20))
            _ = try session.ask("SELECT 1")
            return session
        }
        let session = try open()
        var neighbours = try (0..<3).map { _ in try open() }
        var count = 0
        return try ResetCheck(session) { () throws(ConnectionFailure) in
            count += 1
            if count == 2 {
                neighbours.removeAll()
                Thread.sleep(forTimeInterval: 0.3)
            }
            return try open()
        }.run()
    }

    @Test("a role's limits for silence end no session of a pooler that does not reset its sessions", .server())
    func roleTimeouts() async throws {
        let database = try TestDatabase.get()
        for name in ["idle_session_timeout", "idle_in_transaction_session_timeout"] {
            try await database.query("ALTER DATABASE \(database.name) SET \(name) = '2s'")
        }
        try await Pgbouncer.with("session", settings: ["server_reset_query": "SELECT pg_advisory_unlock_all()"]) { pooler in
            let locks = try pooler.manager()
            try await locks.withLock("b") { lock in
                try await locks.withTransaction(locking: "a") { transaction in
                    try await Task.sleep(for: .seconds(4))
                    #expect(transaction.lock?.isHeld == true)
                    try await transaction.execute("SELECT 1")
                }
                #expect(lock.isHeld)
            }
            await locks.shutdown()
        }
    }

    /// What is set in the sessions of the pool, besides what pgbouncer sets itself, and how many statements are prepared there.
    private func leftovers(_ pooler: Pgbouncer, sessions: Int) async throws -> Set<String> {
        let sql = """
            SELECT pg_sleep(0.5);
            SELECT (SELECT count(*) FROM pg_prepared_statements) || ' ' || coalesce(string_agg(name || '=' || setting, ',' ORDER BY name), '')
            FROM pg_settings WHERE source = 'session'
            AND name NOT IN ('client_encoding', 'application_name', 'DateStyle', 'TimeZone', 'standard_conforming_strings')
            -- Begin anew with each transaction.
            AND name NOT IN ('transaction_isolation', 'transaction_read_only', 'transaction_deferrable')
            """
        return try await withThrowingTaskGroup { group in
            for _ in 0..<sessions { group.addTask { try await pooler.query(sql) } }
            var found: Set<String> = []
            for try await left in group { found.insert(left) }
            return found
        }
    }

    @Test("managers that use a pool without resets one after the other leave nothing in its sessions", .server())
    func passedOn() async throws {
        let database = try TestDatabase.get()
        let direct = try database.manager()
        try await Pgbouncer.with("session", poolSize: 4, settings: ["server_reset_query": ""]) { pooler in
            for _ in 0..<3 {
                let locks = try pooler.manager { $0.pool.maximumConnections = 3 }
                try await locks.withLock("a") { lock in #expect(lock.isHeld) }
                try await locks.withLocks((0..<20).map { .exclusive(LockKey(number: $0)) }) { _ in }
                let taken = try await direct.acquire("taken")
                await expectTimedOut(from: .seconds(2)) { timeout in try await locks.withLock("taken", timeout: timeout) { _ in } }
                try await taken.release()
                try await locks.withTransaction(locking: "a") { try await $0.execute("SET work_mem = '77MB'") }
                try await locks.withSession { session in try await session.withLock("a") { _ in try await session.execute("LISTEN c") } }
                await locks.shutdown()
                let left = try await leftovers(pooler, sessions: 4)
                #expect(left == ["0"])
            }
        }
    }

    @Test("what a killed process leaves in a session of a pool neither ends nor changes what the next client does", .server())
    func killed() async throws {
        try await Pgbouncer.with("session", poolSize: 4, settings: ["server_reset_query": ""]) { pooler in
            let holder = try ChildProcess.helper("LockHolder", [pooler.url, "1"])
            for await line in holder.lines where line == "held" { break }
            holder.signal(SIGKILL)
            _ = await holder.status()
            for left in try await leftovers(pooler, sessions: 4) {
                let settings = left.split(whereSeparator: { " ,".contains($0) })
                for setting in settings where ["idle_", "role", "default_tr", "tcp_user"].contains(where: { setting.hasPrefix($0) }) {
                    // A limit of 0 ends no session.
                    #expect(["idle_session_timeout=0", "idle_in_transaction_session_timeout=0"].contains(setting), "\(left)")
                }
            }
            let locks = try pooler.manager { $0.pool.maximumConnections = 3 }
            try await locks.withLock("a") { lock in #expect(lock.isHeld) }
            await locks.shutdown()
        }
    }
}
