import LibPQ

/// A look at a lock that is held: for the body of ``LockManager/withLock(_:mode:timeout:isolation:_:)``, and for child
/// tasks. It can be copied and passed around freely, and cannot release the lock.
///
/// Nor can it change the lock's mode: to let others share the lock is to give half of it back, and whoever holds a copy
/// could do that under a body that counts on being alone. Where a lock is to be downgraded, take it by
/// ``LockManager/acquire(_:mode:timeout:)`` and use ``LockHandle/downgrade()``.
///
/// It may outlive the lock; then ``isHeld`` is false.
public struct HeldLock: Sendable {
    let state: LockState

    /// What is locked.
    public var key: LockKey { state.key }

    /// How it is locked.
    public var mode: LockMode { state.mode }

    /// Whether the lock is held, as far as can be proved here and now.
    ///
    /// With a lease (``LockManager/Configuration/lease``) it is false once the server has not been heard of for nine tenths of
    /// that time, by a clock that runs while the machine sleeps: before the server gives the lock to somebody else. It does not
    /// become true again. An administrator, or a failover, can end a session before its client learns of it; and what was true
    /// when it was asked need not be true a moment later. Where a second holder would do harm, guard what is written by
    /// something that the writing itself checks.
    public var isHeld: Bool { state.isHeld }

    /// Tells this holder from those before and after, so that what is written under the lock can refuse those before.
    ///
    /// `nil` unless ``LockManager/Configuration/fencingTokens`` is on, and always for the lock of a transaction. Stays the same to
    /// the lock's end, except over ``LockHandle/tryUpgrade()``. Holders who share a lock have one each, but for those of one
    /// ``LockSession``, which is one holder for the server.
    public var fencingToken: FencingToken? { state.token }

    /// Why the lock was lost, if it was lost.
    public var loss: LockError? { state.loss }

    /// Waits until the lock is lost or released.
    ///
    /// - Returns: Why the lock was lost; `nil` if it was released, or if the waiting task was cancelled.
    public func waitForEnd() async -> LockError? {
        let registration = Locked<(number: Int, isCancelled: Bool)>((0, false))
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let number = state.observe(.end { continuation.resume(returning: $0) })
                let isCancelled = registration.withLock { registration in
                    registration.number = number
                    return registration.isCancelled
                }
                if isCancelled { state.forget(number)?.tell(nil) }
            }
        } onCancel: {
            let number = registration.withLock { registration in
                registration.isCancelled = true
                return registration.number
            }
            state.forget(number)?.tell(nil)
        }
    }
}
