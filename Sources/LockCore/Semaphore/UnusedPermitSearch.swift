/// The search for a permit that is free and that no task takes.
///
/// A permit that was given back a moment ago is free, too, until the head takes it. So one counts as unused only if several looks find one.
package struct UnusedPermitSearch: Sendable {
    package enum Step: Hashable, Sendable {
        /// The permit is the task's.
        case keep
        /// Give the permit back, and look again after the pause.
        case giveBack(pause: Duration)
    }

    private static let looks = 3
    private static let pause = Duration.milliseconds(50)

    private var found = 0

    package init() {}

    /// A look has found a permit that was free, and has taken it.
    package mutating func hasFound() -> Step {
        found += 1
        return found < Self.looks ? .giveBack(pause: Self.pause) : .keep
    }
}
