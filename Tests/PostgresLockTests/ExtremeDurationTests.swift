import Foundation
import PostgresLock
import Testing

@Suite("Durations beyond all measure", .database)
struct ExtremeDurationTests {
    /// None of them can be slept for, and the first has no components.
    private static let long: [Duration] = [
        .seconds(Int64.max) + .seconds(Int64.max), .seconds(Int64.max), .nanoseconds(Int64.max), .seconds(3_000_000_000),
    ]

    @Test("as timeouts of a manager are as good as none: waits, sessions, transactions and the end work", arguments: long)
    func configuration(duration: Duration) async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager {
            $0.pool.idleTimeout = duration
            $0.timeouts.connect = duration
            $0.timeouts.unreachable = duration
            $0.timeouts.response = duration
            $0.timeouts.nested = duration
            $0.timeouts.commit = duration
            $0.timeouts.shutdownGrace = duration
            $0.handoff.maximumDuration = duration
        }
        let other = try await database.manager().acquire("a")
        let waits = [
            Task { try await locks.withLock("a", timeout: .seconds(60)) { _ in } },
            Task { try await locks.withLock("a", timeout: duration) { _ in try await locks.withLock("b") { _ in } } },
            Task { try await locks.withLocks([.exclusive("a"), .exclusive("b")], timeout: duration) { _ in } },
            Task { try await locks.withSession(timeout: duration) { try await $0.acquire("a", timeout: duration) } },
            Task { try await locks.withTransaction(locking: "c", timeout: duration) { try await $0.acquire("a", timeout: duration) } },
        ]
        try await database.eventually("all wait") { try await database.locks(granted: false) == 3 }
        try await other.release()
        for wait in waits { try await wait.value }
        await locks.shutdown(gracePeriod: duration)
    }

    @Test("do no harm on the caller's connection", arguments: long)
    func connectionLock(duration: Duration) async throws {
        let database = try TestDatabase.get()
        let held = try await database.manager().acquire("a")
        let waiting = Task {
            let owned = try OwnedLibPQ(database.url)
            let lock = ConnectionLock("a", on: owned.connection)
            lock.responseTimeout = duration
            lock.cancellationLatency = duration
            lock.nestedTimeout = duration
            try await lock.acquire(timeout: duration)
            try await lock.release()
        }
        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
        try await held.release()
        try await waiting.value
    }

    @Test("a slice of no length, and a timeout that is shorter than the server can measure, end")
    func short() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let held = try await database.manager().acquire("a")
        for timeout in [Duration(secondsComponent: 0, attosecondsComponent: 1), .nanoseconds(1), .microseconds(1)] {
            #expect(await lockError { try await locks.withLock("a", timeout: timeout) { _ in } } != nil)
            #expect(await lockError { try await locks.withTransaction(locking: "a", timeout: timeout) { _ in } } != nil)
            #expect(await lockError { try await locks.withSession { try await $0.acquire("a", timeout: timeout) } } != nil)
        }
        let owned = try OwnedLibPQ(database.url)
        let lock = ConnectionLock("a", on: owned.connection)
        lock.cancellationLatency = .zero
        #expect(await lockError { try await lock.acquire(timeout: .nanoseconds(1)) }?.code == .timedOut)
        try await held.release()
    }

    @Test("a date that is not a number is NULL")
    func date() async throws {
        let locks = try TestDatabase.get().manager()
        try await locks.withTransaction { transaction in
            let rows = try await transaction.query("SELECT $1 IS NULL", [.date(Date(timeIntervalSinceReferenceDate: .nan))])
            #expect(try rows.first?.decode(0, as: Bool.self) == true)
        }
    }
}
