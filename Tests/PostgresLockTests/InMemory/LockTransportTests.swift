import PostgresLock
import Testing

@testable import LockCore
@testable import LockSimulation

@Suite("Lock managers over a transport that is not libpq", .timeLimit(.minutes(5)))
struct LockTransportTests {
    private static let key: LockKey = "a"

    // MARK: Locks

    @Test("a lock that a manager holds is not given to another manager of the same server")
    func exclusion() async throws {
        try await withManagers { server, locks, other in
            try await locks.withLock(Self.key) { lock in
                #expect(lock.isHeld)
                #expect(await server.holders(of: Self.key) == 1)
                let isFree = try await other.isFree(Self.key)
                #expect(!isFree)
            }
            #expect(try await other.isFree(Self.key))
        }
    }

    @Test("a wait in the server's queue is granted when the holder releases the lock")
    func wait() async throws {
        try await withManagers { server, locks, other in
            let held = try await locks.acquire(Self.key)
            let waiting = Task { try await other.withLock(Self.key) { $0.isHeld } }
            #expect(await server.hasWaiting(1))
            try await held.release()
            #expect(try await waiting.value)
        }
    }

    @Test("a wait that has timed out leaves nothing behind")
    func timeout() async throws {
        try await withManagers { server, locks, other in
            let held = try await locks.acquire(Self.key)
            await expectTimedOut { _ = try await other.acquire(Self.key, timeout: $0) }
            #expect(await server.hasWaiting(0))
            try await held.release()
            #expect(await server.reaches { $0.holders(of: Self.key.advisory).isEmpty })
            #expect(try await locks.isFree(Self.key))
        }
    }

    @Test("a wait that is cancelled leaves nothing behind")
    func cancellation() async throws {
        try await withManagers { server, locks, other in
            let held = try await locks.acquire(Self.key)
            let waiting = Task { _ = try await other.acquire(Self.key) }
            #expect(await server.hasWaiting(1))
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            #expect(await server.hasWaiting(0))
            try await held.release()
            #expect(try await locks.isFree(Self.key))
        }
    }

    @Test("managers share a lock, which excludes one that wants it alone")
    func sharing() async throws {
        try await withManagers { server, locks, other in
            let first = try await locks.acquire(Self.key, mode: .shared)
            let second = try await other.acquire(Self.key, mode: .shared)
            #expect(await server.holders(of: Self.key) == 2)
            let third = Task { try await locks.withLock(Self.key) { _ in await server.holders(of: Self.key) } }
            #expect(try await other.isFree(Self.key) == false)
            try await first.release()
            #expect(await server.hasWaiting(1))
            try await second.release()
            #expect(try await third.value == 1)
        }
    }

    @Test("the mode of a held lock changes, unless another manager shares it")
    func modes() async throws {
        try await withManagers { server, locks, other in
            let lock = try await locks.acquire(Self.key)
            try await lock.downgrade()
            let second = try await other.acquire(Self.key, mode: .shared)
            let isAlone = try await lock.tryUpgrade()
            #expect(!isAlone)
            try await second.release()
            #expect(await server.reaches { $0.holders(of: Self.key.advisory).count == 1 })
            let isUpgraded = try await lock.tryUpgrade()
            #expect(isUpgraded)
            #expect(try await other.isFree(Self.key, mode: .shared) == false)
            try await lock.release()
        }
    }

    @Test("several locks are taken all together or not at all")
    func sets() async throws {
        try await withManagers { server, locks, other in
            let requests = ["a", "b", "c"].map { LockRequest.exclusive(LockKey($0)) }
            try await locks.withLocks(requests) { _ in
                let isRefused = try await other.tryAcquire(all: [.shared("c"), .shared("d")]) == nil
                #expect(isRefused)
                #expect(try await other.isFree("d"))
            }
            #expect(await server.reaches { $0.lockedKeys.isEmpty })
        }
    }

    @Test("fencing tokens grow from one manager to the next")
    func tokens() async throws {
        var configuration = LockManager.Configuration()
        configuration.fencingTokens = true
        try await withManagers(configuration) { server, locks, other in
            var tokens: [FencingToken] = []
            for _ in 0..<3 {
                for manager in [locks, other] {
                    try await manager.withLock(Self.key) { tokens.append(try #require($0.fencingToken)) }
                    try await manager.withSession { session in
                        try await session.withLock(Self.key) { tokens.append(try #require($0.fencingToken)) }
                    }
                }
            }
            #expect(tokens == tokens.sorted() && Set(tokens).count == tokens.count)
        }
    }

    // MARK: Transactions and sessions

    @Test("a transaction holds its lock until its commit is confirmed")
    func commit() async throws {
        try await withManagers { server, locks, other in
            let value = try await locks.withTransaction(locking: Self.key) { transaction in
                #expect(try await other.isFree(Self.key) == false)
                return try await transaction.query("SELECT 1")[0].decode("n", as: Int.self)
            }
            #expect(value == 1)
            #expect(await server.look { $0.committedCount } == 1)
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
            #expect(await server.look { $0.committedCount } == 0)
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
            #expect(await server.look { $0.committedCount } == 1)
            let error = await lockError {
                try await locks.withTransaction(locking: Self.key) { try await $0.execute("MISTAKE") }
            }
            #expect(error?.sqlState == "22012")
            #expect(await server.look { $0.committedCount } == 1)
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
                    return await server.holders(of: "b")
                }
            }
            #expect(await server.hasWaiting(1))
            try await held.release()
            #expect(try await transaction.value == 1)
            #expect(await server.look { $0.lockedKeys.isEmpty })
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
                #expect(try await session.query("SELECT 1").count == 1)
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
            await server.endSessions()
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
                    await server.endSessions()
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
                    await server.endSessions()
                    #expect(await becomesCancelled())
                }
            }
            #expect(inTransaction?.code == .lockLost)
            let inSession = await lockError {
                try await locks.withSession { session in
                    try await session.acquire(Self.key)
                    await server.endSessions()
                    #expect(await becomesCancelled())
                }
            }
            #expect(inSession?.code == .lockLost)
            #expect(await server.look { $0.committedCount } == 0)
        }
    }

    @Test("a wait whose session is lost goes on, and is granted on another session")
    func lossOfWait() async throws {
        try await withManagers { server, locks, other in
            let held = try await locks.acquire(Self.key)
            let view = held.lock
            let waiting = Task { try await other.withLock(Self.key) { $0.isHeld } }
            #expect(await server.hasWaiting(1))
            await server.endSessions()
            #expect(await view.waitForEnd()?.code == .lockLost)
            #expect(try await waiting.value)
        }
    }

    @Test("a server that can't be reached and one that refuses the login lead to different errors")
    func cannotConnect() async throws {
        var configuration = LockManager.Configuration()
        configuration.timeouts.unreachable = .milliseconds(500)
        try await withManagers(configuration) { server, locks, _ in
            await server.refuse(Failure(.unreachable, "Connection refused."))
            var error = await lockError { _ = try await locks.acquire(Self.key) }
            #expect(error?.code == .cannotConnect)
            #expect(error?.message.contains("Connection refused.") == true)
            error = await lockError { try await locks.withTransaction { _ in } }
            #expect(error?.code == .cannotConnect)
            await server.refuse(Failure(.authentication, "Wrong password.", sqlState: "28P01"))
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
        try await withManagers(on: ServerInMemory(lockTableSize: 64)) { server, locks, _ in
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
        let server = ServerInMemory()
        do {
            let locks = try server.manager()
            try await locks.withLock(Self.key) { #expect($0.isHeld) }
            #expect(await server.look { !$0.sessions.isEmpty })
        }
        await server.expectNothingLeft()
    }

    // MARK: Managers

    /// Runs the body with two managers of one server, and looks afterwards whether they have left anything behind.
    private func withManagers(
        _ configuration: LockManager.Configuration = .init(),
        on server: ServerInMemory = ServerInMemory(),
        _ body: (ServerInMemory, LockManager, LockManager) async throws -> Void
    ) async throws {
        let (locks, other) = (try server.manager(configuration), try server.manager(configuration))
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
