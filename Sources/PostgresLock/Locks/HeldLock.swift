/// A view of a lock, for the body of ``LockManager/withLock(_:mode:timeout:isolation:_:)`` and for child tasks. It can be
/// copied and passed around freely, and cannot release the lock.
///
/// Nor can it change the lock's mode: a copy could let others share the lock while the body counts on being alone. For a lock
/// that is to be downgraded, use ``LockManager/acquire(_:mode:timeout:)`` and ``LockHandle/downgrade()``.
///
/// It may outlive the lock; then ``isHeld`` is false.
public struct HeldLock: Sendable {
    let state: LockState

    /// What is locked.
    public var key: LockKey { state.key }

    /// How it is locked.
    public var mode: LockMode { state.mode }

    /// Whether the lock is held, as far as can be known here and now.
    ///
    /// With a lease (``LockManager/Configuration/lease``) it turns false once the server has been silent for nine tenths of that
    /// time, by a clock that runs while the machine sleeps: before the server gives the lock to another session. It does not become
    /// true again. An administrator, or a failover, can end a session before its client learns of it, and the answer can be out of
    /// date a moment later. Where a second holder would do harm, guard what is written by a transaction that holds the lock
    /// (``LockManager/withTransaction(locking:mode:timeout:isolation:_:)``) or by a fencing token (<doc:FencingTokens>).
    public var isHeld: Bool { state.isHeld }

    /// A number that is higher than those of all earlier holders, so that what is written under the lock can refuse theirs.
    ///
    /// `nil` unless ``LockManager/Configuration/fencingTokens`` is on, and always for the lock of a transaction. It stays the same until
    /// the lock's end, except over ``LockHandle/tryUpgrade()``. Holders that share a lock have one token each, but the locks of one
    /// ``LockSession``, which is one holder for the server, have the same.
    public var fencingToken: FencingToken? { state.token }

    /// Why the lock was lost; `nil` if it was not.
    public var loss: LockError? { state.loss }

    /// Whether another process asks for the release of the lock: see ``LockManager/requestRelease(of:from:timeout:)``.
    ///
    /// It stays true after the release. What a request does to the body of a scope is up to
    /// ``LockManager/Configuration/releaseRequests``.
    public var isReleaseRequested: Bool { state.releaseRequest != nil }

    /// Waits until another process asks for the release of the lock, or the lock has ended.
    ///
    /// - Returns: Whether the release is asked for; also `false` if the waiting task was cancelled.
    public func waitForReleaseRequest() async -> Bool { await [state].waitForReleaseRequest() }

    /// Waits until the lock is lost or released.
    ///
    /// - Returns: Why the lock was lost; `nil` if it was released, or if the waiting task was cancelled.
    public func waitForEnd() async -> LockError? { await [state].waitForEnd() }
}
