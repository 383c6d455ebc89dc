/// A lock that is held, and the right to release it.
///
/// There is one handle per lock, and it can't be copied: releasing twice, or using it after the release, does not
/// compile. A handle that is dropped gives its lock back by itself, a moment later, and says so in the log; to know when
/// the lock is free, call ``release()``.
///
/// A noncopyable value can't be put into an array or returned from a task group's child. Use
/// ``LockManager/withLock(_:mode:timeout:isolation:_:)`` there, or wrap the handle in a class of your own. Of several locks that
/// are taken together there is one handle: ``LockSetHandle``.
public struct LockHandle: ~Copyable, Sendable {
    // An inner class, because `deinit` of a noncopyable value does not run everywhere, and `discard self` is not to be
    // had with class fields.
    private let owner: LeaseOwner

    init(_ state: LockState, driver: LockDriver) {
        owner = LeaseOwner(state, driver: driver)
    }

    /// What is locked.
    public var key: LockKey { owner.state.key }

    /// How it is locked. Changed by ``downgrade()`` and ``tryUpgrade()``.
    public var mode: LockMode { owner.state.mode }

    /// Whether the lock is held. See ``HeldLock/isHeld``.
    public var isHeld: Bool { owner.state.isHeld }

    /// Tells this holder from those before and after. See ``HeldLock/fencingToken``.
    public var fencingToken: FencingToken? { owner.state.token }

    /// A view to pass around.
    public var lease: HeldLock { HeldLock(state: owner.state) }

    /// Makes an exclusive lock a shared one, and returns when others may share it.
    ///
    /// There is no gap: nobody gets the lock exclusively in between, not even who has waited for it long. It never waits
    /// for anybody, only for the server's answer. A lock that is shared already stays as it is.
    ///
    /// Not ended by cancellation, as a release is not. ``mode`` is ``LockMode/shared`` from the moment on in which the change
    /// begins, because others may be let in before its end.
    ///
    /// - Throws: ``LockError`` with the code ``LockError/Code/lockLost`` if the lock had been lost before, or is lost on
    ///   the way; with ``LockError/Code/invalidArgument`` if another task is changing its mode at the same time.
    public func downgrade() async throws {
        _ = try await owner.change(to: .shared)
    }

    /// Makes a shared lock an exclusive one, if nobody else shares it.
    ///
    /// It only tries, and waits for nothing but the server's answer: two holders who both waited for the other one to go
    /// would wait for ever. Whoever is told `false` still shares the lock. If the upgrade is what matters, release the
    /// lock, take it exclusively, and look again at what was read under it. A lock that is exclusive already stays as it
    /// is.
    ///
    /// A task that was cancelled before does not try; once begun, the change is not ended by cancellation.
    ///
    /// With ``LockManager/Configuration/fencingTokens`` an upgraded lock gets a new token, greater than those of all who shared it.
    /// If that fails, the failure is thrown, and the lock is exclusive and has none.
    ///
    /// - Returns: Whether the lock is exclusive now. `false` if somebody else shares it, in this process or another.
    /// - Throws: ``LockError`` with the code ``LockError/Code/lockLost`` if the lock had been lost before, or is lost on
    ///   the way; with ``LockError/Code/invalidArgument`` if another task is changing its mode at the same time.
    ///   `CancellationError` if the task was cancelled before.
    public func tryUpgrade() async throws -> Bool {
        try Task.checkCancellation()
        return try await owner.change(to: .exclusive)
    }

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
    let state: LockState
    private let driver: LockDriver

    init(_ state: LockState, driver: LockDriver) {
        self.state = state
        self.driver = driver
    }

    func release() async throws {
        try await driver.release(state)
    }

    func change(to mode: LockMode) async throws -> Bool {
        try await driver.change(state, to: mode)
    }

    deinit {
        if state.isOpen { driver.giveBackDropped([state]) }
    }
}
