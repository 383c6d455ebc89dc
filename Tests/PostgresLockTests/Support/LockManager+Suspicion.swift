import LockCore

@testable import PostgresLock

extension LockManager {
    /// Makes all locks suspect, as when the server has been silent for the lease. The sessions live.
    func makeLocksSuspect() async { await driver.makeLocksSuspect() }

    /// Ends the validity of all sessions by the clock, without the event loop noticing.
    func expireValidities() async { await driver.expireValidities() }
}

extension LockDriver {
    fileprivate func makeLocksSuspect() {
        let lease = configuration.lease ?? .zero
        drive { $0.advance(to: $1.advanced(by: lease)) }
    }

    fileprivate func expireValidities() {
        for validity in validities.values { validity.renew(Instant(nanoseconds: .min)) }
    }
}
