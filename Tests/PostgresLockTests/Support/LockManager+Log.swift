@testable import PostgresLock

extension LockManager {
    /// Waits until the log handler has got the lines so far. At its shutdown the manager waits for them for a second at most.
    func drainLog() async { await driver.logger.drain(within: .seconds(60)) }
}
