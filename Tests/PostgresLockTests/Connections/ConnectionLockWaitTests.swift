import PostgresLock
import Testing

/// Waits that fail.
@Suite("Waits on the caller's connection", .database)
struct ConnectionLockWaitTests {
    typealias Driver = TestConnection.Driver

    @Test(
        "a wait that times out leaves no lock, and the transaction around it goes on",
        arguments: Driver.allCases,
        [LockScope.session, .transaction]
    )
    func timeout(driver: Driver, scope: LockScope) async throws {
        let (database, connection) = try await TestConnection.connect(driver)
        let holder = try await database.manager().acquire("a")
        try await connection.run("SET lock_timeout = '7s'")
        try await connection.run("BEGIN")
        try await connection.run("CREATE TABLE t ()")
        let lock = ConnectionLock("a", on: connection, scope: scope)
        let error = await lockError { try await lock.acquire(timeout: .milliseconds(30)) }
        #expect(error?.code == .timedOut)
        #expect(try await connection.queryBoolean("SELECT current_setting('lock_timeout') = '7s'") == true)
        try await holder.release()
        try await lock.acquire(timeout: .seconds(10))
        try await lock.rollBack()
        #expect(try await lock.release() == (scope == .session))
        #expect(try await connection.queryBoolean("SELECT current_setting('lock_timeout') = '7s'") == true)
        #expect(try await database.locks() == 0)
        #expect(connection.warnings.isEmpty)
    }

    @Test("the session's own lock_timeout does not end a wait", arguments: Driver.allCases)
    func ownTimeout(driver: Driver) async throws {
        let (database, connection) = try await TestConnection.connect(driver)
        let holder = try await HeldKey("a", database)
        try await connection.run("SET lock_timeout = '10ms'")
        let released = Task {
            try await database.eventually("a wait") { try await database.locks(granted: false) == 1 }
            try await Task.sleep(for: .milliseconds(200))
            try await holder.release()
        }
        let lock = ConnectionLock("a", on: connection)
        try await lock.withLock { try await connection.run("SELECT 1") }
        try await released.value
        #expect(try await connection.queryBoolean("SELECT current_setting('lock_timeout') = '10ms'") == true)
    }

    @Test("a cancelled wait leaves no lock, and does not abort the transaction around it", arguments: Driver.allCases)
    func cancellation(driver: Driver) async throws {
        let database = try TestDatabase.get()
        // Looks for requests take a lock for a moment.
        let holder = try await database.manager { $0.releaseLookInterval = .seconds(3600) }.acquire("a")
        let waiting = Task {
            let (_, connection) = try await TestConnection.connect(driver)
            try await connection.run("BEGIN")
            try await connection.run("CREATE TABLE t ()")
            let lock = ConnectionLock("a", on: connection)
            lock.cancellationLatency = .milliseconds(100)
            await #expect(throws: CancellationError.self) { try await lock.acquire() }
            #expect(lock.holdCount == 0)
            await #expect(throws: CancellationError.self) { try await lock.acquire() }
            try await connection.run("COMMIT")
        }
        try await database.eventually("a wait") { try await database.locks(granted: false) == 1 }
        waiting.cancel()
        try await waiting.value
        #expect(try await database.locks() == 1)
        #expect(try await database.query("SELECT count(*) FROM t") == [["0"]])
        try await holder.release()
    }

    /// On a server that holds very many locks, to look through them takes that long.
    @Test("a cancelled wait leaves no lock if its clearing up is slow", arguments: [Driver.libpq, .psqlWithCancelRequest])
    func slowCancellation(driver: Driver) async throws {
        let database = try TestDatabase.get()
        try await database.query(
            """
            SET allow_system_table_mods = on;
            ALTER VIEW pg_catalog.pg_locks RENAME TO all_locks;
            CREATE FUNCTION slowly() RETURNS SETOF pg_catalog.all_locks LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_catalog.pg_sleep(0.8); RETURN QUERY SELECT * FROM pg_catalog.all_locks; END';
            CREATE VIEW pg_catalog.pg_locks AS SELECT * FROM slowly()
            """
        )
        let holder = try await database.manager().acquire("a")
        let waiting = Task {
            let (_, connection) = try await TestConnection.connect(driver)
            try await connection.run("BEGIN")
            try await connection.run("CREATE TABLE t ()")
            let lock = ConnectionLock("a", on: connection)
            do {
                try await lock.acquire()
                Issue.record("It is not cancelled.")
            } catch is CancellationError {
            } catch let error as LockError {
                // Not by `#expect(throws:)`, which does not show the driver's error.
                Issue.record("\(String(reflecting: error))")
            }
            #expect(lock.holdCount == 0)
            try await connection.run("COMMIT")
        }
        try await database.eventually("a wait") {
            try await database.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()").count
                == 1
        }
        waiting.cancel()
        try await waiting.value
        #expect(try await database.query("SELECT count(*) FROM t") == [["0"]])
        try await holder.release()
    }

    @Test("a deadlock fails one wait, whose transaction goes on", arguments: Driver.allCases)
    func deadlock(driver: Driver) async throws {
        let database = try TestDatabase.get()
        try await database.query("ALTER DATABASE \(database.name) SET deadlock_timeout = '50ms'")
        @Sendable func take(_ first: LockKey, _ second: LockKey) async throws -> LockError.Code? {
            let (_, connection) = try await TestConnection.connect(driver)
            let locks = [ConnectionLock(first, on: connection), ConnectionLock(second, on: connection)]
            locks[1].cancellationLatency = .seconds(300)
            try await connection.run("BEGIN")
            try await locks[0].acquire()
            try await database.eventually("both hold one") { try await database.locks() == 2 }
            var code: LockError.Code?
            do {
                // Long, since the other one may find out late that both hold one.
                try await locks[1].acquire(timeout: .seconds(300))
            } catch let error as LockError {
                code = error.code
            }
            try await connection.run("COMMIT")
            for lock in locks.reversed() { try await lock.release() }
            return code
        }
        async let one = take("a", "b")
        async let other = take("b", "a")
        let codes = try await [one, other]
        #expect(codes.contains(.deadlock))
        #expect(codes.contains(nil))
    }

    @Test("a wait that another session cancels throws statementFailed, and leaves no lock", arguments: Driver.allCases)
    func statementTimeout(driver: Driver) async throws {
        let (database, connection) = try await TestConnection.connect(driver)
        let holder = try await database.manager().acquire("a")
        // It also limits the short statements around the wait, which take long on a busy machine.
        try await connection.run("SET statement_timeout = '5s'")
        let lock = ConnectionLock("a", on: connection)
        // The wait is one statement also where the connection can't cancel it.
        lock.cancellationLatency = .seconds(300)
        let error = await lockError { try await lock.acquire() }
        #expect(error?.code == .statementFailed)
        #expect(error?.sqlState == "57014")
        #expect(error?.message.contains("statement_timeout") == true)
        try await holder.release()
        #expect(try await database.locks() == 0)
        try await lock.withLock {}
    }

    /// Take what puts a lock back out of `ConnectionLockStatements.wait(atMost:)`, and this fails for sessions.
    @Test(
        "a grant that races the end of its wait leaves no lock behind",
        arguments: [(.psql, false), (.psqlWithCancelRequest, false), (.psqlWithCancelRequest, true), (.libpq, false), (.libpq, true)]
            as [(Driver, Bool)],
        [LockScope.session, .transaction]
    )
    func race(kind: (driver: Driver, isCancelled: Bool), scope: LockScope) async throws {
        let database = try TestDatabase.get()
        let holder = try database.manager()
        let racer = Racer(kind.driver, scope, database)
        var tally = (won: 0, lost: 0)
        // On a busy machine one of the two may be rare.
        var rounds = 0
        while rounds < 150 || (rounds < 1500 && (tally.won == 0 || tally.lost == 0)) {
            rounds += 1
            let held = try await holder.acquire("a", timeout: .seconds(300))
            let release = Int.random(in: 0...2_500)
            let timeout = Duration.microseconds(max(1_000, release + Int.random(in: -500...2_000)))
            let waiting = Task { try await racer.takes("a", timeout: kind.isCancelled ? .seconds(10) : timeout) }
            let cancelling = Task {
                guard kind.isCancelled else { return }
                try await Task.sleep(for: timeout)
                waiting.cancel()
            }
            // A cancel leaves the wait some time to begin.
            try await Task.sleep(for: .microseconds(release) + (kind.isCancelled ? .milliseconds(5) : .zero))
            try await held.release()
            let isWon = try await waiting.value
            if isWon { tally.won += 1 } else { tally.lost += 1 }
            try await cancelling.value
            // A transaction is still open.
            #expect(try await holder.isFree("a") != isWon)
            try await racer.letGo()
            #expect(try await holder.isFree("a"))
        }
        #expect(tally.won > 0 && tally.lost > 0, "\(tally)")
    }

    /// One connection for all rounds, used by one task after the other.
    private actor Racer {
        private let driver: Driver
        private let scope: LockScope
        private let database: TestDatabase
        private var lock: ConnectionLock<TestConnection>?

        init(_ driver: Driver, _ scope: LockScope, _ database: TestDatabase) {
            self.driver = driver
            self.scope = scope
            self.database = database
        }

        /// - Returns: Whether the lock was acquired.
        func takes(_ key: LockKey, timeout: Duration) async throws -> Bool {
            let lock = if let lock { lock } else { ConnectionLock(key, on: try await TestConnection(driver, database), scope: scope) }
            self.lock = lock
            if scope == .transaction { try await lock.connection.run("BEGIN") }
            do {
                try await lock.acquire(timeout: timeout)
                return true
            } catch is CancellationError {
                return false
            } catch let error as LockError where error.code == .timedOut {
                return false
            }
        }

        func letGo() async throws {
            if scope == .transaction { try await lock?.connection.run("COMMIT") }
            try await lock?.release()
        }
    }
}
