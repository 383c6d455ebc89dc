import Foundation
import LibPQ
import PostgresLockTesting
import Testing

@testable import PostgresLock

@Suite("A job that runs once per interval, on servers with settings and faults", .direct("the roles and servers are the test's own"))
struct RunOnceServerTests {
    private func isRun<Value>(_ outcome: RunOutcome<Value>) -> Bool {
        if case .ran = outcome { true } else { false }
    }

    @Test(
        "a claim is on the disk before the body begins, although the role commits without waiting for it",
        .server(["wal_writer_delay": "10s"])
    )
    func crash() async throws {
        let database = try TestDatabase.get()
        let role = "careless_\(UInt32.random(in: .min ... .max))"
        try await database.query("CREATE ROLE \(role) LOGIN SUPERUSER; ALTER ROLE \(role) SET synchronous_commit = off")
        let url = database.server.connectionString(database: database.name, user: role)
        let locks = try database.manager { $0.url = url }
        try await locks.createRunTable()
        try await database.query("CHECKPOINT")
        let error = await lockError {
            try await locks.runOnce("job", every: .days(1)) { _ in
                try await Task { try await database.server.crash() }.value
            }
        }
        #expect(error?.code == .lockLost)
        try await database.server.resume()
        let others = try database.manager()
        #expect(!isRun(try await others.runOnce("job", every: .days(1)) { _ in Issue.record("It has run twice.") }))
    }

    @Test("defaults of the role for transactions, and its search path, change nothing", .server())
    func defaults() async throws {
        let database = try TestDatabase.get()
        let hostile = try await HostileSchema(in: database)
        try await database.manager().createRunTable()
        try await database.query(
            """
            GRANT SELECT, INSERT, UPDATE, DELETE ON pglock_runs TO \(hostile.role);
            ALTER ROLE \(hostile.role) SET default_transaction_isolation = 'serializable';
            ALTER ROLE \(hostile.role) SET default_transaction_read_only = on;
            ALTER ROLE \(hostile.role) SET default_transaction_deferrable = on;
            ALTER ROLE \(hostile.role) SET TimeZone = 'America/St_Johns'
            """
        )
        let url = database.server.connectionString(database: database.name, user: hostile.role)
        let locks = try database.manager { $0.url = url }
        for (name, counting) in [("a", RunCounting.aligned), ("b", .fromLastRun)] {
            let outcome = try await locks.runOnce(name, every: .days(1), counting: counting) { run in
                #expect(abs(run.claimedAt.timeIntervalSinceNow) < 3_000)
            }
            #expect(isRun(outcome))
            #expect(!isRun(try await locks.runOnce(name, every: .days(1), counting: counting) { _ in }))
        }
        #expect(try await database.query("SELECT name, state FROM pglock_runs ORDER BY 1") == [["a", "done"], ["b", "done"]])
    }

    @Test("a role without rights is told which it needs; without DELETE it runs jobs, and old rows stay", .server())
    func rights() async throws {
        let database = try TestDatabase.get()
        let role = "poor_\(UInt32.random(in: .min ... .max))"
        try await database.query("CREATE ROLE \(role) LOGIN")
        let url = database.server.connectionString(database: database.name, user: role)
        let locks = try database.manager { $0.url = url }
        let refused = await lockError { try await locks.createRunTable() }
        // Before version 15 everyone may create tables in the schema public.
        if try await database.query("SELECT current_setting('server_version_num')::int >= 150000") == [["t"]] {
            #expect(refused?.sqlState == "42501")
        }
        try await database.manager().createRunTable()
        let error = await lockError { try await locks.runOnce("job", every: .days(1)) { _ in Issue.record("It has run.") } }
        #expect(error?.code == .statementFailed)
        #expect(error?.message.contains("SELECT, INSERT and UPDATE on public.pglock_runs") == true, "\(String(describing: error))")
        try await database.query("GRANT SELECT, INSERT, UPDATE ON pglock_runs TO \(role)")
        #expect(isRun(try await locks.runOnce("old", every: .days(1)) { _ in }))
        try await database.query("UPDATE pglock_runs SET claimed_at = now() - interval '1 year'")
        #expect(isRun(try await locks.runOnce("job", every: .days(1)) { _ in }))
        #expect(try await database.query("SELECT name, state FROM pglock_runs ORDER BY 1") == [["job", "done"], ["old", "done"]])
    }

    @Test("a claim whose COMMIT is not answered is found, or made again: the job runs once", .server(), arguments: [true, false])
    func unanswered(isCommitted: Bool) async throws {
        let database = try TestDatabase.get()
        try await database.manager().createRunTable()
        let locks = try database.manager { $0.timeouts.commit = .milliseconds(500) }
        // A deferred trigger runs inside COMMIT. The first one outlasts the client's limit, and commits or fails then. After two seconds the
        // server would look whether the client is still there, and end the session.
        try await database.query(
            """
            CREATE SEQUENCE attempts;
            CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('public.attempts') = 1 THEN
                    PERFORM pg_sleep(1.5);
                    IF NOT \(isCommitted) THEN RAISE EXCEPTION 'no'; END IF;
                END IF;
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER g AFTER INSERT ON pglock_runs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f()
            """
        )
        let runs = Locked(0)
        for _ in 0..<2 { try await locks.runOnce("job", every: .days(1)) { _ in runs.withLock { $0 += 1 } } }
        #expect(runs.withLock { $0 } == 1)
        let attempts = try await database.query("SELECT last_value FROM attempts")
        #expect(attempts == [[isCommitted ? "1" : "2"]])
        #expect(try await database.query("SELECT state FROM pglock_runs") == [["done"]])
    }

    @Test("if it can't be found out whether the claim was committed, the job does not run", .server())
    func unknown() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        try await locks.createRunTable()
        try await database.query(
            """
            CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER g AFTER INSERT ON pglock_runs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f()
            """
        )
        let call = Task { try await locks.runOnce("job", every: .days(1)) { _ in Issue.record("It has run.") } }
        try await database.eventually("it commits") {
            try await database.query("SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active'") == [["1"]]
        }
        try await database.server.crash()
        let error = await lockError { try await call.value }
        #expect([.commitOutcomeUnknown, .lockLost].contains(error?.code), "\(String(describing: error))")
        try await database.server.resume()
    }
}
