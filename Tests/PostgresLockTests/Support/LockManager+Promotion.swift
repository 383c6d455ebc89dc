import LockCore

@testable import PostgresLock

extension LockManager {
    /// Notes a new session on a server with this timeline.
    ///
    /// - Returns: Why it can't be used, if it can't.
    func replaced(by timeline: UInt32?) async -> Failure? { await driver.replaced(by: timeline) }
}

extension LockDriver {
    fileprivate func replaced(by timeline: UInt32?) -> Failure? {
        (transport as? LibPQTransport)?.replaced(by: timeline)
    }
}
