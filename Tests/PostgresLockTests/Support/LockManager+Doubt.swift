import LockCore

@testable import PostgresLock

extension LockManager {
    /// What is held comes in doubt, as it does when the server has been silent for the lease. The sessions live.
    func bringInDoubt() {
        let lease = configuration.lease ?? .zero
        drive { $0.advance(to: $1.advanced(by: lease)) }
    }

    /// By the clock nothing is certain any more, and the event loop has not noticed.
    func expireProofs() {
        for proof in proofs.values { proof.renew(Instant(nanoseconds: .min)) }
    }
}
