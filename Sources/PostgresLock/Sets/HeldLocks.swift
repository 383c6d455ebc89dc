/// A view of several locks that are taken together: each key once, in the order in which the locks are taken. It can be copied and
/// passed around freely, and cannot release the locks.
///
/// It may outlive the locks; then ``isHeld`` is false.
public struct HeldLocks: RandomAccessCollection, Sendable {
    let states: [LockState]

    /// Always 0.
    public var startIndex: Int { 0 }

    /// The number of locks.
    public var endIndex: Int { states.count }

    /// The lock at a position, counted from 0.
    public subscript(position: Int) -> HeldLock { HeldLock(state: states[position]) }

    /// The lock on one of the keys, or `nil` if the key is not among them.
    public subscript(key: LockKey) -> HeldLock? {
        first { $0.key == key }
    }

    /// What is locked: each key once, in the order in which the locks are taken.
    public var keys: [LockKey] { states.map(\.key) }

    /// Whether all the locks are held, as far as can be known here and now; true if there are none. See ``HeldLock/isHeld``.
    public var isHeld: Bool { states.allSatisfy(\.isHeld) }

    /// Why the first of the lost locks was lost; `nil` if none was.
    public var loss: LockError? { states.loss }

    /// Waits until one of the locks is lost, or they are released.
    ///
    /// - Returns: Why the lock was lost; `nil` if they were released, if there are none, or if the waiting task was
    ///   cancelled.
    public func waitForEnd() async -> LockError? { await states.waitForEnd() }
}
