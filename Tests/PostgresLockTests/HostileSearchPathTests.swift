import ChildProcesses
import FaultTools
import PostgresLock
import PostgresLockTesting
import Testing

/// In a search path before `pg_catalog`, any role that may create objects can have its own `+`, `=`, `int4` and so on.
@Suite("A hostile search path", .server(), .direct("a pooler's sessions are another role's"))
struct HostileSearchPathTests {
    @Test("locks of all kinds exclude and end as ever, and no statement of ours uses what the search path puts in its way")
    func everything() async throws {
        let database = try TestDatabase.get()
        let hostile = try await HostileSchema(in: database)
        let url = database.server.connectionString(database: database.name, user: hostile.role)
        let others = try database.manager()
        let locks = try database.manager {
            $0.url = url
            $0.fencingTokens = true
            $0.lease = .seconds(5)
        }
        try await singles(locks, others)
        try await arrays(locks, others)
        try await waits(locks, others)
        try await transactions(locks, others)
        try await sessions(locks, others)
        for scope in [LockScope.session, .transaction] { try await ownConnection(url, scope, others) }
        let doctor = try ChildProcess.helper("pglock", ["doctor", url])
        var output = ""
        for await line in doctor.lines { output += line + "\n" }
        #expect(await doctor.status() == 0, "\(output)")
        #expect(!output.contains("warning"), "\(output)")
        await locks.shutdown()
        let errors = try database.server.serverLog().split(separator: "\n").filter {
            $0.contains("ERROR:") && !$0.contains("canceling statement") && !$0.contains("division by zero")
        }
        #expect(errors == [])
    }

    private func expect(_ key: LockKey, isFree isExpected: Bool, for others: LockManager, mode: LockMode = .exclusive) async throws {
        let isFree = try await others.isFree(key, mode: mode)
        #expect(isFree == isExpected, "\(key), \(mode)")
    }

    private func singles(_ locks: LockManager, _ others: LockManager) async throws {
        for key in ["name" as LockKey, LockKey(number: -1), LockKey(-2, .max)] {
            for mode in [LockMode.exclusive, .shared] {
                try await locks.withLock(key, mode: mode) { lock in
                    #expect(lock.isHeld)
                    #expect(mode == .shared || lock.fencingToken != nil)
                    try await expect(key, isFree: false, for: others)
                    try await expect(key, isFree: mode == .shared, for: others, mode: .shared)
                }
                try await expect(key, isFree: true, for: others)
            }
        }
        let handle = try await locks.acquire("mode")
        try await handle.downgrade()
        try await expect("mode", isFree: true, for: others, mode: .shared)
        let isUpgraded = try await handle.tryUpgrade()
        #expect(isUpgraded)
        try await expect("mode", isFree: false, for: others, mode: .shared)
        try await handle.release()
    }

    private func arrays(_ locks: LockManager, _ others: LockManager) async throws {
        let database = try TestDatabase.get()
        for count in [16, 1_000] {
            for isPair in [false, true] {
                let keys = (0..<Int32(count)).map { isPair ? LockKey(7, $0) : LockKey(number: Int64($0)) }
                try await locks.withLocks(keys.map { .exclusive($0) }) { _ in
                    // A lock that is held for long is made known by one of another class.
                    let held = try await database.query(
                        """
                        SELECT count(DISTINCT (l.classid, l.objid)) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                        WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.classid IN (0, 7)
                        """
                    )
                    #expect(held == [["\(count)"]])
                    for key in keys.prefix(20) { try await expect(key, isFree: false, for: others) }
                }
                #expect(try await database.locks() == 0)
            }
        }
    }

    /// Both ends of a wait, by time and by cancellation, and both of what is asked about another session.
    private func waits(_ locks: LockManager, _ others: LockManager) async throws {
        let database = try TestDatabase.get()
        let taken = try await others.acquire("taken")
        await expectTimedOut(from: .seconds(2)) { timeout in try await locks.withLock("taken", timeout: timeout) { _ in } }
        let waiting = Task { try await locks.withLock("taken") { _ in } }
        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        let granted = Task { try await locks.withLock("taken") { $0.isHeld } }
        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
        let looks = await locks.lookCount
        try await database.eventually("its harm is looked for") { await locks.lookCount > looks }
        try await taken.release()
        #expect(try await granted.value)
    }

    private func transactions(_ locks: LockManager, _ others: LockManager) async throws {
        try await locks.withTransaction(locking: "a") { transaction in
            try await transaction.acquire("b")
            try await transaction.execute("SAVEPOINT s")
            try await transaction.acquire("c")
            // Or the error would release "c", and cancel the body.
            try await transaction.execute("SAVEPOINT t")
            await #expect(throws: LockError.self) { try await transaction.execute("SELECT 1 OPERATOR(pg_catalog./) 0") }
            try await transaction.execute("ROLLBACK TO s")
            #expect(transaction.lock?.isHeld == true)
            try await expect("c", isFree: true, for: others)
            // Longer than the lease: only what the server says of the session keeps the lock.
            try await transaction.execute("SELECT pg_catalog.pg_sleep(6)")
            #expect(transaction.lock?.isHeld == true)
            for key in ["a", "b"] as [LockKey] { try await expect(key, isFree: false, for: others) }
        }
        try await expect("a", isFree: true, for: others)
    }

    private func sessions(_ locks: LockManager, _ others: LockManager) async throws {
        try await locks.withSession { session in
            try await session.withLock("a") { lock in
                #expect(lock.fencingToken != nil)
                try await session.acquire("b", mode: .shared)
                for key in ["a", "b"] as [LockKey] { try await expect(key, isFree: false, for: others) }
                try await session.execute("SELECT 1")
            }
        }
        for key in ["a", "b"] as [LockKey] { try await expect(key, isFree: true, for: others) }
    }

    private func ownConnection(_ url: String, _ scope: LockScope, _ others: LockManager) async throws {
        let database = try TestDatabase.get()
        let owned = try OwnedLibPQ(url)
        let connection = owned.connection
        if scope == .transaction { _ = try await connection.queryBoolean("BEGIN") }
        for key in ["a" as LockKey, LockKey(-3, 4)] {
            let lock = ConnectionLock(key, on: connection, scope: scope)
            let before = try await database.locks()
            let taken = try await others.acquire(key)
            let late = await lockError { try await lock.acquire(timeout: .milliseconds(50)) }
            #expect(late?.code == .timedOut)
            #expect(try await database.locks() == before + 1)
            try await taken.release()
            try await lock.acquire(timeout: .seconds(120))
            #expect(try await lock.isHeld())
            try await expect(key, isFree: false, for: others)
            if scope == .session { try await lock.release() }
        }
        if scope == .transaction { _ = try await connection.queryBoolean("COMMIT") }
        for key in ["a" as LockKey, LockKey(-3, 4)] { try await expect(key, isFree: true, for: others) }
    }
}
