import Foundation
import PostgresLock
import Testing

@Suite("Transactions", .database)
struct TransactionTests {
    @Test("a transaction holds its lock to its end, and commits what the body did")
    func commit() async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE TABLE t (x int)")
        let locks = try database.manager()
        let other = try database.manager()
        let touched = try await locks.withTransaction(locking: "a") { transaction in
            let isFree = try await other.isFree("a")
            #expect(!isFree)
            return try await transaction.execute("INSERT INTO t VALUES ($1), ($2)", [.int(1), 2])
        }
        #expect(touched == 2)
        #expect(try await database.query("SELECT sum(x) FROM t") == [["3"]])
        #expect(try await locks.isFree("a"))
    }

    @Test("a transaction whose body throws is rolled back")
    func rollBack() async throws {
        struct Mistake: Error {}
        let database = try TestDatabase.get()
        try await database.query("CREATE TABLE t (x int)")
        let locks = try database.manager()
        await #expect(throws: Mistake.self) {
            try await locks.withTransaction(locking: "a") { transaction in
                try await transaction.execute("INSERT INTO t VALUES (1)")
                throw Mistake()
            }
        }
        #expect(try await database.query("SELECT count(*) FROM t") == [["0"]])
        #expect(try await locks.isFree("a"))
    }

    @Test("a transaction is not reported as committed if the body handles the error of a failed statement")
    func swallowed() async throws {
        let locks = try TestDatabase.get().manager()
        let error = await #expect(throws: LockError.self) {
            try await locks.withTransaction { transaction in
                do {
                    try await transaction.execute("SELECT 1/0")
                } catch let error as LockError {
                    #expect(error.code == .statementFailed)
                    #expect(error.sqlState == "22012")
                }
            }
        }
        #expect(error?.code == .statementFailed)
        #expect(error?.sqlState == "25P02")
        try await locks.withTransaction { try await $0.execute("SELECT 1") }
    }

    @Test("values of all types are read back as they were sent")
    func values() async throws {
        let locks = try TestDatabase.get().manager()
        let id = UUID()
        let date = Date(timeIntervalSince1970: 1_795_000_000.25)
        try await locks.withTransaction { transaction in
            let rows = try await transaction.query(
                """
                SELECT $1::bigint AS int, $2 AS text, $3 AS bool, $4 AS double, $5 AS bytes, $6 AS uuid, $7 AS date,
                    $8::text AS missing, $9 AS int32
                """,
                [.int(.min), "it's “quoted”; -- ☃", true, 0.1, .bytes([0, 255, 16]), .uuid(id), .date(date), nil, .int32(-7)]
            )
            let row = try #require(rows.first)
            #expect(rows.count == 1)
            #expect(try row.decode("int", as: Int.self) == .min)
            #expect(try row.decode("text", as: String.self) == "it's “quoted”; -- ☃")
            #expect(try row.decode("bool", as: Bool.self))
            #expect(try row.decode("double", as: Double.self) == 0.1)
            #expect(try row.decode("bytes", as: [UInt8].self) == [0, 255, 16])
            #expect(try row.decode("uuid", as: UUID.self) == id)
            #expect(try row.decode("date", as: Date.self) == date)
            #expect(try row.decode("missing", as: String?.self) == nil)
            #expect(try row.decode("int32", as: Int32?.self) == -7)
            #expect(try row.decode(0, as: String.self) == "\(Int.min)")
            for attempt in [
                { _ = try row.decode("missing", as: String.self) }, { _ = try row.decode("text", as: Int.self) },
                { _ = try row.decode("nothing", as: Int.self) }, { _ = try row.decode(99, as: Int.self) },
            ] {
                let error = #expect(throws: LockError.self) { try attempt() }
                #expect(error?.code == .decodingFailed)
            }
        }
    }

    @Test("further locks last to the end of the transaction, and a failed request for one leaves the transaction as it was")
    func furtherLocks() async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE TABLE t (x int)")
        let locks = try database.manager()
        let other = try await database.manager().acquire("taken")
        try await locks.withTransaction(locking: "a") { transaction in
            try await transaction.execute("INSERT INTO t VALUES (1)")
            try await transaction.acquire("b")
            try await transaction.acquire("a")
            let isTaken = try await transaction.tryAcquire("taken")
            #expect(!isTaken)
            await expectTimedOut { try await transaction.acquire("taken", timeout: $0) }
            let waiting = Task { try await transaction.acquire("taken") }
            try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            let isFree = try await locks.isFree("b")
            #expect(!isFree)
            try await transaction.execute("INSERT INTO t VALUES (2)")
        }
        #expect(try await database.query("SELECT sum(x) FROM t") == [["3"]])
        #expect(try await locks.isFree("b"))
        try await other.release()
    }

    @Test("PostgreSQL breaks a deadlock between transactions, and the error has the code deadlock")
    func deadlock() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        @Sendable func cross(_ first: LockKey, _ second: LockKey) async throws -> LockError.Code? {
            do {
                try await locks.withTransaction(locking: first) { transaction in
                    try await database.eventually("both hold one") { try await database.locks() == 2 }
                    try await transaction.acquire(second)
                }
                return nil
            } catch let error as LockError {
                return error.code
            }
        }
        async let one = cross("a", "b")
        async let two = cross("b", "a")
        let codes = [try await one, try await two]
        #expect(codes.contains(.deadlock))
        #expect(codes.contains(nil))
    }

    @Test("cancelling the task of a statement ends the statement on the server, and the transaction is rolled back")
    func cancellation() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let task = Task {
            try await locks.withTransaction(locking: "a") { try await $0.execute("SELECT pg_sleep(60)") }
        }
        try await database.eventually("it sleeps") {
            try await !database.query(
                "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active' AND datname = current_database()"
            ).isEmpty
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await locks.isFree("a"))
    }

    @Test("a connection that is lost during COMMIT leaves an unknown outcome, and one that is lost before does not")
    func unknownOutcome() async throws {
        let database = try TestDatabase.get()
        // A deferred trigger runs inside COMMIT.
        try await database.query(
            """
            CREATE TABLE t (x int);
            CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER g AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f()
            """
        )
        let locks = try database.manager()
        let kill =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active' AND datname = current_database()"
        let committing = Task {
            try await locks.withTransaction(locking: "a") { try await $0.execute("INSERT INTO t VALUES (1)") }
        }
        try await database.eventually("the commit is cut off") { try await database.query(kill) == [["t"]] }
        let error = await #expect(throws: LockError.self) { try await committing.value }
        #expect(error?.code == .commitOutcomeUnknown)
        let before = await #expect(throws: LockError.self) {
            try await locks.withTransaction(locking: "a") { transaction in
                try await transaction.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            }
        }
        #expect(before?.code == .lockLost || before?.code == .connectionLost)
        #expect(try await locks.isFree("a"))
    }

    @Test("a transaction that has ended refuses statements and locks")
    func ended() async throws {
        let locks = try TestDatabase.get().manager()
        let escaped = try await locks.withTransaction { $0 }
        let error = await #expect(throws: LockError.self) { try await escaped.execute("SELECT 1") }
        #expect(error?.code == .invalidArgument)
    }

    @Test(
        "a transaction that is ended by SQL has lost its lock, and its body is told at once",
        arguments: [
            ["COMMIT"], ["END"], ["ROLLBACK"], ["ABORT"], ["COMMIT AND CHAIN"], ["ROLLBACK AND CHAIN"],
            ["INSERT INTO deferred VALUES (1), (1)", "COMMIT"],
        ]
    )
    func endedBySQL(statements: [String]) async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE TABLE deferred (x int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        let locks = try database.manager()
        let others = try database.manager()
        let loss = await lockError {
            try await locks.withTransaction(locking: "a") { transaction in
                for sql in statements.dropLast() { _ = try? await transaction.execute(sql) }
                let error = await lockError { try await transaction.execute(statements.last ?? "") }
                #expect(error?.code == .invalidArgument)
                #expect(error?.message.contains("ended by SQL") == true)
                #expect((error?.underlying != nil) == (statements.first?.hasPrefix("INSERT") == true))
                #expect(transaction.lock?.isHeld == false)
                #expect(await becomesCancelled())
            }
        }
        #expect(loss?.code == .lockLost)
        #expect(loss?.keys == ["a"])
        #expect(try await others.isFree("a"))
        let without = await lockError { try await locks.withTransaction { try await $0.execute("COMMIT") } }
        #expect(without?.code == .connectionLost)
        try await locks.withTransaction(locking: "a") { try await $0.execute("SELECT 1") }
    }

    @Test("a body can use savepoints")
    func savepoints() async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE TABLE t (x int)")
        let locks = try database.manager()
        for key in ["a" as LockKey?, nil] {
            try await locks.withTransaction(locking: key) { transaction in
                try await transaction.execute("INSERT INTO t VALUES (1)")
                try await transaction.execute("SAVEPOINT s")
                await #expect(throws: LockError.self) { try await transaction.execute("SELECT 1/0") }
                try await transaction.execute("ROLLBACK TO SAVEPOINT s")
                #expect(transaction.lock?.isHeld != false)
            }
        }
        #expect(try await database.query("SELECT count(*) FROM t") == [["2"]])
    }

    @Test("a failed statement releases the transaction's lock, and the body is told at once", arguments: [false, true])
    func abort(isCaught: Bool) async throws {
        let database = try TestDatabase.get()
        let (locks, others) = (try database.manager(), try database.manager())
        let error = await lockError {
            try await locks.withTransaction(locking: "a") { transaction in
                do {
                    try await transaction.execute("SELECT 1/0")
                } catch {
                    #expect(transaction.lock?.isHeld == false)
                    #expect(await transaction.lock?.waitForEnd()?.code == .lockLost)
                    #expect(await becomesCancelled())
                    let free = Task { try await others.isFree("a") }
                    #expect(try await free.value)
                    if !isCaught { throw error }
                }
            }
        }
        // Its own error, or that of a commit that is none.
        #expect(error?.sqlState == (isCaught ? "25P02" : "22012"))
        #expect(error?.code == .statementFailed)
        try await locks.withTransaction(locking: "a") { try await $0.execute("SELECT 1") }
    }

    @Test("after a savepoint was set, a failed statement keeps the transaction's lock, also when the savepoint is released")
    func abortBehindSavepoint() async throws {
        let database = try TestDatabase.get()
        let (locks, others) = (try database.manager(), try database.manager())
        let error = await lockError {
            try await locks.withTransaction(locking: "a") { transaction in
                for sql in ["SAVEPOINT one", "savepoint \"Two\"", "RELEASE SAVEPOINT \"Two\";"] { try await transaction.execute(sql) }
                _ = try? await transaction.execute("SELECT 1/0")
                #expect(transaction.lock?.isHeld == true)
                #expect(try await !others.isFree("a"))
                try await transaction.execute("ROLLBACK TO ONE")
                // A further lock is released by a rollback to the savepoint before it.
                try await transaction.acquire("b")
                try await transaction.execute("ROLLBACK TO SAVEPOINT one")
                #expect(try await others.isFree("b"))
                let taken = try await others.acquire("c")
                let late = await lockError { try await transaction.acquire("c", timeout: .milliseconds(20)) }
                #expect(late?.keys == ["c", "a"])
                try await taken.release()
                try await transaction.execute("RELEASE one")
                #expect(transaction.lock?.isHeld == true)
                _ = try? await transaction.execute("SELECT 1/0")
                #expect(transaction.lock?.isHeld == true)
                #expect(try await !others.isFree("a"))
            }
        }
        #expect(error?.sqlState == "25P02")
        #expect(try await others.isFree("a"))
    }

    @Test("a statement of a task that outlives the body does not hold up the end of the transaction", arguments: [false, true])
    func lateStatement(throwing: Bool) async throws {
        struct BodyError: Error {}
        let database = try TestDatabase.get()
        let locks = try database.manager()
        do {
            try await locks.withTransaction(locking: "a") { transaction in
                Task { try await transaction.execute("SELECT pg_sleep(600)") }
                try await database.eventually("it runs") {
                    try await database.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()")
                        .count == 1
                }
                if throwing { throw BodyError() }
            }
            Issue.record("It was committed.")
        } catch {
            #expect(throwing == (error is BodyError))
        }
        #expect(try await database.locks() == 0)
    }

    @Test("an error at a statement's implicit commit is reported, after any number of rows")
    func deferredError() async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE TABLE t (x int UNIQUE DEFERRABLE INITIALLY DEFERRED, y text)")
        let locks = try database.manager()
        try await locks.withSession { session in
            try await session.acquire("a")
            for round in 0..<300 {
                let rows = [1, 50, 600][round % 3]
                let error = await lockError {
                    try await session.query(
                        "INSERT INTO t SELECT 1, repeat('x', $1::int) FROM generate_series(0, $2::int) RETURNING *",
                        [.int(round * 3), .int(rows)]
                    )
                }
                #expect(error?.sqlState == "23505")
            }
        }
    }

    @Test("a timeout of zero does not wait for another transaction's connection, but for a new one")
    func noWait() async throws {
        let locks = try TestDatabase.get().manager { $0.pool.maximumConnections = 2 }
        try await locks.withTransaction(locking: "a", timeout: .zero) { _ in
            for body in [
                { try await locks.withTransaction(locking: "b", timeout: .zero) { _ in } },
                { try await locks.withTransaction(timeout: .zero) { _ in } },
                { try await locks.withSession(timeout: .zero) { _ in } },
            ] {
                let error = await lockError(of: body)
                #expect(error?.code == .poolExhausted)
                #expect(error?.message.contains("pool.maximumConnections") == true)
            }
        }
        try await locks.withTransaction(timeout: .zero) { _ in }
        try await locks.withSession(timeout: .zero) { _ in }
    }

    @Test("many transactions on one key run one after the other over few connections, and their statements do not mix")
    func turns() async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE TABLE t (x int); INSERT INTO t VALUES (0)")
        let locks = try database.manager { $0.pool.maximumConnections = 4 }
        try await withThrowingTaskGroup { group in
            for _ in 0..<50 {
                group.addTask {
                    try await locks.withTransaction(locking: "a") { transaction in
                        async let first = transaction.query("SELECT x FROM t")
                        async let second = transaction.query("SELECT 'other'")
                        let value = try await first[0].decode(0, as: Int.self)
                        #expect(try await second[0].decode(0, as: String.self) == "other")
                        try await transaction.execute("UPDATE t SET x = $1", [.int(value + 1)])
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await database.query("SELECT x FROM t") == [["50"]])
    }
}
