import PostgresLock
import Testing

@Suite("Locks on the caller's connection", .database)
struct ConnectionLockTests {
    typealias Driver = TestConnection.Driver

    private struct BodyError: Error, Equatable {}

    // MARK: Acquiring and releasing

    @Test("withLock acquires the lock, runs the body and releases the lock, also if the body throws", arguments: Driver.allCases)
    func scope(driver: Driver) async throws {
        let (database, connection) = try await TestConnection.connect(driver)
        let others = try database.manager()
        let lock = ConnectionLock("a", on: connection)
        let result = try await lock.withLock {
            #expect(lock.holdCount == 1)
            try await Self.expectTaken("a", others)
            return "done"
        }
        #expect(result == "done")
        #expect(lock.holdCount == 0)
        #expect(try await others.isFree("a"))
        let error = await Self.bodyError { try await lock.withLock { throw BodyError() } }
        #expect(error == BodyError())
        #expect(try await others.isFree("a"))
        #expect(connection.warnings.isEmpty)
    }

    @Test(
        "withLockIfAvailable runs the body under a free lock and releases it, and returns nil without running the body if it is taken",
        arguments: Driver.allCases
    )
    func available(driver: Driver) async throws {
        let (database, connection) = try await TestConnection.connect(driver)
        let others = try database.manager()
        let lock = ConnectionLock("a", on: connection)
        let result = try await lock.withLockIfAvailable {
            try await Self.expectTaken("a", others)
            return "done"
        }
        #expect(result == "done")
        #expect(try await others.isFree("a"))
        let error = await Self.bodyError { try await lock.withLockIfAvailable { throw BodyError() } }
        #expect(error == BodyError())
        #expect(try await others.isFree("a"))

        let holder = try await others.acquire("a")
        let none: String? = try await lock.withLockIfAvailable {
            Issue.record("The body has run without the lock.")
            return "ran"
        }
        #expect(none == nil)
        #expect(lock.holdCount == 0)
        try await holder.release()
        #expect(connection.warnings.isEmpty)
    }

    @Test("a taken lock is not acquired by a try, but by a wait", arguments: Driver.allCases, [LockMode.exclusive, .shared])
    func contention(driver: Driver, mode: LockMode) async throws {
        let (database, connection) = try await TestConnection.connect(driver)
        let holder = try await HeldKey("a", database)
        let lock = ConnectionLock("a", on: connection, mode: mode)
        #expect(try await !lock.tryAcquire())
        #expect(lock.holdCount == 0)
        let error = await lockError { try await lock.acquire(timeout: .zero) }
        #expect(error?.code == .timedOut)
        let released = Task { try await holder.releaseToWaiters() }
        try await lock.acquire()
        try await released.value
        #expect(try await lock.isHeld())
        #expect(try await lock.release())
        #expect(try await !lock.isHeld())
    }

    @Test("a release of a lock that is not held does nothing, and returns false", arguments: Driver.allCases)
    func emptyRelease(driver: Driver) async throws {
        let (_, connection) = try await TestConnection.connect(driver)
        for scope in [LockScope.session, .transaction] {
            let lock = ConnectionLock("a", on: connection, scope: scope)
            #expect(try await !lock.release())
        }
        let lock = ConnectionLock("a", on: connection)
        try await lock.acquire()
        #expect(try await lock.release())
        #expect(try await !lock.release())
        #expect(connection.warnings.isEmpty)
    }

    @Test("an exclusive lock that is held can't be acquired again", arguments: Driver.allCases, [LockScope.session, .transaction])
    func twice(driver: Driver, scope: LockScope) async throws {
        let (_, connection) = try await TestConnection.connect(driver)
        try await connection.run("BEGIN")
        let lock = ConnectionLock("a", on: connection, scope: scope)
        try await lock.acquire()
        for body in [{ try await lock.acquire() }, { _ = try await lock.tryAcquire() }, { try await lock.withLock {} }] {
            #expect(await lockError(of: body)?.code == .alreadyHeld)
        }
        #expect(lock.holdCount == 1)
        try await connection.run("COMMIT")
        #expect(try await lock.release() == (scope == .session))
    }

    @Test("each acquire of a shared lock is counted, and failed tries are not", arguments: Driver.allCases)
    func shared(driver: Driver) async throws {
        let (database, connection) = try await TestConnection.connect(driver)
        let others = try database.manager()
        let lock = ConnectionLock("a", on: connection, mode: .shared)
        let holder = try await others.acquire("a")
        for _ in 0..<3 { #expect(try await !lock.tryAcquire()) }
        try await holder.release()
        try await lock.acquire()
        #expect(try await lock.tryAcquire())
        try await lock.acquire()
        #expect(lock.holdCount == 3)
        #expect(try await others.isFree("a", mode: .shared))
        #expect(try await !lock.release())
        #expect(try await !lock.release())
        #expect(try await !others.isFree("a"))
        #expect(try await lock.release())
        #expect(try await others.isFree("a"))
        #expect(try await !lock.release())
    }

    // MARK: Transactions

    @Test(
        "a lock with the scope of a transaction ends with the transaction, and not before",
        arguments: Driver.allCases,
        [LockMode.exclusive, .shared]
    )
    func transaction(driver: Driver, mode: LockMode) async throws {
        let (database, connection) = try await TestConnection.connect(driver)
        let others = try database.manager()
        let lock = ConnectionLock("a", on: connection, mode: mode, scope: .transaction)
        for end in ["COMMIT", "ROLLBACK"] {
            try await connection.run("BEGIN")
            try await lock.withLock { try await Self.expectTaken("a", others) }
            try await Self.expectTaken("a", others)
            let error = await lockError { try await lock.release() }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("Commit or roll back") == true)
            try await connection.run(end)
            #expect(try await others.isFree("a"))
            #expect(try await !lock.release())
        }
        // Without a release in between, too.
        try await connection.run("BEGIN")
        try await lock.acquire()
        try await connection.run("COMMIT")
        try await connection.run("BEGIN")
        #expect(try await lock.tryAcquire())
        #expect(try await !others.isFree("a"))
        try await connection.run("COMMIT")
    }

    @Test("a rollback to a savepoint releases the locks that were acquired after it", arguments: Driver.allCases)
    func savepoint(driver: Driver) async throws {
        let (database, connection) = try await TestConnection.connect(driver)
        try await connection.run("BEGIN")
        try await connection.run("SAVEPOINT s")
        let lock = ConnectionLock("a", on: connection, scope: .transaction)
        try await lock.acquire()
        try await connection.run("ROLLBACK TO s")
        #expect(try await database.locks() == 0)
        try await lock.acquire()
        #expect(try await lock.isHeld())
        try await connection.run("COMMIT")
    }

    @Test("a lock with the scope of a transaction is refused outside of a transaction", arguments: Driver.allCases)
    func noTransaction(driver: Driver) async throws {
        let (database, connection) = try await TestConnection.connect(driver)
        let lock = ConnectionLock("a", on: connection, scope: .transaction)
        let error = await lockError { try await lock.acquire() }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("Begin one before") == true)
        #expect(lock.holdCount == 0)
        #expect(try await database.locks() == 0)
    }

    // MARK: Errors

    @Test("if the body throws in an aborted transaction, this is rolled back and the lock is released", arguments: Driver.allCases)
    func abortedTransaction(driver: Driver) async throws {
        let (database, connection) = try await TestConnection.connect(driver)
        for scope in [LockScope.session, .transaction] {
            try await connection.run("BEGIN")
            let lock = ConnectionLock("a", on: connection, scope: scope)
            let error = await Self.bodyError {
                try await lock.withLock {
                    try? await connection.run("SELECT 1/0")
                    throw BodyError()
                }
            }
            #expect(error == BodyError())
            #expect(lock.holdCount == 0)
            #expect(try await database.locks() == 0)
            // Not in a transaction any more, and as good as new.
            #expect(try await connection.queryBoolean("SELECT pg_current_xact_id_if_assigned() IS NULL") == true)
            try await lock.rollBack()
        }
        #expect(connection.warnings.isEmpty)
    }

    @Test("if the body throws, its transaction's changes are rolled back", arguments: Driver.allCases)
    func rollback(driver: Driver) async throws {
        let (database, connection) = try await TestConnection.connect(driver)
        try await database.query("CREATE TABLE t (n int)")
        let lock = ConnectionLock("a", on: connection)
        for isInTransaction in [true, false] {
            if isInTransaction { try await connection.run("BEGIN") }
            _ = await Self.bodyError {
                try await lock.withLock {
                    try await connection.run("INSERT INTO t VALUES (1)")
                    throw BodyError()
                }
            }
            #expect(try await database.query("SELECT count(*) FROM t") == [[isInTransaction ? "0" : "1"]])
        }
        #expect(connection.warnings.isEmpty)
    }

    @Test("without rollsBackOnError, the error says that the lock is still held in an aborted transaction", arguments: Driver.allCases)
    func noRollback(driver: Driver) async throws {
        let (database, connection) = try await TestConnection.connect(driver)
        let lock = ConnectionLock("a", on: connection, rollsBackOnError: false)
        try await connection.run("BEGIN")
        let error = await lockError {
            try await lock.withLock {
                try? await connection.run("SELECT 1/0")
                throw BodyError()
            }
        }
        #expect(error?.code == .notReleased)
        #expect(error?.sqlState == "25P02")
        #expect(error?.message.contains("is still held: the connection is in a transaction that PostgreSQL has aborted") == true)
        #expect(error?.underlying is BodyError)
        #expect(try await database.locks() == 1)
        #expect(lock.holdCount == 1)
        #expect(await lockError { try await lock.acquire() }?.code == .alreadyHeld)
        try await lock.rollBack()
        #expect(try await lock.release())
        #expect(try await database.locks() == 0)

        // In a transaction that is as it should be, nothing stands in the way, and it goes on.
        try await connection.run("BEGIN")
        try await connection.run("CREATE TABLE t ()")
        #expect(await Self.bodyError { try await lock.withLock { throw BodyError() } } == BodyError())
        try await connection.run("COMMIT")
        #expect(try await database.query("SELECT count(*) FROM t") == [["0"]])
    }

    @Test("the release of a lock that the session does not hold any more throws lockLost", arguments: Driver.allCases)
    func lost(driver: Driver) async throws {
        let (_, connection) = try await TestConnection.connect(driver)
        let lock = ConnectionLock("a", on: connection)
        let error = await lockError { try await lock.withLock { try await connection.run("SELECT pg_advisory_unlock_all()") } }
        #expect(error?.code == .lockLost)
        #expect(lock.holdCount == 0)
        let caused = await lockError {
            try await lock.withLock {
                try await connection.run("SELECT pg_advisory_unlock_all()")
                throw BodyError()
            }
        }
        #expect(caused?.code == .lockLost)
        #expect(caused?.underlying is BodyError)
    }

    @Test("if the session ends, calls throw, and the lock is free", arguments: Driver.allCases)
    func terminated(driver: Driver) async throws {
        let (database, connection) = try await TestConnection.connect(driver)
        let lock = ConnectionLock("a", on: connection)
        try await lock.acquire()
        try await database.query(
            """
            SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
            WHERE l.locktype = 'advisory' AND d.datname = current_database()
            """
        )
        let error = await lockError { try await lock.release() }
        #expect(error?.code == .notReleased)
        #expect(error?.underlying != nil)
        #expect(await lockError { try await lock.release() }?.code == .notReleased)
        #expect(await lockError { try await lock.acquire() }?.message.contains("Call release() first") == true)
        // The session tells its client of its end before it releases its locks.
        try await database.eventually("the lock is free") { try await database.locks() == 0 }
        let other = ConnectionLock("b", on: connection)
        #expect(await lockError { try await other.acquire() }?.code == .statementFailed)
    }

    // MARK: Input

    @Test("lockQuery, tryLockQuery and unlockQuery are calls of PostgreSQL's documented functions")
    func sql() async throws {
        let (_, connection) = try await TestConnection.connect(.libpq)
        let lock = ConnectionLock("my-lock", on: connection)
        #expect(lock.key.number == 4_791_209_619_368_833_285)
        #expect(lock.lockQuery == "SELECT pg_catalog.pg_advisory_lock(4791209619368833285)")
        #expect(lock.tryLockQuery == "SELECT pg_catalog.pg_try_advisory_lock(4791209619368833285)")
        #expect(lock.unlockQuery == "SELECT pg_catalog.pg_advisory_unlock(4791209619368833285)")
        let shared = ConnectionLock(LockKey(-1, 2), on: connection, mode: .shared, scope: .transaction)
        #expect(shared.lockQuery == "SELECT pg_catalog.pg_advisory_xact_lock_shared(-1, 2)")
        #expect(shared.tryLockQuery == "SELECT pg_catalog.pg_try_advisory_xact_lock_shared(-1, 2)")
        #expect(shared.unlockQuery == nil)
        for query in [lock.lockQuery, lock.tryLockQuery, lock.unlockQuery] { try await connection.run(query ?? "") }
        #expect(try await lock.isHeld())
        try await connection.run(lock.unlockQuery ?? "")
    }

    @Test(
        "keys of every kind are found in the server's table",
        arguments: [
            LockKey(number: 0), LockKey(number: -1), LockKey(number: .max), LockKey(number: .min), LockKey(-1, .min),
            LockKey(.max, -2), LockKey(describing: 42), "café", .symfonyLock("my-lock"),
        ],
        [LockMode.exclusive, .shared]
    )
    func keys(key: LockKey, mode: LockMode) async throws {
        let (database, connection) = try await TestConnection.connect(.libpq)
        let lock = ConnectionLock(key, on: connection, mode: mode)
        #expect(try await !lock.isHeld())
        try await lock.acquire()
        #expect(try await lock.isHeld())
        #expect(try await !database.manager().isFree(key))
        let other = ConnectionLock(key, on: connection, mode: mode == .shared ? .exclusive : .shared)
        #expect(try await !other.isHeld())
        try await lock.release()
    }

    @Test("an empty name and a negative timeout are refused before anything is sent")
    func nonsense() async throws {
        let (_, connection) = try await TestConnection.connect(.libpq)
        let lock = ConnectionLock("a", on: connection)
        #expect(await lockError { try await lock.acquire(timeout: .seconds(-1)) }?.code == .invalidArgument)
        #expect(await lockError { try await ConnectionLock("", on: connection).acquire() }?.code == .invalidArgument)
        #expect(try await !lock.isHeld())
    }

    @MainActor
    @Test("a call while another task uses the lock throws invalidArgument")
    func busy() async throws {
        let (database, connection) = try await TestConnection.connect(.libpq)
        let holder = try await database.manager().acquire("a")
        let lock = ConnectionLock("a", on: connection)
        let waiting = Task { try await lock.acquire() }
        try await database.eventually("a wait") { try await database.locks(granted: false) == 1 }
        do {
            try await lock.release()
            Issue.record("Two at a time.")
        } catch let error as LockError {
            #expect(error.message.contains("in use by another task"))
        }
        try await holder.release()
        try await waiting.value
        try await lock.release()
    }

    // MARK: Helpers

    private static func expectTaken(_ key: LockKey, _ others: LockManager) async throws {
        let isFree = try await others.isFree(key)
        #expect(!isFree)
    }

    private static func bodyError(of body: () async throws -> Void) async -> BodyError? {
        do {
            try await body()
            return nil
        } catch {
            #expect(error is BodyError, "\(error)")
            return error as? BodyError
        }
    }
}
