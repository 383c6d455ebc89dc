import PostgresLock
import PostgresLockTesting
import Testing

/// What users' tests can provoke, by the public interface.
@Suite("Faults of a server in memory")
struct InMemoryFaultTests {
    private let server = InMemoryLockServer()

    // MARK: Sessions end

    @Test("ending the sessions of one manager takes its locks, and no other manager's")
    func oneManager() async throws {
        let (locks, other) = (try server.makeManager(), try server.makeManager())
        let lost = try await locks.acquire("a")
        let view = lost.lock
        let kept = try await other.acquire("b")
        #expect(server.endSessions(of: locks) >= 1)
        #expect(!server.isHeld("a") && server.isHeld("b"))
        #expect(await view.waitForEnd()?.code == .lockLost)
        let isHeld = kept.isHeld
        #expect(isHeld)
        try await kept.release()
    }

    @Test("a view of a manager stands for the manager")
    func view() async throws {
        let locks = try server.makeManager()
        let view = locks.observed(as: "order")
        let lost = try await locks.acquire("a")
        let lock = lost.lock
        #expect(server.endSessions(of: view) >= 1)
        #expect(await lock.waitForEnd()?.code == .lockLost)
    }

    @Test("ending the session of one lock takes no lock that another session of the same manager holds")
    func oneLock() async throws {
        let (locks, other) = (try server.makeManager(), try server.makeManager())
        let taken = try await other.acquire("b")
        async let waiting = locks.acquire("b").copyable()
        try await server.waitUntilQueued(for: "b")
        try await taken.release()
        let first = try await locks.acquire("a")
        let second = try await waiting
        let view = second.lock
        #expect(server.endSessions(holding: "b") == 1)
        #expect(await view.waitForEnd()?.keys == ["b"])
        let isHeld = first.isHeld
        #expect(isHeld)
        #expect(server.endSessions(holding: "nothing") == 0)
        try await first.release()
    }

    @Test("a session that ends while it waits leaves the queue, and its manager waits anew")
    func endOfWait() async throws {
        let (locks, other) = (try server.makeManager(), try server.makeManager())
        let held = try await locks.acquire("a")
        let waiting = Task { try await other.withLock("a") { $0.isHeld } }
        try await server.waitUntilQueued(for: "a")
        // So that the next wait does not begin before the look.
        server.refuseConnections()
        #expect(server.endSessions(of: other) >= 1)
        #expect(server.waitingCount(for: "a") == 0)
        server.acceptConnections()
        try await held.release()
        #expect(try await waiting.value)
    }

    @Test("a server that is stopped loses all locks and accepts no connection, until it is resumed")
    func stop() async throws {
        var configuration = LockManager.Configuration()
        configuration.timeouts.unreachable = .milliseconds(100)
        let locks = try server.makeManager(configuration: configuration)
        let lost = try await locks.acquire("a")
        let view = lost.lock
        server.stop()
        #expect(await view.waitForEnd()?.code == .lockLost)
        #expect(server.sessionCount == 0)
        #expect(await lockError { try await locks.withLock("a") { _ in } }?.code == .cannotConnect)
        server.resume()
        // With a timeout, since the limit for an unreachable server is short.
        #expect(try await locks.withLock("a", timeout: .seconds(60)) { $0.isHeld })
    }

    @Test(
        "refused connections lead to the error of their reason",
        arguments: [
            (ConnectionRefusal.unreachable, LockError.Code.cannotConnect), (.wrongPassword, .authenticationFailed),
            (.tooManyConnections, .tooManyConnections), (.standby, .notPrimary),
        ]
    )
    func refusal(_ refusal: ConnectionRefusal, _ code: LockError.Code) async throws {
        var configuration = LockManager.Configuration()
        configuration.timeouts.unreachable = .milliseconds(100)
        let locks = try server.makeManager(configuration: configuration)
        server.refuseConnections(refusal)
        #expect(await lockError { try await locks.withLock("a") { _ in } }?.code == code)
        server.acceptConnections()
        #expect(try await locks.withLock("a", timeout: .seconds(60)) { $0.isHeld })
        // What is open stays open.
        server.refuseConnections(refusal)
        #expect(try await locks.withLock("a") { $0.isHeld })
    }

    // MARK: Silence and delay

    @Test("while the server does not answer, a call ends with noAnswer at its timeout, and goes on when the server answers again")
    func silence() async throws {
        let locks = try server.makeManager()
        try await locks.withLock("a") { _ in }
        server.stopAnswering()
        #expect(await lockError { try await locks.withLock("a", timeout: .milliseconds(50)) { _ in } }?.code == .noAnswer)
        let waiting = Task { try await locks.withLock("b") { $0.isHeld } }
        let (late, silent) = (try server.makeManager(), ContinuousClock.now)
        #expect(await lockError { try await late.withLock("a", timeout: .milliseconds(50)) { _ in } }?.code == .noAnswer)
        #expect(ContinuousClock.now - silent >= .milliseconds(50))
        server.resumeAnswering()
        #expect(try await waiting.value)
        #expect(try await late.withLock("a") { $0.isHeld })
    }

    @Test("a manager that is cut off does not disturb the others")
    func cutOff() async throws {
        // A silence within the lease takes nothing, however long this process has to wait for the processor.
        var configuration = LockManager.Configuration()
        configuration.lease = .seconds(600)
        let (locks, other) = (try server.makeManager(configuration: configuration), try server.makeManager())
        let held = try await locks.acquire("a").copyable()
        server.stopAnswering(locks)
        #expect(try await other.withLock("b") { $0.isHeld })
        #expect(try await !other.isFree("a"))
        let release = Task { try await held.release() }
        #expect(server.isHeld("a"))
        server.resumeAnswering(locks)
        try await release.value
        #expect(!server.isHeld("a"))
    }

    @Test("delayed answers come in their order, and the lock is held at the server meanwhile")
    func delay() async throws {
        let locks = try server.makeManager()
        try await locks.withLock("a") { _ in }
        server.delayAnswers(by: .milliseconds(100))
        let start = ContinuousClock.now
        let acquiring = Task { try await locks.acquire("a").copyable() }
        while !server.isHeld("a") { await Task.yield() }
        server.delayAnswers(by: .zero)
        let held = try await acquiring.value
        #expect(ContinuousClock.now - start >= .milliseconds(100))
        try await held.release()
    }

    // MARK: No room

    @Test("a full lock table refuses locks that are not held already, until it is emptied")
    func full() async throws {
        let locks = try server.makeManager()
        let held = try await locks.acquire("a")
        server.fillLockTable()
        #expect(await lockError { try await locks.withLock("b") { _ in } }?.code == .lockTableFull)
        try await held.release()
        server.emptyLockTable()
        #expect(try await locks.withLock("b") { $0.isHeld })
    }

    @Test("in a full lock table there is room to share, and to wait for, what is held already")
    func fullForOthers() async throws {
        let (locks, other) = (try server.makeManager(), try server.makeManager())
        let held = try await locks.acquire("a", mode: .shared)
        server.fillLockTable()
        #expect(try await other.isFree("a", mode: .shared))
        let waiting = Task { try await other.withLock("a") { $0.isHeld } }
        try await server.waitUntilQueued(for: "a")
        try await held.release()
        #expect(try await waiting.value)
        server.emptyLockTable()
    }

    @Test("of a small lock table a manager takes no more than its part")
    func small() async throws {
        let locks = try InMemoryLockServer(lockTableSize: 64).makeManager()
        let handles = try await locks.acquire(all: (0..<20).map { .exclusive(LockKey("\($0)")) })
        let error = await lockError { _ = try await locks.acquire(all: (20..<60).map { .exclusive(LockKey("\($0)")) }) }
        #expect(error?.code == .capacity)
        try await handles.release()
    }

    // MARK: Transactions and SQL

    @Test("SQL of a body is refused by an error that names EphemeralPostgres, and takes the transaction's lock with it")
    func sql() async throws {
        let locks = try server.makeManager()
        for body: @Sendable () async throws -> Void in [
            { try await locks.withTransaction(locking: "a") { _ = try await $0.execute("UPDATE accounts SET balance = 0") } },
            { try await locks.withSession { _ = try await $0.query("SELECT 1") } },
        ] {
            let error = await lockError { try await body() }
            #expect(error?.code == .statementFailed)
            #expect(error?.sqlState == "0A000")
            #expect(error?.message.contains("EphemeralPostgres") == true, "\(String(describing: error))")
        }
        #expect(!server.isHeld("a"))
    }

    @Test("locks of transactions exclude those of managers, and are released with their transaction")
    func transactions() async throws {
        let (transactions, locks) = (try server.makeTransactionManager(), try server.makeManager())
        try await transactions.withTransaction(locking: "a") { transaction async throws in
            #expect(try await transaction.tryAcquire("b"))
            #expect(try await !locks.isFree("a"))
            #expect(try await !locks.isFree("b"))
        }
        #expect(!server.isHeld("a") && !server.isHeld("b"))
        await transactions.shutdown()
        await locks.shutdown()
        #expect(server.sessionCount == 0)
    }

    // MARK: Looking

    @Test("the counts of holders and of waiting managers are those of the server")
    func counts() async throws {
        let managers = try (0..<3).map { _ in try server.makeManager() }
        let first = try await managers[0].acquire("a", mode: .shared)
        let second = try await managers[1].acquire("a", mode: .shared)
        #expect(server.holderCount(of: "a") == 2)
        #expect(server.waitingCount(for: "a") == 0)
        // Two tasks of one manager, which asks the server once.
        async let one: Void = managers[2].withLock("a") { _ in }
        async let two: Void = managers[2].withLock("a") { _ in }
        try await server.waitUntilQueued(for: "a")
        #expect(server.waitingCount(for: "a") == 1)
        try await first.release()
        try await second.release()
        _ = try await (one, two)
        #expect(!server.isHeld("a"))
    }

    @Test("a task that waits until a lock is queued for ends by cancellation")
    func cancelledWait() async throws {
        let waiting = Task { [server] in try await server.waitUntilQueued(for: "a") }
        for _ in 0..<10 { await Task.yield() }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        let cancelled = Task { [server] in
            withUnsafeCurrentTask { $0?.cancel() }
            try await server.waitUntilQueued(for: "a")
        }
        await #expect(throws: CancellationError.self) { try await cancelled.value }
    }

    @Test("a manager that is released without a shutdown ends its sessions")
    func release() async throws {
        do {
            let locks = try server.makeManager()
            try await locks.withLock("a") { #expect($0.isHeld) }
            #expect(server.sessionCount == 1)
        }
        while server.sessionCount > 0 { await Task.yield() }
    }
}
