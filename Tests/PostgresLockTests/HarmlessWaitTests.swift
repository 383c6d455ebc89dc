import Foundation
import LibPQ
import PostgresLock
import PostgresLockTesting
import Testing

/// A wait in the server's queue holds a snapshot and a virtual transaction, for which others have to wait.
@Suite("Waits that would hold up others")
struct HarmlessWaitTests {
    /// What waits for the lock.
    enum Wait: String, CaseIterable, Sendable {
        case lock
        case session
        case transaction

        func run(_ locks: LockManager, _ key: LockKey, timeout: Duration? = nil, _ body: @Sendable () -> Void) async throws {
            switch self {
            case .lock: try await locks.withLock(key, timeout: timeout) { _ in body() }
            case .session:
                try await locks.withSession { session in try await session.withLock(key, timeout: timeout) { _ in body() } }
            case .transaction: try await locks.withTransaction(locking: key, timeout: timeout) { _ in body() }
            }
        }
    }

    @Test(
        "an index build under a lock goes on while other processes, of a role that may not see it, wait for the lock",
        .database,
        .direct("the processes connect as a role of their own"),
        arguments: [(1, Wait.lock), (20, .lock), (1, .session), (1, .transaction)]
    )
    func indexBuild(count: Int, wait: Wait) async throws {
        let database = try TestDatabase.get()
        let role = "\(database.name)_app"
        try await database.query("CREATE ROLE \(role) LOGIN")
        try await database.query("CREATE TABLE t (i int); INSERT INTO t SELECT generate_series(1, 100)")
        let holder = try database.manager()
        let waiters = try (0..<count).map { _ in
            try database.manager { $0.url = database.server.connectionString(database: database.name, user: role) }
        }
        let turns = Locked(0)
        let lock = try await holder.acquire("deploy")
        let waits = waiters.map { locks in
            Task { try await wait.run(locks, "deploy") { turns.withLock { $0 += 1 } } }
        }
        try await database.eventually("all wait") { try await database.locks(granted: false) == count }
        try await database.query("CREATE INDEX CONCURRENTLY i ON t (i)")
        try await database.query("REINDEX INDEX CONCURRENTLY i")
        let isHeld = lock.isHeld
        #expect(isHeld)
        #expect(turns.withLock { $0 } == 0)
        try await lock.release()
        for wait in waits { try await wait.value }
        #expect(turns.withLock { $0 } == count)
        #expect(try await database.query("SELECT bool_and(indisvalid) FROM pg_index WHERE indrelid = 't'::regclass") == [["t"]])
        for locks in waiters { #expect(await locks.renewedWaits > 0) }
        for locks in waiters { await locks.shutdown() }
        try await database.query("DROP ROLE \(role)")
    }

    private static let beginTransactions = "DO $$ BEGIN FOR i IN 1..1001 LOOP PERFORM txid_current(); COMMIT; END LOOP; END $$"

    /// On a server of its own: the age of a snapshot counts the transactions of all databases.
    @Test("VACUUM removes rows that were deleted while processes waited for a lock", .server(), arguments: Wait.allCases)
    func vacuum(wait: Wait) async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE TABLE t (i int); INSERT INTO t SELECT generate_series(1, 1000)")
        let holder = try database.manager()
        let waiter = try database.manager {
            $0.lookInterval = .milliseconds(50)
            $0.longWait = .milliseconds(50)
            $0.oldestSnapshot = 1000
        }
        let lock = try await holder.acquire("nightly")
        let waiting = Task { try await wait.run(waiter, "nightly") {} }
        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
        try await database.query("DELETE FROM t")
        try await database.query("VACUUM t")
        #expect(try await database.query("SELECT pg_relation_size('t') > 0") == [["t"]], "the wait holds nothing up")
        try await database.query(Self.beginTransactions)
        try await database.eventually("VACUUM removes them") {
            try await database.query("VACUUM t")
            return try await database.query("SELECT pg_relation_size('t')") == [["0"]]
        }
        #expect(await waiter.renewedWaits > 0)
        try await lock.release()
        try await waiting.value
    }

    /// On a server of its own: where other databases have transactions open, both snapshots may be as old as those.
    @Test("a wait with an old snapshot keeps its place while another session has an older one", .server(), arguments: Wait.allCases)
    func notTheOldest(wait: Wait) async throws {
        let database = try TestDatabase.get()
        let holder = try database.manager()
        let waiter = try database.manager {
            $0.lookInterval = .milliseconds(50)
            $0.longWait = .milliseconds(50)
            $0.oldestSnapshot = 1000
        }
        let lock = try await holder.acquire("nightly")
        let waiting = try await holder.withTransaction { report in
            try await report.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            _ = try await report.query("SELECT 1")
            try await database.query("SELECT txid_current()")
            let waiting = Task { try await wait.run(waiter, "nightly") {} }
            try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
            try await database.query(Self.beginTransactions)
            let looks = await waiter.lookCount
            try await database.eventually("the server is asked") { await waiter.lookCount >= looks + 3 }
            #expect(await waiter.renewedWaits == 0)
            return waiting
        }
        try await database.eventually("it is renewed") { await waiter.renewedWaits > 0 }
        try await lock.release()
        try await waiting.value
    }

    @Test("a wait keeps its place while a new snapshot would be as old, since a transaction is open", .server())
    func openTransaction() async throws {
        let database = try TestDatabase.get()
        let holder = try database.manager()
        let waiter = try database.manager {
            $0.lookInterval = .milliseconds(50)
            $0.longWait = .milliseconds(50)
            $0.oldestSnapshot = 1000
        }
        let lock = try await holder.acquire("nightly")
        let waiting = try await holder.withTransaction { open in
            _ = try await open.query("SELECT txid_current()")
            let waiting = Task { try await waiter.withLock("nightly") { _ in } }
            try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
            try await database.query(Self.beginTransactions)
            let looks = await waiter.lookCount
            try await database.eventually("the server is asked") { await waiter.lookCount >= looks + 3 }
            #expect(await waiter.renewedWaits == 0)
            return waiting
        }
        try await database.eventually("it is renewed") { await waiter.renewedWaits > 0 }
        try await lock.release()
        try await waiting.value
    }

    @Test(
        "a wait that holds up no other statement keeps its place in the queue, however often the server is asked",
        .database,
        arguments: Wait.allCases
    )
    func harmless(wait: Wait) async throws {
        let database = try TestDatabase.get()
        let holder = try database.manager()
        let waiter = try database.manager { $0.lookInterval = .milliseconds(10) }
        let lock = try await holder.acquire("nightly")
        let waiting = Task { try await wait.run(waiter, "nightly") {} }
        try await database.eventually("the server is asked") { await waiter.lookCount >= 5 }
        try await lock.release()
        try await waiting.value
        #expect(await waiter.renewedWaits == 0)
    }

    @Test("a wait that is renewed still ends by its deadline, and when its task is cancelled", .database, arguments: Wait.allCases)
    func limits(wait: Wait) async throws {
        let database = try TestDatabase.get()
        let holder = try database.manager()
        let waiter = try database.manager { $0.lookInterval = .milliseconds(10) }
        try await database.query("CREATE TABLE t (i int); INSERT INTO t SELECT generate_series(1, 100)")
        let lock = try await holder.acquire("deploy")
        let waiting = Task { try await wait.run(waiter, "deploy") {} }
        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
        try await database.query("CREATE INDEX CONCURRENTLY i ON t (i)")
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        try await database.eventually("no wait is left") { try await database.locks(granted: false) == 0 }
        try await endsByDeadline(wait, waiter, database)
        try await lock.release()
    }

    /// On a busy machine a wait may have ended before it was seen on the server. Then a longer one is begun.
    private func endsByDeadline(_ wait: Wait, _ waiter: LockManager, _ database: TestDatabase) async throws {
        var limit = Duration.seconds(3)
        var isSeen = false
        while !isSeen, limit < .seconds(300) {
            let hasEnded = Locked(false)
            let limited = Task { [limit] in
                defer { hasEnded.withLock { $0 = true } }
                try await wait.run(waiter, "deploy", timeout: limit) {}
            }
            try await database.eventually("it waits again, or has ended") {
                isSeen = try await database.locks(granted: false) == 1
                return isSeen || hasEnded.withLock { $0 }
            }
            try await database.query("REINDEX INDEX CONCURRENTLY i")
            let error = await #expect(throws: LockError.self) { try await limited.value }
            if isSeen { #expect(error?.code == .timedOut, "\(String(describing: error))") }
            limit *= 4
        }
        #expect(isSeen, "otherwise nothing was tried")
    }
}
