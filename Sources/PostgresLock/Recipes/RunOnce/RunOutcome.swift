#if canImport(FoundationEssentials)
    public import FoundationEssentials
#else
    public import Foundation
#endif

/// How a call of ``LockManager/runOnce(_:every:counting:guarantee:isolation:_:)`` has ended.
public enum RunOutcome<Value> {
    /// The job has run here, with this result.
    case ran(Value)
    /// The job was not due, or runs elsewhere.
    case skipped(SkippedRun)
}

extension RunOutcome: Sendable where Value: Sendable {}

/// A run that this process has claimed: what the body of ``LockManager/runOnce(_:every:counting:guarantee:isolation:_:)`` gets.
public struct ClaimedRun: Sendable {
    /// The job's name.
    public let name: String
    /// A number that is greater than those of all earlier runs of the job: a fencing token, which a store can compare.
    ///
    /// It is made of the server's time and of the job's row in the table. So it goes back if a run was claimed while the server's clock was
    /// ahead, and the row is deleted after the clock was set right. The library does not delete such a row, and its error for it
    /// (``LockError/Code/runMismatch``) says how to make the job due by an `UPDATE`. Don't delete it, and don't restore an older copy of the table.
    public let number: Int64
    /// When the interval began, by the server's clock.
    public let intervalStart: Date
    /// When the run was claimed, by the server's clock.
    public let claimedAt: Date
    /// The lock on the job's name, which the run holds. Its loss cancels the body.
    public let lock: HeldLock

    /// Whether the lock is held. See ``HeldLock/isHeld``.
    public var isHeld: Bool { lock.isHeld }
}

/// Why a job was not run by a call of ``LockManager/runOnce(_:every:counting:guarantee:isolation:_:)``.
public struct SkippedRun: Hashable, Sendable {
    /// Which session has claimed the last run: its `application_name`. `nil` if no run is recorded.
    public let claimedBy: String?
    /// When the last run was claimed, by the server's clock. `nil` if no run is recorded.
    public let claimedAt: Date?
    /// When the last run has ended; `nil` if it has not, as far as is recorded.
    public let finishedAt: Date?
    /// When the next run is due, by the server's clock; `nil` if it is due already, and only the lock is in the way.
    public let nextDue: Date?
    /// Whether another holder had the lock on the job's name: mostly a run that lasts.
    public let isLocked: Bool
}

extension SkippedRun {
    /// No run of the job is recorded.
    static func unrecorded(isLocked: Bool) -> SkippedRun {
        SkippedRun(claimedBy: nil, claimedAt: nil, finishedAt: nil, nextDue: nil, isLocked: isLocked)
    }
}
