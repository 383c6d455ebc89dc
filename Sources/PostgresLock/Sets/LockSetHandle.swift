/// Several locks that are held together, and the right to release them.
///
/// They are taken together and released together. As with ``LockHandle``, there is one handle, it can't be copied, and if it is
/// dropped, its locks are released by themselves, a moment later.
public struct LockSetHandle: ~Copyable, Sendable {
    /// A view of the locks, to pass around.
    public let locks: HeldLocks
    private let owner: LockOwner

    init(_ states: [LockState], driver: LockDriver) {
        locks = HeldLocks(states: states)
        owner = LockOwner(states, driver: driver)
    }

    /// What is locked: each key once, in the order in which the locks are taken.
    public var keys: [LockKey] { locks.keys }

    /// Whether all the locks are held. See ``HeldLocks/isHeld``.
    public var isHeld: Bool { locks.isHeld }

    /// Releases all the locks at once, and returns when they are free for others.
    ///
    /// Not ended by cancellation: a cancelled task releases its locks all the same.
    ///
    /// - Throws: ``LockError`` with the code ``LockError/Code/lockLost`` if some of the locks had been lost before, or
    ///   ``LockError/Code/connectionLost`` if a connection was lost during the release. It names the keys that it is
    ///   about. In both cases none of the locks is held any more.
    public consuming func release() async throws {
        try await owner.release()
    }
}
