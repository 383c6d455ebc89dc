import PostgresLock
import Testing

/// PostgreSQL releases a transaction's locks by itself, also after an error.
@Suite("Savepoints", .database)
struct SavepointTests {
    @Test(
        "a transaction counts its lock as held exactly as long as no other session can have it, however savepoints are written",
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
            ["SAVEPOINT supply_chain", "SELECT 1/0", "ROLLBACK TO SAVEPOINT supply_chain"],
            ["SAVEPOINT a", "SELECT 1/0", "ROLLBACK TO a -- chain of retries"],
            ["SAVEPOINT a", "SAVEPOINT blockchain_1", "RELEASE SAVEPOINT blockchain_1"],
            ["SAVEPOINT a", #"SAVEPOINT "menu&""#, #"RELEASE "menu&" /* u& */"#],
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
                    let isHeld = transaction.lock?.isHeld == true
                    #expect(!isHeld || !isFree, "after \(sql)")
                    let isCancelled = isHeld ? Task.isCancelled : await becomesCancelled()
                    #expect(isCancelled == !isHeld, "after \(sql)")
                    // An escaped name could be that of the library's savepoint.
                    if !statements.contains(where: { $0.hasPrefix("RELEASE U&") }) {
                        #expect(isHeld == !isFree, "after \(sql)")
                    }
                }
            }
        }
        #expect(error?.sqlState == "25P02")
        #expect(try await database.locks() == 0)
    }

    @Test(
        "a lock that PostgreSQL has released is not reported as taken while its transaction goes on",
        arguments: ["SELECT 1/0", "SELECT pg_terminate_backend(pg_backend_pid())"]
    )
    func releasedEarly(sql: String) async throws {
        let locks = try TestDatabase.get().manager()
        let failed = await lockError {
            try await locks.withTransaction(locking: "a") { transaction in
                _ = try? await transaction.execute(sql)
                let other = await Task.detached {
                    await lockError { try await locks.withTransaction(locking: "a", timeout: .milliseconds(100)) { _ in } }
                }.value
                #expect(other?.code == .noAnswer, "\(String(describing: other))")
            }
        }
        #expect(failed != nil)
    }

    @Test("after AND CHAIN the savepoints of the former transaction do not count: an error releases the locks")
    func chained() async throws {
        let database = try TestDatabase.get()
        let (locks, others) = (try database.manager(), try database.manager())
        let error = await lockError {
            try await locks.withTransaction { transaction in
                try await transaction.execute("SAVEPOINT a")
                try await transaction.execute("ROLLBACK AND CHAIN")
                try await transaction.acquire("b")
                _ = try? await transaction.execute("SELECT 1/0")
                let isFree = try await Task { try await others.isFree("b") }.value
                #expect(isFree)
                #expect(await becomesCancelled())
            }
        }
        #expect(error?.sqlState == "25P02")
    }

    @Test(
        "a savepoint can have any name, and statements behind it can fail repeatedly",
        arguments: ["supply_chain", "a -- chain of retries", #""menu&" /* u& */"#, "swift_postgres_lock_base /* a */", #"U&"\0061""#]
    )
    func retries(name: String) async throws {
        let database = try TestDatabase.get()
        let (locks, others) = (try database.manager(), try database.manager())
        try await locks.withTransaction(locking: "a") { transaction in
            try await transaction.execute("SAVEPOINT \(name)")
            try await transaction.acquire("b")
            try await transaction.execute("SAVEPOINT \(name)")
            for _ in 0..<3 {
                #expect(await lockError { try await transaction.execute("SELECT 1/0") }?.sqlState == "22012")
                for key: LockKey in ["a", "b"] {
                    let isFree = try await others.isFree(key)
                    #expect(!isFree)
                }
                #expect(!Task.isCancelled)
                #expect(transaction.lock?.isHeld == true)
                try await transaction.execute("ROLLBACK TO SAVEPOINT \(name)")
            }
            try await transaction.execute("CREATE TABLE t (x int)")
        }
        #expect(try await database.query("SELECT to_regclass('t')") == [["t"]])
    }

    @Test(
        "a further lock that an error may have released counts as lost, and one that is certainly kept does not",
        arguments: [
            // `LOCK` takes b.
            ["SAVEPOINT s", "RELEASE s", "LOCK"], ["SAVEPOINT s", "LOCK"], ["LOCK"],
            ["SAVEPOINT s", "LOCK", "SAVEPOINT t", "RELEASE s"], ["SAVEPOINT s", "LOCK", "SAVEPOINT t /**/", "RELEASE s /**/"],
            ["SAVEPOINT s", "LOCK", "SAVEPOINT t", "ROLLBACK TO s"], ["SAVEPOINT s", "LOCK", "ROLLBACK TO s", "LOCK"],
            ["SAVEPOINT s", "LOCK", "SAVEPOINT s", "RELEASE s", "RELEASE s"],
            // These keep it.
            ["SAVEPOINT s", "LOCK", "SAVEPOINT t"], ["SAVEPOINT s", "LOCK", "SAVEPOINT t", "RELEASE t"],
            ["LOCK", "SAVEPOINT s"], ["LOCK", "SAVEPOINT s", "RELEASE s"], ["SAVEPOINT s", "RELEASE s", "LOCK", "SAVEPOINT t"],
            ["SAVEPOINT s", "LOCK", "SAVEPOINT t", "SELECT 1/0", "ROLLBACK TO t", "RELEASE t", "SAVEPOINT t"],
            ["SAVEPOINT s", "LOCK", #"SAVEPOINT "T u""#, #"release savepoint "T u" ;"#, "SAVEPOINT t", "Rollback work TO T"],
        ],
        [LockKey?.none, "a"]
    )
    func furtherLocks(steps: [String], key: LockKey?) async throws {
        for onConnection in [false, true] { try await furtherLock(steps, key, onConnection: onConnection) }
    }

    private func furtherLock(_ steps: [String], _ key: LockKey?, onConnection: Bool) async throws {
        let database = try TestDatabase.get()
        let (locks, others) = (try database.manager(), try database.manager())
        let error = await lockError {
            try await locks.withTransaction(locking: key) { transaction in
                func step(_ sql: String) async throws {
                    guard sql == "LOCK" else {
                        _ = try await transaction.execute(sql)
                        return
                    }
                    guard onConnection else { return try await transaction.acquire("b") }
                    try await ConnectionLock("b", on: transaction, scope: .transaction).acquire()
                }
                for sql in steps { _ = try? await step(sql) }
                let isFreeBefore = try await Task { try await others.isFree("b") }.value
                _ = try? await transaction.execute("SELECT 1/0")
                let isFree = try await Task { try await others.isFree("b") }.value
                // A lock that the body itself has rolled back, or that is still held, is not lost.
                let isLoss = isFree && !isFreeBefore
                let isCancelled = isLoss ? await becomesCancelled() : Task.isCancelled
                #expect(isCancelled == isLoss)
                guard let key else { return }
                let isOpeningFree = try await Task { try await others.isFree(key) }.value
                let isHeld = transaction.lock?.isHeld == true
                #expect(isOpeningFree ? !isHeld : isHeld == !isCancelled)
            }
        }
        #expect(error?.sqlState == "25P02")
    }

    @Test("an error does not list locks as held that may be lost")
    func heldMeanwhile() async throws {
        let database = try TestDatabase.get()
        let (locks, others) = (try database.manager(), try database.manager())
        let taken = try await others.acquire("taken")
        try await locks.withTransaction { transaction in
            try await transaction.acquire("a")
            try await transaction.execute("SAVEPOINT s")
            try await transaction.acquire("b")
            let both = await lockError { try await transaction.acquire("taken", timeout: .milliseconds(50)) }
            #expect(both?.keys == ["taken", "a", "b"])
            try await transaction.execute("ROLLBACK TO s")
            let one = await lockError { try await transaction.acquire("taken", timeout: .milliseconds(50)) }
            #expect(one?.keys == ["taken", "a"])
        }
        try await taken.release()
    }

    @Test("a request for a lock that fails in a failed transaction leaves the savepoints of the body in place", arguments: ["pglock", "s"])
    func ownNames(name: String) async throws {
        let locks = try TestDatabase.get().manager()
        try await locks.withTransaction(locking: "a") { transaction in
            try await transaction.execute("SAVEPOINT \(name)")
            _ = try? await transaction.execute("SELECT 1/0")
            #expect(await lockError { try await transaction.acquire("b") }?.sqlState == "25P02")
            #expect(await lockError { try await transaction.execute("SELECT 1") }?.sqlState == "25P02")
            try await transaction.execute("ROLLBACK TO \(name)")
            try await transaction.acquire("b")
            #expect(transaction.lock?.isHeld == true)
        }
    }

    @Test(
        "after a rollback to a savepoint a transaction counts exactly those locks as held that the server holds, in all modes and key spaces"
    )
    func rolledBack() async throws {
        let database = try TestDatabase.get()
        let (locks, others) = (try database.manager(), try database.manager())
        let taken = try await others.acquire("taken")
        let numbers = [LockKey(number: .min), LockKey(number: -1), LockKey(number: 5), LockKey(number: .max)]
        let pairs = [LockKey(.min, .max), LockKey(-1, -1), LockKey(0, 5), LockKey(.max, .min)]
        let before: [(LockKey, LockMode)] = [
            (numbers[0], .exclusive), (numbers[1], .shared), (numbers[2], .exclusive), (pairs[0], .shared), (pairs[1], .exclusive),
            (pairs[3], .shared),
        ]
        // Among them one that is shared before, and some that differ from one before only by the key space.
        let after: [(LockKey, LockMode)] = [
            (numbers[1], .exclusive), (numbers[3], .shared), (pairs[2], .exclusive), (LockKey(number: 7), .exclusive),
        ]
        try await locks.withTransaction(locking: "first") { transaction in
            for (key, mode) in before { try await transaction.acquire(key, mode: mode) }
            try await transaction.execute("SAVEPOINT a")
            for (key, mode) in after { try await transaction.acquire(key, mode: mode) }
            // Settings and names of the body do not interfere.
            try await transaction.execute("SET LOCAL work_mem = '64kB'")
            func held() async throws -> Set<LockKey> {
                let error = await lockError { try await transaction.acquire("taken", timeout: .milliseconds(100)) }
                return Set(try #require(error).keys).subtracting(["taken"])
            }
            #expect(try await held() == Set(["first"] + (before + after).map(\.0)))
            for _ in 0..<2 {
                try await transaction.execute("ROLLBACK TO a")
                #expect(try await held() == Set(["first"] + before.map(\.0)))
            }
            #expect(transaction.lock?.isHeld == true)
            for (key, mode) in before {
                let (isFree, isShareable) = try await (others.isFree(key), others.isFree(key, mode: .shared))
                #expect(!isFree && isShareable == (mode == .shared), "\(key)")
            }
            for (key, _) in after where key != numbers[1] {
                let isFree = try await others.isFree(key)
                #expect(isFree, "\(key)")
            }
        }
        try await taken.release()
    }
}
