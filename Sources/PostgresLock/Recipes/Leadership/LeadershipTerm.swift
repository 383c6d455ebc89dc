#if canImport(FoundationEssentials)
    public import FoundationEssentials
#else
    public import Foundation
#endif

/// The time for which this process leads: what the body of ``LockManager/withLeadership(of:onStepDownRequest:isolation:_:)`` gets.
///
/// It may outlive the leadership; then ``isHeld`` is false.
public struct LeadershipTerm: Sendable {
    /// The election's name.
    public let name: String
    /// When this process became the leader, by its own clock.
    public let since: Date
    /// The lock that makes this process the leader.
    public let lock: HeldLock
    /// Ends as by a loss when the leader is asked to step down, and as by a release with the term.
    let request: LockState

    init(_ keys: LeadershipKeys, lock: HeldLock) {
        name = keys.name
        since = Date()
        self.lock = lock
        request = LockState(key: keys.lead, mode: .shared)
    }

    /// Whether this process leads, as far as can be known here and now. See ``HeldLock/isHeld``.
    public var isHeld: Bool { lock.isHeld }

    /// A number that is higher than those of all earlier leaders. See ``HeldLock/fencingToken``.
    public var fencingToken: FencingToken? { lock.fencingToken }

    /// Whether the leader is asked to step down. It leads until its body returns.
    public var isAskedToStepDown: Bool { request.loss != nil }

    /// Waits until the leader is asked to step down, or the term ends.
    ///
    /// - Returns: Whether it is asked to; also `false` if the waiting task was cancelled.
    public func waitForStepDownRequest() async -> Bool { await [request].waitForEnd() != nil }

    /// Asks the leader to step down, as another process can by ``LockManager/requestStepDown(of:timeout:)``. Returns at once.
    public func stepDown() {
        request.end(LockError(.lockLost, "The leader \(lock.key) is asked to step down.", keys: [lock.key]))
    }
}
