import LockCore

@testable import PostgresLock

extension LockManager {
    /// What is held comes in doubt, as it does when the server has been silent for the lease. The sessions live.
    func bringInDoubt() async { await driver.bringInDoubt() }

    /// By the clock nothing is certain any more, and the event loop has not noticed.
    func expireValidities() async { await driver.expireValidities() }
}

extension LockDriver {
    fileprivate func bringInDoubt() {
        let lease = configuration.lease ?? .zero
        drive { $0.advance(to: $1.advanced(by: lease)) }
    }

    fileprivate func expireValidities() {
        for validity in validities.values { validity.renew(Instant(nanoseconds: .min)) }
    }
}
