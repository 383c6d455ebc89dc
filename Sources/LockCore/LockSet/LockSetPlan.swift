/// Decides in which steps several locks are taken together.
///
/// They are numbered in an order that is the same everywhere. All are tried at once, which is one round trip if they are
/// free. If not, the first one that could not be had is waited for, and while that lasts nothing that comes behind it is
/// held: so whoever waits holds only what comes before, and no ring of waits can close. Then the rest is tried again. Each
/// wait that ends with a grant makes the part that is kept longer; so, unless something is lost on the way, there are never
/// more waits than locks.
package struct LockSetPlan: Sendable {
    package enum Step: Hashable, Sendable {
        /// Ask for all of these at once, without waiting.
        case tryAll([Int])
        /// Ask for this one, and wait. At the same time let go of those behind it.
        case wait(Int, releasing: [Int])
        /// All are held.
        case complete
        /// These can't be had now, and waiting is not wanted.
        case refused([Int])
    }

    private let count: Int
    private let mayWait: Bool
    private var wereTried = false

    package init(count: Int, mayWait: Bool) {
        self.count = count
        self.mayWait = mayWait
    }

    /// What to do next. To be asked again when all that the step asks for has been answered.
    ///
    /// - Parameter isHeld: What is held at the moment. A lock that was lost again counts as one that is still to be had.
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
