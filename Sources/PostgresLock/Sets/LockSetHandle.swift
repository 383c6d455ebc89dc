/// Several locks that are held together, and the right to release them.
///
/// They are taken together and released together. What is said of ``LockHandle`` holds here too: there is one handle, it
/// can't be copied, and if it is dropped, all its locks are given back a moment later.
public struct LockSetHandle: ~Copyable, Sendable {
    private let owner: LeaseSetOwner

    init(_ states: [LockState], driver: LockDriver) {
        owner = LeaseSetOwner(states, driver: driver)
    }

    /// What is locked: each key once, in the order in which the locks are taken.
    public var keys: [LockKey] { lease.keys }

    /// Whether all the locks are held. See ``HeldLocks/isHeld``.
    public var isHeld: Bool { lease.isHeld }

    /// A view to pass around.
    public var lease: HeldLocks { HeldLocks(states: owner.states) }

    /// Gives all the locks back at once, and returns when they are free for others.
    ///
    /// Not ended by cancellation: a cancelled task releases its locks all the same.
    ///
    /// - Throws: ``LockError`` with the code ``LockError/Code/lockLost`` if some of the locks had been lost before, or
    ///   ``LockError/Code/connectionLost`` if a connection went away during the release. It names the keys that it is
    ///   about. In any case nothing is held any more.
    public consuming func release() async throws {
        try await owner.release()
    }
}

/// Gives the locks back when nobody can do it any more.
private final class LeaseSetOwner: Sendable {
    let states: [LockState]
    private let driver: LockDriver

    init(_ states: [LockState], driver: LockDriver) {
        self.states = states
        self.driver = driver
    }

    func release() async throws {
        try await driver.release(states)
    }

    deinit {
        if states.contains(where: \.isOpen) { driver.giveBackDropped(states) }
    }
}
