import CoreMetrics
import MetricsTestKit
import Testing

@testable import PostgresLock

/// The metrics that callers record.
@Suite("Metrics of calls", .database)
struct CallMetricsTests {
    private static let wait = "pglock.wait.duration"
    private static let hold = "pglock.hold.duration"
    private static let handoff = "pglock.handoff.duration"

    private let metrics = TestMetrics()

    private func manager(_ configure: (inout LockManager.Configuration) -> Void = { _ in }) throws -> LockManager {
        try TestDatabase.get().manager {
            $0.metrics.factory = metrics
            $0.metrics.name = "test"
            configure(&$0)
        }
    }

    private func waits(_ kind: String, _ outcome: String) -> Int {
        metrics.times(Self.wait, ("pglock.kind", kind), ("pglock.outcome", outcome)).count
    }

    private func holds(_ kind: String) -> Int { metrics.times(Self.hold, ("pglock.kind", kind)).count }

    @Test("the wait for a lock and the time for which it was held are recorded under the caller's name, and nowhere under the key")
    func waitAndHold() async throws {
        let locks = try manager().observed(as: "order")
        try await locks.withLock("secret-4711") { _ in try await Task.sleep(for: .milliseconds(20)) }
        let timers = metrics.timers.filter { $0.label == Self.wait }
        let timer = try #require(timers.first)
        #expect(timers.count == 1)
        #expect(timer.values.count == 1)
        #expect(timer.displayUnit == .seconds)
        #expect(
            Dictionary(uniqueKeysWithValues: timer.dimensions) == [
                "db.client.connection.pool.name": "test", "pglock.kind": "lock", "pglock.outcome": "granted", "pglock.name": "order",
            ]
        )
        let held = metrics.times(Self.hold, ("pglock.kind", "lock"), ("pglock.name", "order"))
        #expect(held.count == 1)
        #expect(held.allSatisfy { $0 >= 20_000_000 && $0 < 60_000_000_000 })
        #expect(metrics.dimensionValues.allSatisfy { !$0.contains("secret") && !$0.contains("4711") })
    }

    @Test("the time for which a handle was held is recorded once, by its release or by its drop")
    func handles() async throws {
        let locks = try manager()
        let handle = try await locks.acquire("a")
        #expect(holds("lock") == 0)
        let copy = handle.copyable()
        try await copy.release()
        try await copy.release()
        #expect(holds("lock") == 1)
        _ = try await locks.acquire("b")
        #expect(holds("lock") == 2)
    }

    @Test("the time for which a lock was held that is lost is recorded once")
    func lost() async throws {
        let locks = try manager()
        let database = try TestDatabase.get()
        let error = await lockError {
            try await locks.withLock("a") { lock in
                try await database.endSessions(holding: "a")
                _ = await lock.waitForEnd()
            }
        }
        #expect(error?.code == .lockLost)
        #expect(holds("lock") == 1)
    }

    @Test("a wait that ends without the lock is recorded with its outcome")
    func outcomes() async throws {
        let locks = try manager { $0.capacity = .keys(3) }
        let held = try await locks.acquire("a")
        let isFree = try await locks.isFree("a")
        #expect(!isFree)
        _ = await lockError { try await locks.withLock("a", timeout: .zero) { _ in } }
        _ = try await locks.withLockIfAvailable("a") { _ in }
        #expect(waits("lock", "not_available") == 3)
        await expectTimedOut { _ = try await locks.acquire("a", timeout: $0) }
        #expect(waits("lock", "timed_out") == 1)
        let waiting = Task { _ = try await locks.acquire("a") }
        try await TestDatabase.get().eventually("it waits") { await locks.waitingCount == 1 }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        #expect(waits("lock", "cancelled") == 1)
        let set = try await locks.acquire(all: [.exclusive("b"), .exclusive("c")])
        #expect(await lockError { _ = try await locks.acquire("d") }?.code == .capacity)
        #expect(waits("lock", "capacity") == 1)
        #expect(await lockError { _ = try await locks.acquire("") }?.code == .invalidArgument)
        #expect(metrics.times(Self.wait, ("pglock.outcome", "error"), ("error.type", "invalidArgument")).count == 1)
        #expect(waits("lock", "granted") == 1)
        try await held.release()
        try await set.release()
    }

    /// A call of each kind that does not wait, for the key "a".
    enum Attempt: CaseIterable, CustomTestStringConvertible {
        case lock, oneOfSeveral, set, transaction, sessionLock, transactionLock

        var testDescription: String { "\(self)" }

        var kind: String {
            switch self {
            case .lock, .oneOfSeveral: "lock"
            case .set: "lock_set"
            case .transaction: "transaction"
            case .sessionLock: "session_lock"
            case .transactionLock: "transaction_lock"
            }
        }

        func run(on locks: LockManager) async throws {
            switch self {
            case .lock: try await locks.withLock("a", timeout: .zero) { _ in }
            case .oneOfSeveral: try await locks.withLock(anyOf: ["a"], timeout: .zero) { _ in }
            case .set: try await locks.withLocks([.exclusive("a"), .shared("b")], timeout: .zero) { _ in }
            case .transaction: try await locks.withTransaction(locking: "a", timeout: .zero) { _ in }
            case .sessionLock: try await locks.withSession { try await $0.withLock("a", timeout: .zero) { _ in } }
            case .transactionLock: try await locks.withTransaction { try await $0.acquire("a", timeout: .zero) }
            }
        }
    }

    @Test("a call of any kind that does not wait, for a lock that is taken, is recorded as not available", arguments: Attempt.allCases)
    func tries(_ call: Attempt) async throws {
        let (locks, other) = (try manager(), try TestDatabase.get().manager())
        let blocker = try await other.acquire("a").copyable()
        let error = await lockError { try await call.run(on: locks) }
        #expect(error?.code == .timedOut)
        #expect(waits(call.kind, "not_available") == 1)
        #expect(metrics.times(Self.wait, ("pglock.kind", call.kind)).count == 1)
        try await blocker.release()
    }

    @Test(
        "a call of any kind, of a task that was cancelled before, is recorded as cancelled",
        arguments: [Attempt.lock, .oneOfSeveral, .set, .transaction]
    )
    func cancelledBefore(_ call: Attempt) async throws {
        let locks = try manager()
        let gate = AsyncGate()
        let task = Task {
            await gate.passed()
            try await call.run(on: locks)
        }
        task.cancel()
        gate.open()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(waits(call.kind, "cancelled") == 1)
        #expect(metrics.times(Self.wait).count == 1)
    }

    @Test("a call that is refused before it begins is recorded as an error", arguments: [Attempt.lock, .oneOfSeveral, .set, .transaction])
    func refusedBefore(_ call: Attempt) async throws {
        let locks = try manager()
        let error = await lockError {
            try await locks.withLock("a") { _ in try await call.run(on: locks) }
        }
        #expect(error?.code == .alreadyHeld)
        let refused = metrics.times(Self.wait, ("pglock.kind", call.kind), ("pglock.outcome", "error"), ("error.type", "alreadyHeld"))
        #expect(refused.count == 1)
    }

    @Test("sets, sessions, transactions and the locks inside them are recorded under kinds of their own")
    func kinds() async throws {
        let locks = try manager()
        try await locks.withLocks([.exclusive("a"), .shared("b")]) { _ in }
        try await locks.withSession { session in
            try await session.withLock("a") { _ in }
            try await session.acquire("b")
        }
        try await locks.withTransaction(locking: "a") { transaction in
            try await transaction.acquire("b")
            #expect(try await transaction.tryAcquire("c"))
        }
        #expect(waits("lock_set", "granted") == 1)
        #expect(holds("lock_set") == 1)
        #expect(waits("session", "granted") == 1)
        #expect(holds("session") == 1)
        #expect(waits("session_lock", "granted") == 2)
        #expect(holds("session_lock") == 1)
        #expect(waits("transaction", "granted") == 1)
        #expect(holds("transaction") == 1)
        #expect(waits("transaction_lock", "granted") == 2)
        #expect(waits("lock", "granted") == 0)
    }

    @Test("a wait that PostgreSQL's deadlock detector fails is recorded as a deadlock")
    func deadlock() async throws {
        let database = try TestDatabase.get()
        let locks = try manager()
        @Sendable func cross(_ first: LockKey, _ second: LockKey) async throws {
            try await locks.withSession { session in
                try await session.acquire(first)
                try await database.eventually("both hold their first") { try await database.locks() == 2 }
                try await session.acquire(second)
            }
        }
        let tasks = [Task { try await cross("a", "b") }, Task { try await cross("b", "a") }]
        var failures: [any Error] = []
        for task in tasks {
            if case .failure(let error) = await task.result { failures.append(error) }
        }
        #expect(failures.map { ($0 as? LockError)?.code } == [.deadlock])
        #expect(waits("session_lock", "deadlock") == 1)
    }

    @Test("a lock that is handed off inside the process records how long that took, and one that comes from the server does not")
    func handoff() async throws {
        let (locks, other) = (try manager(TestDatabase.unlimitedHandoff), try TestDatabase.get().manager())
        let held = try await locks.acquire("a")
        let waiting = Task { try await locks.withLock("a") { _ in } }
        try await TestDatabase.get().eventually("it waits") { await locks.waitingCount == 1 }
        try await held.release()
        try await waiting.value
        #expect(metrics.times(Self.handoff, ("pglock.kind", "lock")).count == 1)
        let foreign = try await other.acquire("b")
        let foreignWait = Task { try await locks.withLock("b") { _ in } }
        try await TestDatabase.get().eventually("it waits") { await locks.waitingCount == 1 }
        try await foreign.release()
        try await foreignWait.value
        #expect(metrics.times(Self.handoff).count == 1)
    }

    @Test("beyond a hundred names of a manager, calls under further names are recorded without a name")
    func names() async throws {
        let locks = try manager()
        for number in 0..<Telemetry.nameLimit + 5 {
            try await locks.observed(as: "name \(number)").withLock("a") { _ in }
        }
        let timers = metrics.timers.filter { $0.label == Self.wait }
        #expect(timers.count { $0.dimensions.contains { $0.0 == "pglock.name" } } == Telemetry.nameLimit)
        #expect(timers.filter { !$0.dimensions.contains { $0.0 == "pglock.name" } }.flatMap(\.values).count == 5)
    }

    @Test("without a backend for metrics and spans, and without a logger of the caller's, no call is observed")
    func off() async throws {
        let locks = try TestDatabase.get().manager()
        #expect(locks.observation == nil)
        #expect(locks.observed(as: "order").observation == nil)
        #expect(await locks.driver.recordsNothing)
        let handle = try await locks.acquire("a")
        let observed = handle.lock.state.observed
        #expect(observed == nil)
        try await handle.release()
    }
}

extension LockDriver {
    /// Whether the manager records no metrics of its own.
    fileprivate var recordsNothing: Bool { reports == nil }
}
