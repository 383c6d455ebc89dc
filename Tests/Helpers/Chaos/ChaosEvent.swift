package import PostgresLock

/// An event that a worker writes to its log, as one line, before it continues.
package struct ChaosEvent: Codable, Equatable, Sendable {
    package enum Kind: Codable, Equatable, Sendable {
        case started(leaseNanoseconds: Int64)
        /// The timeout is in nanoseconds; `nil` if there is none.
        case begun(call: Int, what: String, timeout: Int64? = nil)
        case held(claim: Int, call: Int, key: Int, isExclusive: Bool, token: FencingToken?)
        /// A lock of a transaction. Transactions have no fencing tokens.
        case heldByTransaction(claim: Int, call: Int, key: Int, isExclusive: Bool)
        /// The timeline of the server that granted a transaction's lock. Other locks have it in their tokens.
        case granted(claim: Int, onTimeline: UInt32)
        /// The lock's `isHeld` was true after the event's time, or its transaction was committed after it.
        case stillHeld(claim: Int)
        case notHeld(claim: Int)
        /// The guarded table accepted a write, and gave it this number.
        case accepted(claim: Int, number: Int)
        case refused(claim: Int)
        /// The outcome of the write is unknown.
        case writeFailed(claim: Int)
        /// A read of the guarded table found this token of the last write.
        case read(claim: Int, token: FencingToken?)
        /// The body of a job has begun. Times are in seconds since 1970, since the server's clock decides on intervals.
        case ran(ChaosJob, intervalStart: Int)
        /// The body has come to its end.
        case ranToEnd(ChaosJob, intervalStart: Int)
        /// A call was told that the job is not due, or that another holder has its lock. The last run was claimed at a time that it was told, too.
        case skipped(ChaosJob, begun: Double, ended: Double, claimedAt: Double?, isLocked: Bool)
        case ended(call: Int, outcome: String)
        /// The worker has done all that it was to do, and shut down.
        case finished
    }

    /// In nanoseconds of ``ChaosClock``.
    package let time: Int64
    package let kind: Kind

    package init(time: Int64, _ kind: Kind) {
        self.time = time
        self.kind = kind
    }
}
