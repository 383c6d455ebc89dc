import LibPQ
import Logging
import PostgresLock

/// Checks whether a lock manager can connect, take locks and release them.
struct LockTrial {
    let configuration: LockManager.Configuration

    func finding() async -> Finding {
        let warnings = Warnings()
        let began = ContinuousClock.now
        do {
            let locks = try LockManager(configuration: configuration, logger: Logger(label: "doctor") { _ in warnings })
            do {
                try await run(locks)
            } catch {
                await locks.shutdown(gracePeriod: .zero)
                throw error
            }
            await locks.shutdown()
        } catch let error as LockError {
            return Finding(.lock, .failed, error.message)
        } catch {
            return Finding(.lock, .failed, "\(error)")
        }
        let finding = "a lock manager took and released its locks, in \((ContinuousClock.now - began).text)"
        guard let warning = warnings.messages.withLock({ $0 }).first else { return Finding(.lock, .ok, finding) }
        return Finding(.lock, .warning, finding, advice: "It says: \(warning).")
    }

    private func run(_ locks: LockManager) async throws {
        let key = LockKey(number: .random(in: .min ... .max))
        let limit = configuration.timeouts.connect * 4
        try await locks.withLock(key, timeout: limit) { _ in }
        try await locks.withTransaction(locking: key, timeout: limit) { try await $0.execute("SELECT 1") }
        try await locks.withSession(timeout: limit) { session in
            try await session.withLock(key, timeout: limit) { _ in try await session.execute("SELECT 1") }
        }
    }

    /// Collects the warnings that the library logs.
    private struct Warnings: LogHandler {
        let messages = Locked<[String]>([])
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.warning

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let reason = (event.metadata?["pglock.reason"]).map { " (\($0))" } ?? ""
            messages.withLock { $0.append("\(event.message)\(reason)") }
        }
    }
}
