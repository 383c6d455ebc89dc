import PostgresLock
import Testing

/// What the SQL of a body leaves in a session must not reach the next body that gets the session.
@Suite("Resets of checked-out sessions", .database)
struct SessionResetTests {
    /// (PostgreSQL itself makes an unknown setting empty, not unset.)
    private static let traces = """
        SELECT pg_backend_pid(), current_setting('work_mem'), current_setting('statement_timeout'),
            current_setting('idle_session_timeout'), current_setting('client_connection_check_interval'), current_user,
            to_regclass('pg_temp.scratch'), (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors),
            (SELECT count(*) FROM pg_listening_channels()), NULLIF(current_setting('mine.own', true), '')
        """

    private static let litter = [
        "SET work_mem = '77MB'", "SET statement_timeout = '5s'", "SELECT set_config('idle_session_timeout', '1h', false)",
        "SET mine.own = 'x'", "CREATE TEMP TABLE scratch (x int)", "PREPARE p AS SELECT 1", "LISTEN c",
        "SELECT pg_advisory_lock(77)", "SET ROLE pg_monitor",
    ]

    /// One connection besides the shared session, so that all bodies get the same; in a database with settings of its own.
    private func manager() async throws -> LockManager {
        let database = try TestDatabase.get()
        try await database.query("ALTER DATABASE \(database.name) SET statement_timeout = '33s'")
        return try database.manager { $0.pool.maximumConnections = 2 }
    }

    private func traces(_ locks: LockManager) async throws -> [String?] {
        try await locks.withSession { session in
            let row = try await session.query(Self.traces)[0]
            return try (0..<row.count).map { try row.decode($0, as: String?.self) }
        }
    }

    @Test("nothing of a session's SQL is left in the connection for the next body")
    func session() async throws {
        let database = try TestDatabase.get()
        let locks = try await manager()
        let before = try await traces(locks)
        #expect(before[2] == "0")
        try await locks.withSession { session in
            try await session.acquire("a")
            for sql in Self.litter { try await session.execute(sql) }
            #expect(try await session.query("SHOW work_mem")[0].decode(0, as: String.self) == "77MB")
        }
        let after = try await traces(locks)
        #expect(after == before)
        #expect(try await database.locks() == 0)
    }

    @Test("nothing of a transaction's SQL is left in the connection for the next body, committed or rolled back")
    func transaction() async throws {
        struct Mistake: Error {}
        let database = try TestDatabase.get()
        let locks = try await manager()
        let before = try await traces(locks)
        for fails in [false, true] {
            do {
                try await locks.withTransaction(locking: "a") { transaction in
                    for sql in Self.litter { try await transaction.execute(sql) }
                    if fails { throw Mistake() }
                }
            } catch is Mistake {}
            let after = try await traces(locks)
            #expect(after == before)
            #expect(try await database.locks() == 0)
        }
    }

    @Test("a transaction that a session begins by SQL is rolled back and refused, and the session goes on")
    func transactionInSession() async throws {
        let database = try TestDatabase.get()
        let locks = try await manager()
        try await locks.withSession { session in
            try await session.withLock("a") { lock in
                for sql in ["BEGIN", "START TRANSACTION READ ONLY", "/* so */ begin isolation level serializable"] {
                    let error = await lockError { try await session.execute(sql) }
                    #expect(error?.code == .invalidArgument)
                }
                let error = await lockError { try await session.execute("SELECT 1/0") }
                #expect(error?.sqlState == "22012")
                try await session.execute("CREATE TABLE t (x int)")
                #expect(try await database.query("SELECT count(*) FROM t") == [["0"]])
                #expect(lock.isHeld)
            }
        }
    }

    @Test(
        "a lock that a session has released by SQL is lost, and its connection is not used again",
        .direct("a pooler resets the session, and gives it to the next connection")
    )
    func behindTheBack() async throws {
        let database = try TestDatabase.get()
        let locks = try await manager()
        let process = try await traces(locks)[0]
        let unlock = await lockError {
            try await locks.withSession { session in
                try await session.acquire("other")
                try await session.withLock("a") { _ in try await session.execute("SELECT pg_advisory_unlock_all()") }
            }
        }
        #expect(unlock?.code == .lockLost)
        let next = try await traces(locks)[0]
        #expect(next != process)
        let end = await lockError {
            try await locks.withSession { session in
                try await session.acquire("a")
                try await session.acquire("b", mode: .shared)
                try await session.acquire("c")
                try await session.execute("SELECT pg_advisory_unlock_shared($1)", [.int(Int(try #require(LockKey("b").number)))])
            }
        }
        #expect(end?.code == .lockLost)
        #expect(end?.keys == ["b"])
        let last = try await traces(locks)[0]
        #expect(last != next)
        #expect(try await database.locks() == 0)
    }

    @Test("a commit that is not answered in time has an unknown outcome, and its connection is closed")
    func commitLimit() async throws {
        let database = try TestDatabase.get()
        try await database.query(
            """
            CREATE TABLE t (x int);
            CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER g AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f()
            """
        )
        let locks = try database.manager {
            $0.pool.maximumConnections = 2
            // Long enough for a commit without the trigger.
            $0.timeouts.commit = .seconds(10)
        }
        let process = try await traces(locks)[0]
        let error = await lockError {
            try await locks.withTransaction(locking: "a") { try await $0.execute("INSERT INTO t VALUES (1)") }
        }
        #expect(error?.code == .commitOutcomeUnknown)
        #expect(error?.keys == ["a"])
        #expect(error?.message.contains("timeouts.commit") == true)
        // A commit that is answered in time has a known outcome.
        try await locks.withTransaction { try await $0.execute("SELECT 1") }
        let next = try await traces(locks)[0]
        #expect(next != process)
        try await database.query("SELECT pg_terminate_backend(\(process ?? ""))")
        try await locks.withLock("a", timeout: .seconds(120)) { _ in }
    }

    @Test("a commit that was answered is confirmed, also if the connection is lost while it is reset")
    func lostWhileReset() async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE TABLE t (x int)")
        let locks = try await manager()
        let other = try database.manager()
        let holder = try await locks.withTransaction(locking: "a") { transaction in
            let process = try await transaction.query("SELECT pg_backend_pid()")[0].decode(0, as: Int.self)
            try await transaction.execute("CREATE TEMP TABLE scratch (x int)")
            // Dropping the table drops the rule, for which the other table has to be locked.
            try await transaction.execute("CREATE RULE r AS ON INSERT TO t DO ALSO INSERT INTO scratch VALUES (1)")
            let holder = Task {
                try await other.withTransaction { other in
                    try await other.execute("LOCK TABLE t IN ACCESS SHARE MODE")
                    try await database.eventually("the reset waits") {
                        try await database.query("SELECT 1 FROM pg_locks WHERE NOT granted AND pid = \(process)").count == 1
                    }
                    try await database.query("SELECT pg_terminate_backend(\(process))")
                }
            }
            // It gets the table at the end of this transaction, before the reset does.
            try await database.eventually("the other transaction waits for the table") {
                try await database.query("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 't'::regclass").count == 1
            }
            return holder
        }
        try await holder.value
        #expect(try await database.locks() == 0)
    }
}
