/// A look at several locks that are held together: for the body of ``LockManager/withLocks(_:timeout:isolation:_:)``, and for
/// child tasks. It can be copied and passed around freely, and cannot release the locks.
///
/// It may outlive the locks; then ``isHeld`` is false.
public struct HeldLocks: Sendable {
    let states: [LockState]

    /// The locks one by one: each key once, in the order in which they are taken.
    public var leases: [HeldLock] { states.map { HeldLock(state: $0) } }

    /// What is locked: each key once, in the order in which the locks are taken.
    public var keys: [LockKey] { states.map(\.key) }

    /// The lock on one of the keys, or `nil` if the key is not among them.
    public subscript(key: LockKey) -> HeldLock? {
        states.first { $0.key == key }.map { HeldLock(state: $0) }
    }

    /// Whether all the locks are held, as far as is known here and now. See ``HeldLock/isHeld``. Of no locks at all it is
    /// true.
    public var isHeld: Bool { states.allSatisfy(\.isHeld) }

    /// Why the first of the lost locks was lost, if any was lost.
    public var loss: LockError? { states.lazy.compactMap(\.loss).first }

    /// Waits until one of the locks is lost, or all are released.
    ///
    /// - Returns: Why the lock was lost; `nil` if they were released, if there are none, or if the waiting task was
    ///   cancelled.
    public func waitForEnd() async -> LockError? {
        await withTaskGroup(of: Void.self) { group in
            for lease in leases {
                group.addTask { _ = await lease.waitForEnd() }
            }
            await group.next()
            group.cancelAll()
        }
        // Not what the first to return has returned: the loss of one lock cancels the body, and with it the wait for others.
        return loss
    }
}
