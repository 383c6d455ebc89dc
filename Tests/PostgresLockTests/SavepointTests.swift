import PostgresLock
import Testing

/// A transaction's lock is PostgreSQL's to release, at an error too.
@Suite("Savepoints", .database)
struct SavepointTests {
    @Test(
        "a transaction believes in its lock exactly as long as no other session can have it, however savepoints are written",
        arguments: [
            ["SAVEPOINT a /*t='1'*/", "SAVEPOINT b /*t='1'*/", "RELEASE SAVEPOINT a /*t='1'*/"],
            [#"SAVEPOINT "step 1""#, #"SAVEPOINT "retry 1""#, #"RELEASE SAVEPOINT "step 1""#],
            [#"SAVEPOINT "a""b c""#, #"SAVEPOINT "b c""#, #"RELEASE "a""b c""#],
            [#"SAVEPOINT U&"\0061""#, "SAVEPOINT b", "RELEASE a"],
            [#"SAVEPOINT U&"d!0061t" UESCAPE '!'"#, "SAVEPOINT b", #"RELEASE U&"d@0061t" UESCAPE '@'"#],
            ["SAVEPOINT a", "SAVEPOINT A", #"SAVEPOINT "A""#, "RELEASE a", #"RELEASE "A""#, "RELEASE a"],
            ["/* /* */ SAVEPOINT x */ ;savepoint -- a\n b --c", "RELEASE--\nb"],
            ["SAVEPOINT a", "SAVEPOINT b", "ROLLBACK WORK TO a", "RELEASE a"],
            ["SAVEPOINT a", "SELECT 1/0", "ROLLBACK TO a /* b */", "RELEASE a -- b"],
            ["SAVEPOINT a", "SAVEPOINT a", "RELEASE a", "RELEASE a"],
            ["DO $$ BEGIN BEGIN PERFORM 1/0; EXCEPTION WHEN OTHERS THEN NULL; END; END $$"],
            ["SELECT 'SAVEPOINT a'"], [#"SELECT 1 AS "savepoint""#], ["RELEASE SAVEPOINT a"], ["SAVEPOINT"],
            ["SAVEPOINT a", "RELEASE swift_postgres_lock_base"],
            ["SAVEPOINT a", #"RELEASE U&"swift\005fpostgres_lock_base""#],
            ["SELECT 1"], [],
        ]
    )
    func spellings(statements: [String]) async throws {
        let database = try TestDatabase.get()
        let (locks, others) = (try database.manager(), try database.manager())
        let error = await lockError {
            try await locks.withTransaction(locking: "a") { transaction in
                for sql in statements + ["SELECT 1/0", "SELECT 1/0"] {
                    _ = try? await transaction.execute(sql)
                    let isFree = try await Task { try await others.isFree("a") }.value
                    let isHeld = transaction.lease?.isHeld == true
                    #expect(!isHeld || !isFree, "after \(sql)")
                    #expect(Task.isCancelled == !isHeld, "after \(sql)")
                    // An escaped name might be ours.
                    if !statements.contains(where: { $0.hasPrefix("RELEASE U&") }) {
                        #expect(isHeld == !isFree, "after \(sql)")
                    }
                }
            }
        }
        #expect(error?.sqlState == "25P02")
        #expect(try await database.locks() == 0)
    }

    @Test("in a transaction that is chained to one with savepoints, an error is not taken for one behind a savepoint")
    func chained() async throws {
        let database = try TestDatabase.get()
        let (locks, others) = (try database.manager(), try database.manager())
        let error = await lockError {
            try await locks.withTransaction { transaction in
                try await transaction.execute("SAVEPOINT a")
                try await transaction.execute("ROLLBACK AND CHAIN")
                try await transaction.lock("b")
                _ = try? await transaction.execute("SELECT 1/0")
                let isFree = try await Task { try await others.isFree("b") }.value
                #expect(isFree)
                #expect(Task.isCancelled)
            }
        }
        #expect(error?.sqlState == "25P02")
    }

    @Test("a lock that is refused in a failed transaction undoes nothing of the body's own", arguments: ["pglock", "s"])
    func ownNames(name: String) async throws {
        let locks = try TestDatabase.get().manager()
        try await locks.withTransaction(locking: "a") { transaction in
            try await transaction.execute("SAVEPOINT \(name)")
            _ = try? await transaction.execute("SELECT 1/0")
            #expect(await lockError { try await transaction.lock("b") }?.sqlState == "25P02")
            #expect(await lockError { try await transaction.execute("SELECT 1") }?.sqlState == "25P02")
            try await transaction.execute("ROLLBACK TO \(name)")
            try await transaction.lock("b")
            #expect(transaction.lease?.isHeld == true)
        }
    }
}
