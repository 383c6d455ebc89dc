import CoreMetrics
import LibPQ
import LockCore
import MetricsTestKit
import Testing

@testable import PostgresLock

/// The metrics of a manager as a whole, which it reports by itself.
@Suite("Metrics of managers", .database)
struct ManagerMetricsTests {
    private static let terminate = """
        SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
        WHERE d.datname = current_database() AND l.locktype = 'advisory'
        """

    private let metrics = TestMetrics()

    private func manager(_ configure: (inout LockManager.Configuration) -> Void = { _ in }) throws -> LockManager {
        try TestDatabase.get().manager {
            $0.metrics.factory = metrics
            $0.metrics.interval = .milliseconds(5)
            configure(&$0)
        }
    }

    private func eventually(_ what: String, _ isTrue: nonisolated(nonsending) () async throws -> Bool) async throws {
        try await TestDatabase.get().eventually(what, isTrue)
    }

    @Test("held locks, waiting calls, connections, capacity and the time to connect are reported, and nothing is left after a shutdown")
    func counts() async throws {
        let locks = try manager {
            $0.capacity = .keys(50)
            $0.applicationName = "orders"
        }
        let pool = ("db.client.connection.pool.name", "orders")
        let handle = try await locks.acquire("a")
        let set = try await locks.acquire(all: [.exclusive("b"), .exclusive("c")])
        let waiting = Task { try await locks.withLock("a") { _ in } }
        try await locks.withTransaction(locking: "d") { transaction in
            try await transaction.acquire("e")
            try await eventually("five locks are held") { metrics.value("pglock.locks.held", pool) == 5 }
            try await eventually("one call waits") { metrics.value("pglock.calls.waiting", pool) == 1 }
            let used = ("db.client.connection.state", "used")
            try await eventually("two connections are used") { metrics.value("db.client.connection.count", used) == 2 }
        }
        #expect(metrics.value("db.client.connection.max", pool) == 8)
        try await eventually("three keys are taken") { metrics.value("pglock.capacity.used", pool) == 3 }
        #expect(metrics.value("pglock.capacity.limit", pool) == 50)
        // A report records its times last.
        try await eventually("two connections were timed") { metrics.times("db.client.connection.create_time", pool).count >= 2 }
        #expect(metrics.times("db.client.connection.create_time", pool).count == 2)
        #expect(metrics.times("db.client.connection.create_time").allSatisfy { $0 > 0 && $0 < 60_000_000_000 })
        try await handle.release()
        try await waiting.value
        try await set.release()
        try await eventually("a connection is idle") {
            metrics.value("db.client.connection.count", ("db.client.connection.state", "idle")) == 2
        }
        await locks.shutdown()
        #expect(metrics.value("pglock.locks.held", pool) == 0)
        #expect(metrics.value("db.client.connection.count", ("db.client.connection.state", "idle")) == 0)
    }

    private static let (waitTime, useTime) = ("db.client.connection.wait_time", "db.client.connection.use_time")
    private static let timeouts = "db.client.connection.timeouts"

    @Test("how long transactions and sessions wait for a connection, and how long they have it, is recorded once each; of locks it is not")
    func checkOuts() async throws {
        // One of the two is the shared one.
        let locks = try manager { $0.pool.maximumConnections = 2 }
        try await locks.withLock("a") { _ in }
        let waiting = try await locks.withTransaction { _ in
            let waiting = Task { try await locks.withSession { _ in } }
            try await eventually("it waits for the connection") { await locks.waitingCount == 1 }
            try await Task.sleep(for: .milliseconds(50))
            return waiting
        }
        try await waiting.value
        await locks.shutdown()
        // The first has not waited for the other one, and the second has had no body to speak of: one time of each is long.
        for label in [Self.waitTime, Self.useTime] {
            let times = metrics.times(label)
            #expect(times.count == 2, "\(label): \(times)")
            #expect(times.contains { $0 >= 50_000_000 }, "\(label): \(times)")
            #expect(times.allSatisfy { $0 >= 0 && $0 < 60_000_000_000 }, "\(label): \(times)")
        }
        #expect(metrics.total(Self.timeouts) == 0)
    }

    @Test("the time that a lost connection was used is recorded; a deadline that comes before a connection is a timeout, a refusal is none")
    func lostCheckOuts() async throws {
        let locks = try manager { $0.pool.maximumConnections = 2 }
        _ = await lockError {
            try await locks.withTransaction(locking: "a") { _ in
                let late = await lockError { try await locks.withSession(timeout: .milliseconds(50)) { _ in } }
                #expect(late?.code == .poolExhausted)
                let refused = await lockError { try await locks.withSession(timeout: .zero) { _ in } }
                #expect(refused?.code == .poolExhausted)
                try await TestDatabase.get().queryUncancelled(Self.terminate)
                try await Task.sleep(for: .seconds(20))
            }
        }
        await locks.shutdown()
        #expect(metrics.total(Self.timeouts) == 1)
        #expect(metrics.times(Self.waitTime).count == 1)
        #expect(metrics.times(Self.useTime).count == 1)
    }

    @Test("the times that no report has told yet are kept up to a limit, and told once")
    func timesLimit() {
        var times = ConnectionTimes()
        let now = MonotonicTime.now
        for number in 0...ConnectionTimes.limit {
            times.noteCheckedOut(ConnectionID(number), afterWaiting: .seconds(1), now: now)
        }
        #expect(times.takeEnded().waiting.count == ConnectionTimes.limit)
        #expect(times.takeEnded().waiting.isEmpty)
    }

    @Test("locks that are lost together are counted each, once, with the reason")
    func losses() async throws {
        let database = try TestDatabase.get()
        let locks = try manager()
        let handles = try await locks.acquire(all: [.exclusive("a"), .exclusive("b"), .exclusive("c")])
        try await database.query(Self.terminate)
        #expect(await handles.locks.waitForEnd()?.code == .lockLost)
        // Its release throws the loss.
        try? await handles.release()
        _ = await lockError {
            try await locks.withTransaction(locking: "d") { transaction in
                try await transaction.acquire("e")
                try await database.queryUncancelled(Self.terminate)
                try await Task.sleep(for: .seconds(20))
            }
        }
        try await eventually("five are counted") { metrics.total("pglock.locks.lost", ("pglock.reason", "connection_lost")) == 5 }
        _ = await lockError {
            try await locks.withTransaction(locking: "d") { transaction in
                try await transaction.execute("SELECT 1 / 0")
            }
        }
        await locks.shutdown()
        #expect(metrics.total("pglock.locks.lost", ("pglock.reason", "statement_failed")) == 1)
        #expect(metrics.total("pglock.locks.lost") == 6)
    }

    @Test("a lock that a transaction waits for is neither held, nor lost with its session")
    func waitingTransaction() async throws {
        let database = try TestDatabase.get()
        let (locks, other) = (try manager(), try database.manager())
        let handle = try await other.acquire("a")
        let waiting = Task { await lockError { try await locks.withTransaction(locking: "a") { _ in } } }
        try await eventually("it waits at the server") { try await database.locks(granted: false) == 1 }
        await locks.driver.perform(.log(.waitRenewed(ConnectionID(1))))
        try await eventually("a report is made") { metrics.total("pglock.wait.renewals") == 1 }
        #expect(metrics.value("pglock.locks.held") ?? 0 == 0)
        try await database.query(
            """
            SELECT pg_terminate_backend(pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
            WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT granted
            """
        )
        #expect(await waiting.value?.code == .connectionLost)
        await locks.shutdown()
        #expect(metrics.total("pglock.locks.lost") == 0)
        try await handle.release()
    }

    @Test("what no regular report has told is reported by the shutdown")
    func lastReport() async throws {
        let locks = try manager { $0.metrics.interval = .seconds(3_600) }
        let handle = try await locks.acquire("a")
        try await TestDatabase.get().query(Self.terminate)
        #expect(await handle.lock.waitForEnd()?.code == .lockLost)
        // Its release throws the loss.
        try? await handle.release()
        await locks.shutdown()
        #expect(metrics.total("pglock.locks.lost") == 1)
    }

    @Test("locks whose grace period ends are counted as lost by the shutdown")
    func shutdown() async throws {
        let locks = try manager()
        let handle = try await locks.acquire("a")
        await locks.shutdown(gracePeriod: .zero)
        #expect(metrics.total("pglock.locks.lost", ("pglock.reason", "shut_down")) == 1)
        // Its release throws the loss.
        try? await handle.release()
    }

    @Test("polls are counted, and keys that wait for a connection count as pending requests")
    func polls() async throws {
        let (locks, other) = (try manager { $0.pool.maximumConnections = 2 }, try TestDatabase.get().manager())
        let held = try await other.acquire(all: [.exclusive("a"), .exclusive("b"), .exclusive("c")])
        let tasks = ["a", "b", "c"].map { name in Task { try await locks.withLock(LockKey(name)) { _ in } } }
        try await eventually("polls are counted") { metrics.total("pglock.polls") > 2 }
        try await eventually("two keys are pending") { (metrics.value("db.client.connection.pending_requests") ?? 0) >= 2 }
        try await held.release()
        for task in tasks { try await task.value }
        await locks.shutdown()
        #expect(metrics.value("db.client.connection.pending_requests") == 0)
    }

    @Test("attempts to connect that fail are counted")
    func connectFailures() async throws {
        let locks = try manager {
            $0.url = "host=127.0.0.1 port=1 user=nobody"
            $0.timeouts.unreachable = .milliseconds(300)
        }
        _ = await lockError { try await locks.withLock("a") { _ in } }
        await locks.shutdown()
        #expect(metrics.total("pglock.connect.failures") > 0)
        #expect(metrics.times("db.client.connection.create_time").isEmpty)
    }

    @Test("what is found out after errors, and waits that are begun anew, are counted")
    func events() async throws {
        let locks = try manager()
        try await locks.withLock("a") { _ in }
        await locks.driver.perform(.log(.verifiedAfterError(held: true)))
        await locks.driver.perform(.log(.verifiedAfterError(held: nil)))
        await locks.driver.perform(.log(.waitRenewed(ConnectionID(1))))
        await locks.shutdown()
        #expect(metrics.total("pglock.verifications", ("pglock.was_held", "true")) == 1)
        #expect(metrics.total("pglock.verifications", ("pglock.was_held", "unknown")) == 1)
        #expect(metrics.total("pglock.verifications", ("pglock.was_held", "false")) == 0)
        #expect(metrics.total("pglock.wait.renewals") == 1)
    }

    @Test("handlers of metrics run off the event loop, and one that blocks holds up no lock, and gets what it has missed")
    func blockingHandlers() async throws {
        let handler = BlockingMetrics()
        let locks = try TestDatabase.get().manager {
            $0.metrics.factory = handler
            $0.metrics.interval = .milliseconds(1)
        }
        handler.isOnLoop.withLock { $0 = { [loop = locks.driver.loop] in loop.isIsolatingCurrentContext() ?? true } }
        for _ in 0..<20 {
            try await locks.withLock("a") { _ in try await Task.sleep(for: .milliseconds(2)) }
            await locks.driver.perform(.log(.waitRenewed(ConnectionID(1))))
        }
        #expect(handler.renewals.withLock { $0 } == 0)
        handler.gate.open()
        // A shutdown does not wait for a slow handler for long.
        try await eventually("it gets what it has missed") { handler.renewals.withLock { $0 } >= 20 }
        await locks.shutdown()
        #expect(handler.renewals.withLock { $0 } == 20)
        #expect(handler.callsOnLoop.withLock { $0 } == 0)
    }

    /// Blocks all but timers until its gate opens.
    private final class BlockingMetrics: MetricsFactory, CounterHandler, MeterHandler, RecorderHandler, TimerHandler {
        let gate = Gate()
        let renewals = Locked<Int64>(0)
        let callsOnLoop = Locked(0)
        let isOnLoop = Locked<@Sendable () -> Bool>({ false })
        private let renewal: RenewalCounter

        init() {
            renewal = RenewalCounter(renewals, gate)
        }

        private func note() {
            let isOnLoop = isOnLoop.withLock { $0 }
            if isOnLoop() { callsOnLoop.withLock { $0 += 1 } }
        }

        func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
            label == "pglock.wait.renewals" ? renewal : self
        }
        func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler { self }
        func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler { self }
        func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { self }
        func destroyCounter(_ handler: any CounterHandler) {}
        func destroyMeter(_ handler: any MeterHandler) {}
        func destroyRecorder(_ handler: any RecorderHandler) {}
        func destroyTimer(_ handler: any TimerHandler) {}

        func increment(by: Int64) { note() }
        func reset() {}
        func set(_ value: Int64) {
            note()
            gate.wait()
        }
        func set(_ value: Double) { set(Int64(value)) }
        func increment(by: Double) { note() }
        func decrement(by: Double) { note() }
        func record(_ value: Int64) { note() }
        func record(_ value: Double) { note() }
        func recordNanoseconds(_ duration: Int64) { note() }
    }

    private final class RenewalCounter: CounterHandler {
        private let count: Locked<Int64>
        private let gate: Gate

        init(_ count: Locked<Int64>, _ gate: Gate) {
            self.count = count
            self.gate = gate
        }

        func increment(by amount: Int64) { count.withLock { $0 += amount } }
        func reset() {}
    }
}
