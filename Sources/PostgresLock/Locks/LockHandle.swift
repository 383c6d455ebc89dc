/// A held lock, and the right to release it.
///
/// There is one handle per lock, and it can't be copied: releasing it twice, or using it after the release, does not compile. A
/// handle that is dropped releases its lock by itself, a moment later, with a warning in the log; to know when the lock is free,
/// call ``release()``.
///
/// Prefer ``LockManager/withLock(_:mode:timeout:isolation:_:)``, which needs no handle. A noncopyable value can't be put into an
/// array, nor returned by a task or by a helper whose result has to be copyable; for that there is ``copyable()``. Several locks
/// that are taken together have one handle: ``LockSetHandle``.
public struct LockHandle: ~Copyable, Sendable {
    private let state: LockState
    // A class, because `deinit` of a noncopyable value does not run everywhere, and `discard self` can't be used with class fields.
    private let owner: LockOwner

    init(_ state: LockState, driver: LockDriver) {
        self.state = state
        owner = LockOwner(state, driver: driver)
    }

    /// What is locked.
    public var key: LockKey { state.key }

    /// How it is locked. Changed by ``downgrade()`` and ``tryUpgrade()``.
    public var mode: LockMode { state.mode }

    /// Whether the lock is held. See ``HeldLock/isHeld``.
    public var isHeld: Bool { state.isHeld }

    /// A number that is higher than those of all earlier holders. See ``HeldLock/fencingToken``.
    public var fencingToken: FencingToken? { state.token }

    /// A view of the lock, to pass around.
    public var lock: HeldLock { HeldLock(state: state) }

    /// Turns the handle into one that can be copied.
    ///
    /// - Returns: The right to release the lock. When its last copy is gone, the lock is released, as with this handle.
    public consuming func copyable() -> CopyableLockHandle {
        CopyableLockHandle(lock: lock, owner: owner)
    }

    /// Makes an exclusive lock a shared one, and returns when others may share it.
    ///
    /// There is no gap: no other session gets the lock exclusively in between, not even one that has waited for it long. It waits
    /// for the server's answer only. A lock that is shared already stays as it is.
    ///
    /// Not ended by cancellation, as a release is not. ``mode`` is ``LockMode/shared`` as soon as the change begins, because others
    /// may get the lock before its end.
    ///
    /// - Throws: ``LockError`` with the code ``LockError/Code/lockLost`` if the lock had been lost before, or is lost
    ///   meanwhile; with ``LockError/Code/invalidArgument`` if another task is changing its mode at the same time.
    public func downgrade() async throws {
        _ = try await owner.change(state, to: .shared)
    }

    /// Makes a shared lock an exclusive one, if no other holder shares it.
    ///
    /// It waits for the server's answer only: two holders that waited for each other to release would wait without end. After
    /// `false` the lock is still shared. If the upgrade is what matters, release the lock, take it exclusively, and read again
    /// what was read under it. A lock that is exclusive already stays as it is.
    ///
    /// A task that was cancelled before does not try; once begun, the change is not ended by cancellation.
    ///
    /// With ``LockManager/Configuration/fencingTokens`` an upgraded lock gets a new token, greater than those of all that shared it.
    /// If that fails, the failure is thrown, and the lock is exclusive and has none.
    ///
    /// - Returns: Whether the lock is exclusive now. `false` if it has another holder, in this process or another.
    /// - Throws: ``LockError`` with the code ``LockError/Code/lockLost`` if the lock had been lost before, or is lost
    ///   meanwhile; with ``LockError/Code/invalidArgument`` if another task is changing its mode at the same time.
    ///   `CancellationError` if the task was cancelled before.
    public func tryUpgrade() async throws -> Bool {
        try Task.checkCancellation()
        return try await owner.change(state, to: .exclusive)
    }

    /// Releases the lock, and returns when it is free for others.
    ///
    /// Not ended by cancellation: a cancelled task releases its locks all the same.
    ///
    /// - Throws: ``LockError`` with the code ``LockError/Code/lockLost`` if the lock had been lost before, or
    ///   ``LockError/Code/connectionLost`` if the connection was lost during the release. In both cases the lock is not held
    ///   any more.
    public consuming func release() async throws {
        try await owner.release()
    }
}
