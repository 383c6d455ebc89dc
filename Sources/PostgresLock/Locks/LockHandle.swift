/// A lock that is held, and the right to release it.
///
/// There is one handle per lock, and it can't be copied: releasing twice, or using it after the release, does not
/// compile. A handle that is dropped gives its lock back by itself, a moment later, and says so in the log; to know when
/// the lock is free, call ``release()``.
///
/// A noncopyable value can't be put into an array or returned from a task group's child. Use
/// ``LockManager/withLock(_:mode:timeout:isolation:_:)`` there, or wrap the handle in a class of your own.
public struct LockHandle: ~Copyable, Sendable {
    // An inner class, because `deinit` of a noncopyable value does not run everywhere, and `discard self` is not to be
    // had with class fields.
    private let owner: LeaseOwner

    init(_ state: LeaseState, manager: LockManager) {
        owner = LeaseOwner(state, manager: manager)
    }

    /// What is locked.
    public var key: LockKey { owner.state.key }

    /// How it is locked.
    public var mode: LockMode { owner.state.mode }

    /// Whether the lock is held. See ``LockLease/isHeld``.
    public var isHeld: Bool { owner.state.isHeld }

    /// A view to pass around.
    public var lease: LockLease { LockLease(state: owner.state) }

    /// Gives the lock back, and returns when it is free for others.
    ///
    /// Not ended by cancellation: a cancelled task releases its locks all the same.
    ///
    /// - Throws: ``LockError`` with the code ``LockError/Code/lockLost`` if the lock had been lost before, or
    ///   ``LockError/Code/connectionLost`` if the connection went away during the release. In both cases nothing is held
    ///   any more.
    public consuming func release() async throws {
        try await owner.release()
    }
}

/// Gives the lock back when nobody can do it any more.
private final class LeaseOwner: Sendable {
    let state: LeaseState
    private let manager: LockManager

    init(_ state: LeaseState, manager: LockManager) {
        self.state = state
        self.manager = manager
    }

    func release() async throws {
        try await manager.release(state)
    }

    deinit {
        if state.isHeld { manager.giveBackDropped(state) }
    }
}
