import Logging
import PostgresLock

/// This library's own contenders, by its public interface alone.
struct LibraryWorker {
    let url: String
    let measurement: Measurement

    static func manager(_ url: String, _ configure: (inout LockManager.Configuration) -> Void = { _ in }) throws -> LockManager {
        var configuration = LockManager.Configuration(url: url)
        configure(&configuration)
        return try LockManager(configuration: configuration, logger: Logger(label: "lock-bench") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Each task has a key of its own.
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

    /// One task, by the scoped form.
    func scoped() async throws -> [String: Double] {
        let locks = try Self.manager(url)
        let key = LockKey(number: 1)
        let values = try await measurement.run(tasks: 1) { _ in
            try await locks.withLock(key) { _ in }
        }
        await locks.shutdown()
        return values
    }

    /// All tasks want the same key.
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
