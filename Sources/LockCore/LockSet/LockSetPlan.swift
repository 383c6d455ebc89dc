/// Decides in which steps several locks are taken together.
///
/// They are numbered in an order that is the same in all processes. All are tried at once, which is one round trip if they are free. If
/// not, the caller waits for the first one that is taken, and holds nothing that comes behind it meanwhile: so a waiting caller holds only
/// earlier locks, and no ring of waits can close. Then the rest is tried again. Each wait that ends with a grant makes the part that is
/// kept longer; so, unless a lock is lost meanwhile, there are never more waits than locks.
package struct LockSetPlan: Sendable {
    package enum Step: Hashable, Sendable {
        /// Ask for all of these at once, without waiting.
        case tryAll([Int])
        /// Ask for this one, and wait. At the same time release the given ones, which come behind it.
        case wait(Int, releasing: [Int])
        /// All are held.
        case complete
        /// These are taken, and the caller does not wait.
        case refused([Int])
    }

    private let count: Int
    private let mayWait: Bool
    private var wereTried = false

    package init(count: Int, mayWait: Bool) {
        self.count = count
        self.mayWait = mayWait
    }

    /// What to do next. It is called again when everything that the step asks for has been answered.
    ///
    /// - Parameter isHeld: Whether the lock is held now. A lock that was lost again is not.
    package mutating func next(isHeld: (Int) -> Bool) -> Step {
        let missing = (0..<count).filter { !isHeld($0) }
        guard let first = missing.first else { return .complete }
        if mayWait, wereTried || first == count - 1 {
            wereTried = false
            return .wait(first, releasing: (first + 1..<count).filter { isHeld($0) })
        }
        guard !wereTried else { return .refused(missing) }
        wereTried = true
        return .tryAll(missing)
    }
}
