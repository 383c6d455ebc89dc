package import PostgresLock

/// What a worker writes down, one line each, before anything can come of it.
package struct ChaosEvent: Codable, Equatable, Sendable {
    package enum Kind: Codable, Equatable, Sendable {
        case started(leaseNanoseconds: Int64)
        case begun(call: Int, what: String)
        case held(claim: Int, call: Int, key: Int, isExclusive: Bool, token: FencingToken?)
        /// A lock of a transaction's, for which there are no tokens.
        case heldByTransaction(claim: Int, call: Int, key: Int, isExclusive: Bool)
        /// The lock's `isHeld` was true after the event's time, or its transaction was committed after that.
        case stillHeld(claim: Int)
        case notHeld(claim: Int)
        /// A guarded write got through, as the table's write of that number.
        case accepted(claim: Int, number: Int)
        case refused(claim: Int)
        /// Nobody knows whether the write got through.
        case writeFailed(claim: Int)
        /// The token of the last write, as it was found there.
        case read(claim: Int, fence: FencingToken?)
        case ended(call: Int, outcome: String)
        /// The worker has done all that it was to do, and shut down.
        case finished
    }

    /// See ``ChaosClock``.
    package let time: Int64
    package let kind: Kind

    package init(time: Int64, _ kind: Kind) {
        self.time = time
        self.kind = kind
    }
}
