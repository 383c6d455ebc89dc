import PostgresLock
import Testing

@testable import LockCore
@testable import LockServerModel
@testable import PostgresLockTesting

@Suite("Lock managers of a server in memory")
struct InMemoryLockServerTests {
    private static let key: LockKey = "a"

    // MARK: Transactions and sessions

    @Test("a transaction holds its lock until its commit is confirmed")
    func commit() async throws {
        try await withManagers { server, locks, other in
            try await locks.withTransaction(locking: Self.key) { transaction in
                #expect(try await other.isFree(Self.key) == false)
                try await transaction.execute("SELECT 1")
            }
            #expect(server.commitCount == 1)
            #expect(try await other.isFree(Self.key))
        }
    }

    @Test("a transaction whose body throws is rolled back, and its lock is released")
    func rollBack() async throws {
        struct Mistake: Error {}
        try await withManagers { server, locks, other in
            await #expect(throws: Mistake.self) {
                try await locks.withTransaction(locking: Self.key) { transaction in
                    try await transaction.execute("SELECT 1")
                    throw Mistake()
                }
            }
            #expect(server.commitCount == 0)
            let isFree = try await other.isFree(Self.key)
            #expect(isFree)
        }
    }

    @Test("an error behind a savepoint keeps the transaction's lock, and an error without a savepoint releases it")
    func savepoints() async throws {
        try await withManagers { server, locks, other in
            try await locks.withTransaction(locking: Self.key) { transaction in
                try await transaction.execute("SAVEPOINT one")
                let error = await lockError { try await transaction.execute("MISTAKE") }
                #expect(error?.sqlState == "22012")
                try await transaction.execute("ROLLBACK TO SAVEPOINT one")
                #expect(try await other.isFree(Self.key) == false)
            }
            #expect(server.commitCount == 1)
            let error = await lockError {
                try await locks.withTransaction(locking: Self.key) { try await $0.execute("MISTAKE") }
            }
            #expect(error?.sqlState == "22012")
            #expect(server.commitCount == 1)
            #expect(try await other.isFree(Self.key))
        }
    }

    @Test("a transaction waits for a further lock, and releases both with its end")
    func furtherLock() async throws {
        try await withManagers { server, locks, other in
            let held = try await other.acquire("b")
            let transaction = Task {
                try await locks.withTransaction(locking: Self.key) { transaction in
                    #expect(try await transaction.tryAcquire("b") == false)
                    try await transaction.acquire("b")
                    return server.holderCount(of: "b")
                }
            }
            #expect(await server.hasWaiting(1))
            try await held.release()
            #expect(try await transaction.value == 1)
            #expect(server.look { $0.lockedKeys.isEmpty })
        }
    }

    @Test("cancelling the task cancels what its transaction runs")
    func runningStatement() async throws {
        try await withManagers { server, locks, other in
            let sleeping = Task {
                try await locks.withTransaction(locking: Self.key) { try await $0.execute("SLEEP") }
            }
            #expect(await server.wasAsked { if case .statement = $0 { true } else { false } })
            sleeping.cancel()
            await #expect(throws: CancellationError.self) { try await sleeping.value }
            let isFree = try await other.isFree(Self.key)
            #expect(isFree)
        }
    }

    @Test("a session holds several locks, releases one, and all with its end")
    func sessionLocks() async throws {
        try await withManagers { server, locks, other in
            try await locks.withSession { session in
                try await session.acquire(Self.key)
                try await session.withLock("b", mode: .shared) { _ in
                    let isFree = try await other.isFree(Self.key)
                    #expect(!isFree)
                    let isShared = try await other.isFree("b", mode: .shared)
                    #expect(isShared)
                    let isAlone = try await other.isFree("b")
                    #expect(!isAlone)
                }
                #expect(try await other.isFree("b"))
                try await session.execute("SELECT 1")
                let taken = try await other.acquire("c")
                await expectTimedOut { try await session.acquire("c", timeout: $0) }
                try await taken.release()
                try await session.release(Self.key)
                #expect(try await other.isFree(Self.key))
                try await session.acquire("d")
            }
            #expect(try await other.isFree("d"))
        }
    }

    // MARK: Faults

    @Test("the holder is told when its session is gone, and the manager goes on with another session")
    func loss() async throws {
        try await withManagers { server, locks, _ in
            let lock = try await locks.acquire(Self.key)
            let view = lock.lock
            server.endSessions()
            #expect(await view.waitForEnd()?.code == .lockLost)
            #expect(!view.isHeld)
            do {
                try await lock.release()
                Issue.record("A lock that was lost is released.")
            } catch let error as LockError {
                #expect(error.code == .lockLost)
            }
            let error = await lockError {
                try await locks.withLock(Self.key) { _ in
                    server.endSessions()
                    #expect(await becomesCancelled())
                }
            }
            #expect(error?.code == .lockLost)
            #expect(try await locks.isFree(Self.key))
        }
    }

    @Test("a transaction and a session are told when their session is gone")
    func lossOfScopes() async throws {
        try await withManagers { server, locks, other in
            let inTransaction = await lockError {
                try await locks.withTransaction(locking: Self.key) { _ in
                    server.endSessions()
                    #expect(await becomesCancelled())
                }
            }
            #expect(inTransaction?.code == .lockLost)
            let inSession = await lockError {
                try await locks.withSession { session in
                    try await session.acquire(Self.key)
                    server.endSessions()
                    #expect(await becomesCancelled())
                }
            }
            #expect(inSession?.code == .lockLost)
            #expect(server.commitCount == 0)
        }
    }

    @Test("a wait whose session is lost goes on, and is granted on another session")
    func lossOfWait() async throws {
        try await withManagers { server, locks, other in
            let held = try await locks.acquire(Self.key)
            let view = held.lock
            let waiting = Task { try await other.withLock(Self.key) { $0.isHeld } }
            #expect(await server.hasWaiting(1))
            server.endSessions()
            #expect(await view.waitForEnd()?.code == .lockLost)
            #expect(try await waiting.value)
        }
    }

    @Test("a server that can't be reached and one that refuses the login lead to different errors")
    func cannotConnect() async throws {
        var configuration = LockManager.Configuration()
        configuration.timeouts.unreachable = .milliseconds(500)
        try await withManagers(configuration) { server, locks, _ in
            server.refuseConnections(.unreachable)
            var error = await lockError { _ = try await locks.acquire(Self.key) }
            #expect(error?.code == .cannotConnect)
            #expect(error?.message.contains("Connection refused.") == true)
            error = await lockError { try await locks.withTransaction { _ in } }
            #expect(error?.code == .cannotConnect)
            server.refuseConnections(.wrongPassword)
            error = await lockError { _ = try await locks.acquire(Self.key, timeout: .seconds(60)) }
            #expect(error?.code == .authenticationFailed)
        }
    }

    // MARK: Looking after waits and sessions

    @Test("the server is asked whether a wait holds up other sessions, and a session that holds a lock sends heartbeats")
    func questions() async throws {
        var configuration = LockManager.Configuration()
        configuration.lookInterval = .milliseconds(20)
        configuration.lease = .seconds(9)
        try await withManagers(configuration) { server, locks, other in
            let held = try await locks.acquire(Self.key)
            let waiting = Task { try await other.withLock(Self.key) { $0.isHeld } }
            #expect(await server.wasAsked { if case .look = $0 { true } else { false } })
            #expect(await server.wasAsked { $0 == .heartbeat })
            #expect(held.lock.isHeld)
            try await held.release()
            #expect(try await waiting.value)
        }
    }

    @Test("before a manager fills the server's lock table, it asks how many locks there are")
    func capacity() async throws {
        try await withManagers(on: .understandingSQL(lockTableSize: 64)) { server, locks, _ in
            let handles = try await locks.acquire(all: (0..<20).map { .exclusive(LockKey("\($0)")) })
            #expect(await server.wasAsked { $0 == .countLocks })
            let error = await lockError { _ = try await locks.acquire(all: (20..<60).map { .exclusive(LockKey("\($0)")) }) }
            #expect(error?.code == .capacity)
            try await handles.release()
        }
    }

    // MARK: Ends

    @Test("a shutdown ends held locks, waiting calls and all sessions")
    func shutdown() async throws {
        try await withManagers { server, locks, other in
            let held = try await locks.acquire(Self.key)
            let view = held.lock
            let waiting = Task { await lockError { _ = try await other.acquire(Self.key) } }
            #expect(await server.hasWaiting(1))
            await other.shutdown(gracePeriod: .zero)
            #expect(await waiting.value?.code == .shutDown)
            #expect(await server.hasWaiting(0))
            #expect(view.isHeld)
            await locks.shutdown(gracePeriod: .zero)
            #expect(await view.waitForEnd()?.code == .lockLost)
            #expect(await server.reaches { $0.sessions.isEmpty })
            #expect(await lockError { _ = try await locks.acquire(Self.key) }?.code == .shutDown)
        }
    }

    @Test("a manager that is dropped without a shutdown ends its sessions")
    func letGo() async throws {
        let server = InMemoryLockServer.understandingSQL()
        do {
            let locks = try server.makeManager()
            try await locks.withLock(Self.key) { #expect($0.isHeld) }
            #expect(server.look { !$0.sessions.isEmpty })
        }
        await server.expectNothingLeft()
    }

    // MARK: Managers

    /// Runs the body with two managers of one server, and looks afterwards whether they have left anything behind.
    private func withManagers(
        _ configuration: LockManager.Configuration = .init(),
        on server: InMemoryLockServer = .understandingSQL(),
        _ body: (InMemoryLockServer, LockManager, LockManager) async throws -> Void
    ) async throws {
        let (locks, other) = (try server.makeManager(configuration: configuration), try server.makeManager(configuration: configuration))
        do {
            try await body(server, locks, other)
        } catch {
            Issue.record(error)
        }
        await locks.shutdown(gracePeriod: .zero)
        await other.shutdown(gracePeriod: .zero)
        await server.expectNothingLeft()
    }
}
