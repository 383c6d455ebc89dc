import LibPQ
import PostgresLock
import Testing

@Suite("The end of a transaction", .database)
struct TransactionEndTests {
    @Test("a transaction's lock does not count as held from the time when COMMIT is sent, since the server releases it before it answers")
    func lease() async throws {
        let database = try TestDatabase.get()
        // The commit waits for a lock of the test's own.
        try await database.query(
            """
            CREATE TABLE t (x int);
            CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(99); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold()
            """
        )
        let locks = try database.manager()
        let gate = try await database.manager().acquire(LockKey(number: 99))
        let seen = Locked<HeldLock?>(nil)
        let late = Task {
            try await locks.withTransaction(locking: "a") { transaction in
                try await transaction.execute("INSERT INTO t VALUES (1)")
                #expect(transaction.lock?.isHeld == true)
                seen.withLock { $0 = transaction.lock }
            }
        }
        try await database.eventually("the commit waits") {
            try await database.query(
                """
                SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database
                WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
                """
            ).count == 1
        }
        #expect(seen.withLock { $0 }?.isHeld == false)
        try await gate.release()
        try await late.value
        #expect(try await locks.isFree("a"))
    }

    @Test("a statement that waits behind another one when the body ends fails by an error that says that the transaction has ended")
    func late() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let begun = AsyncStream.makeStream(of: Void.self)
        let tasks = Locked<[Task<LockError.Code?, Never>]>([])
        let outcome = await lockError {
            try await locks.withTransaction(locking: "a") { transaction in
                for _ in 0..<5 {
                    let task = Task { () -> LockError.Code? in
                        begun.continuation.yield()
                        do {
                            _ = try await transaction.query("SELECT pg_sleep(60)")
                            return nil
                        } catch {
                            return (error as? LockError)?.code
                        }
                    }
                    tasks.withLock { $0.append(task) }
                }
                var count = 0
                for await _ in begun.stream {
                    count += 1
                    if count == 5 { break }
                }
                // One runs, and the others wait behind it.
                try await database.eventually("one runs") {
                    try await database.query(
                        "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND datname = current_database()"
                    ).count == 1
                }
            }
        }
        #expect(outcome?.code == .statementFailed, "the one that ran is cancelled with the body's end")
        var codes: [LockError.Code?] = []
        for task in tasks.withLock({ $0 }) { codes.append(await task.value) }
        #expect(codes.count { $0 == .invalidArgument } >= 4, "\(codes)")
        #expect(!codes.contains(.connectionLost), "\(codes)")
    }
}
