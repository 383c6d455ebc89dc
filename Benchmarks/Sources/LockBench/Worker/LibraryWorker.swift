import Logging
import PostgresLock
import Synchronization

/// The contenders of this library, which use only its public interface.
struct LibraryWorker {
    let url: String
    let measurement: Measurement

    static func manager(_ url: String, _ configure: (inout LockManager.Configuration) -> Void = { _ in }) throws -> LockManager {
        var configuration = LockManager.Configuration(url: url)
        configuration.applicationName = "lock-bench"
        configure(&configuration)
        return try LockManager(configuration: configuration, logger: Logger(label: "lock-bench") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Measures tasks that each take and release a lock of their own key.
    func distinct(tasks: Int, held: Int) async throws -> [String: Double] {
        let locks = try Self.manager(url)
        let others = try await HeldLocks(count: held, first: Int64(tasks), locks)
        let values = try await measurement.run(tasks: tasks) { number in
            let lock = try await locks.acquire(LockKey(number: Int64(number)))
            try await lock.release()
        }
        try await others.release()
        await locks.shutdown()
        return values
    }

    /// Measures one task that uses `withLock`.
    ///
    /// - Parameter awaitsRelease: If not, the task takes two keys in turn, since a key that is being released is asked for only once it is
    ///   released.
    func scoped(awaitsRelease: Bool = true) async throws -> [String: Double] {
        try await single(awaitsRelease) { locks, key in
            try await locks.withLock(key) { _ in }
        }
    }

    /// The same with `acquire` and `release`, whose answer is not waited for.
    func unawaited() async throws -> [String: Double] {
        try await single(false) { locks, key in
            let lock = try await locks.acquire(key)
            try await lock.release()
        }
    }

    private func single(
        _ awaitsRelease: Bool,
        _ body: @escaping @Sendable (LockManager, LockKey) async throws -> Void
    ) async throws -> [String: Double] {
        let locks = try Self.manager(url) { $0.awaitsRelease = awaitsRelease }
        let (first, second) = (LockKey(number: 1), LockKey(number: awaitsRelease ? 1 : 2))
        let isFirst = Atomic(true)
        let values = try await measurement.run(tasks: 1) { _ in
            try await body(locks, isFirst.logicalXor(true, ordering: .relaxed).oldValue ? first : second)
        }
        await locks.shutdown()
        return values
    }

    /// Measures tasks that all take the lock of the same key.
    func handoff(tasks: Int, isUnlimited: Bool) async throws -> [String: Double] {
        let locks = try Self.manager(url) { configuration in
            guard isUnlimited else { return }
            configuration.handoff.maximumCount = .max
            configuration.handoff.maximumDuration = .seconds(1_000_000)
        }
        let key = LockKey(number: 1)
        let values = try await measurement.run(tasks: tasks) { _ in
            let lock = try await locks.acquire(key)
            try await lock.release()
        }
        await locks.shutdown()
        return values
    }
}
