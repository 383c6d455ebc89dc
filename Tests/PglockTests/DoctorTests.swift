import ChildProcesses
import Foundation
import PostgresLockTesting
import Testing

@testable import pglock

@Suite("pglock doctor")
struct DoctorTests {
    @Test("pglock doctor finds no fault in a healthy server, as text and as JSON")
    func healthy() async throws {
        let server = try await SharedServer.get()
        var text = try await pglock("doctor", server.url)
        // On a busy machine it warns that answers are slow.
        for _ in 0..<20 where !text.output.hasSuffix("\nAll is fine.\n") { text = try await pglock("doctor", server.url) }
        #expect(text.status == .exited(0))
        #expect(text.error.isEmpty)
        #expect(text.output.contains("ok       reachable    database \"postgres\" on "))
        #expect(text.output.contains("ok       version      PostgreSQL \(server.server.serverVersion)"))
        #expect(text.output.contains("ok       pooling      none: this is the server itself"))
        #expect(text.output.hasSuffix("\nAll is fine.\n"))

        let diagnosis = try await diagnosis(warningOf: [], "--url", server.url)
        #expect(diagnosis.isFit)
        #expect(diagnosis.findings.map(\.check) == Self.checks)
        #expect(diagnosis.findings.allSatisfy { $0.state == .ok && $0.advice == nil })
    }

    @Test("pglock doctor prints no password, whether it is right or wrong")
    func passwords() async throws {
        let url = try await SharedServer.get().server.connectionURL(overTCP: true)
        let right = try await pglock("doctor", url)
        #expect(right.status == .exited(0))
        #expect(right.output.contains("127.0.0.1"))
        let wrong = try await pglock("doctor", "--json", url.replacing("geheim%20wort", with: "hunter2"))
        #expect(wrong.status == .exited(2))
        let findings = try JSONDecoder().decode(Diagnosis.self, from: Data(wrong.output.utf8)).findings
        #expect(findings.map(\.check) == [.reachable])
        #expect(findings.first?.advice == "Check user and password.")
        for result in [right, wrong] {
            let all = result.output + result.error
            #expect(!all.contains("geheim") && !all.contains("hunter2"))
        }
    }

    @Test("pglock doctor exits with 2 for a server that can't be reached, and with 78 for an invalid URL")
    func unreachable() async throws {
        let unreachable = try await pglock("doctor", "postgres://127.0.0.1:1/db")
        #expect(unreachable.status == .exited(2))
        #expect(unreachable.output.hasPrefix("failed   reachable"))
        #expect(unreachable.output.hasSuffix("Locks don't work here.\n"))
        #expect(try await pglock("doctor", "postgres://[::1/db").status == .exited(78))
        #expect(try await pglock("doctor", "--url", "postgres://a/b", "postgres://a/b").status == .exited(64))
    }

    @Test("pglock doctor reports a standby, and makes the other checks")
    func standby() async throws {
        try await EphemeralPostgres.withServer { server in
            try await server.stop()
            let path = "\(server.dataDirectory)/standby.signal"
            try #require(
                FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o666])
            )
            try await server.resume()
            let diagnosis = try await diagnosis(server.connectionURL())
            #expect(!diagnosis.isFit)
            #expect(diagnosis.findings.filter { $0.state == .failed }.map(\.check) == [.primary])
            #expect(diagnosis[.primary]?.advice?.contains("target_session_attrs=read-write") == true)
        }
    }

    @Test("pglock doctor exits with 0 if there are warnings only")
    func warnings() async throws {
        let settings = ["max_locks_per_transaction": "10", "max_connections": "10"]
        try await EphemeralPostgres.withServer(.init(settings: settings, listensOnTCP: true)) { server in
            try await server.query(
                """
                CREATE ROLE app LOGIN CONNECTION LIMIT 5;
                ALTER ROLE app SET statement_timeout = '7s';
                ALTER DATABASE postgres SET idle_session_timeout = '1min';
                REVOKE EXECUTE ON FUNCTION pg_control_system(), pg_walfile_name(pg_lsn) FROM PUBLIC;
                """
            )
            let holder = Task {
                try await server.query("SELECT pg_advisory_lock(n), pg_sleep(CASE n WHEN 60 THEN 600 END) FROM generate_series(1, 60) n")
            }
            try await eventually {
                try await server.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [["60"]]
            }
            let expected: [Finding.Check] = [.lockTable, .connections, .timeouts, .privileges]
            let diagnosis = try await diagnosis(warningOf: expected, server.connectionURL(user: "app"))
            holder.cancel()
            #expect(diagnosis.isFit)
            let warnings = diagnosis.findings.filter { $0.state == .warning }
            #expect(warnings.map(\.check) == expected)
            #expect(warnings.allSatisfy { $0.advice != nil })
            let lockTable = try #require(diagnosis[.lockTable])
            #expect(lockTable.finding.hasPrefix("room for 100 locks"))
            #expect(lockTable.finding.contains(/of which 6\d are taken \(6\d %\)/), "\(lockTable.finding)")
            #expect(lockTable.advice?.contains("configuration.capacity") == true)
            #expect(diagnosis[.connections]?.finding.contains("this role may have 5") == true)
            #expect(
                diagnosis[.timeouts]?.finding == "idle_session_timeout = 60000 ms (database), statement_timeout = 7000 ms (user)"
            )
            #expect(diagnosis[.privileges]?.finding == "This role may not call pg_walfile_name(pg_lsn), pg_control_system().")
        }
    }

    @Test("pglock doctor does not count predicate locks of serializable transactions as locks of the lock table")
    func serializable() async throws {
        let settings = ["max_locks_per_transaction": "10", "max_connections": "10"]
        try await EphemeralPostgres.withServer(.init(settings: settings, listensOnTCP: true)) { server in
            try await server.query("DO $$ BEGIN FOR i IN 1..40 LOOP EXECUTE format('CREATE TABLE t%s (a int)', i); END LOOP; END $$")
            // Of the 40 locks of tables, 16 are of the fast path. With the 40 of another kind it would be more than half.
            let reader = Task {
                try await server.query(
                    """
                    BEGIN ISOLATION LEVEL SERIALIZABLE;
                    DO $$ BEGIN FOR i IN 1..40 LOOP EXECUTE format('SELECT count(*) FROM t%s', i); END LOOP; END $$;
                    SELECT pg_sleep(600)
                    """
                )
            }
            try await eventually {
                try await server.query("SELECT count(*) >= 40 FROM pg_locks WHERE mode = 'SIReadLock'") == [["t"]]
            }
            let diagnosis = try await diagnosis(server.connectionURL())
            reader.cancel()
            #expect(diagnosis[.lockTable]?.state == .ok, "\(diagnosis[.lockTable]?.finding ?? "")")
        }
    }

    @Test("pglock doctor reports locks that don't exclude, and a role that may not lock")
    func noLocks() async throws {
        try await EphemeralPostgres.withServer { server in
            try await server.query(
                """
                SET allow_system_table_mods = on;
                CREATE ROLE app LOGIN;
                REVOKE EXECUTE ON FUNCTION pg_advisory_lock(bigint) FROM PUBLIC;
                ALTER FUNCTION pg_catalog.pg_try_advisory_lock(bigint) RENAME TO the_real_one;
                CREATE FUNCTION pg_catalog.pg_try_advisory_lock(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true';
                """
            )
            let diagnosis = try await diagnosis(server.connectionURL(user: "app"))
            #expect(diagnosis.findings.filter { $0.state == .failed }.map(\.check) == [.exclusion, .privileges])
            #expect(diagnosis[.privileges]?.finding == "This role may not call pg_advisory_lock(bigint).")
        }
    }

    @Test("pglock doctor takes locks by a lock manager, and reports a failure of that")
    func manager() async throws {
        try await EphemeralPostgres.withServer { server in
            try await server.query(
                """
                CREATE ROLE app LOGIN;
                REVOKE EXECUTE ON FUNCTION set_config(text, text, boolean) FROM PUBLIC;
                """
            )
            let diagnosis = try await diagnosis(server.connectionURL(user: "app"))
            #expect(diagnosis.findings.filter { $0.state == .failed }.map(\.check) == [.lock])
            #expect(diagnosis[.lock]?.finding.contains("set_config") == true)
        }
    }

    /// Makes something of the server's catalog behave otherwise.
    private func diagnosis(afterwards sql: String) async throws -> Diagnosis {
        try await EphemeralPostgres.withServer { server in
            try await server.query("SET allow_system_table_mods = on; \(sql)")
            return try await diagnosis(server.connectionURL())
        }
    }

    @Test("pglock doctor warns if pg_locks does not show the locks of other sessions, and fails if it does not show a session's own")
    func hiddenLocks() async throws {
        let view = "CREATE OR REPLACE VIEW pg_catalog.pg_locks AS SELECT l.* FROM pg_lock_status() l"
        let others = try await diagnosis(afterwards: "\(view) WHERE l.pid = pg_backend_pid()")
        #expect(others.isFit)
        #expect(others[.visibility]?.state == .warning)
        #expect(others[.visibility]?.finding == "pg_locks does not show the locks of other connections.")
        #expect(others[.visibility]?.advice?.contains("pglock who") == true)
        let all = try await diagnosis(afterwards: "\(view) WHERE l.locktype <> 'advisory'")
        #expect(!all.isFit)
        #expect(all[.visibility]?.state == .failed)
    }

    @Test("pglock doctor warns if a wait for a lock can't be ended from another session, and leaves no lock behind")
    func noCancelling() async throws {
        let found = try await diagnosis(
            afterwards: """
                ALTER FUNCTION pg_catalog.pg_cancel_backend(int) RENAME TO the_real_one;
                CREATE FUNCTION pg_catalog.pg_cancel_backend(int) RETURNS boolean LANGUAGE sql AS 'SELECT true'
                """
        )
        #expect(found[.cancelling]?.state == .warning)
        #expect(found[.cancelling]?.finding.contains("could not be ended from another session") == true)
    }

    private static let checks: [Finding.Check] = [
        .reachable, .version, .primary, .pooling, .servers, .exclusion, .lock, .visibility, .cancelling, .lockTable, .connections,
        .timeouts, .encryption, .keepalives, .privileges, .roundTrip,
    ]

    /// What it says to machines, whose status must agree with it.
    private func diagnosis(_ arguments: String...) async throws -> Diagnosis {
        try await asked(arguments)
    }

    /// The same. On a busy machine, where answers are slow and sessions end late, it warns of that: then it is asked again, as long as it does not
    /// warn of these alone.
    private func diagnosis(warningOf checks: [Finding.Check], _ arguments: String...) async throws -> Diagnosis {
        var diagnosis = try await asked(arguments)
        for _ in 0..<20 where diagnosis.findings.filter({ $0.state != .ok }).map(\.check) != checks {
            diagnosis = try await asked(arguments)
        }
        return diagnosis
    }

    private func asked(_ arguments: [String]) async throws -> Diagnosis {
        let result = try await LaunchedPglock(["doctor", "--json"] + arguments).finish()
        let diagnosis = try JSONDecoder().decode(Diagnosis.self, from: Data(result.output.utf8))
        #expect(result.status == .exited(diagnosis.isFit ? 0 : 2))
        return diagnosis
    }
}

extension Diagnosis {
    fileprivate subscript(check: Finding.Check) -> Finding? {
        findings.first { $0.check == check }
    }
}
