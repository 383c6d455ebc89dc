import LockCore

@testable import PostgresLock

extension LockManager {
    /// Makes all locks suspect, as when the server has been silent for the lease. The sessions live.
    func makeLocksSuspect() async { await driver.makeLocksSuspect() }

    /// Ends the validity of all sessions by the clock, without the event loop noticing.
    ///
    /// - Parameter run: Runs before the loop does anything else.
    func expireValidities(_ run: @Sendable () -> Void = {}) async { await driver.expireValidities(run) }
}

extension LockDriver {
    fileprivate func makeLocksSuspect() {
        let lease = configuration.lease ?? .zero
        drive { $0.advance(to: $1.advanced(by: lease)) }
    }

    fileprivate func expireValidities(_ run: @Sendable () -> Void) {
        for validity in validities.values { validity.renew(Instant(nanoseconds: .min)) }
        run()
    }
}
