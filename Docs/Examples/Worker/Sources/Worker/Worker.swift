import Logging
import PostgresLock
import ServiceLifecycle

/// Works on accounts with many tasks. No two tasks, in whatever process, work on one account at the same time.
struct Worker: Service {
    let locks: LockManager
    let tasks: Int
    let logger: Logger

    func run() async throws {
        logger.info("begins", metadata: ["tasks": "\(tasks)"])
        let total = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<tasks {
                group.addTask { try await work(on: "account:\(number % 100)") }
            }
            return try await group.reduce(0, +)
        }
        logger.info("ends", metadata: ["rounds": "\(total)"])
    }

    /// Works on an account again and again, until the service shuts down.
    ///
    /// - Returns: How often.
    private func work(on account: LockKey) async throws -> Int {
        var rounds = 0
        while !Task.isShuttingDownGracefully {
            do {
                try await locks.withLock(account) { _ in
                    try await Task.sleep(for: .milliseconds(10)) // the work
                    rounds += 1
                }
            } catch LockError.Code.shutDown {
                break
            } catch let error as LockError where error.isRetryable {
                logger.warning("tries again", metadata: ["account": "\(account)", "error": "\(error)"])
                try await Task.sleep(for: .seconds(Double.random(in: 0.5...2)))
            }
        }
        return rounds
    }
}
