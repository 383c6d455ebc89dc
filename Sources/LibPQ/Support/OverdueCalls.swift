/// Counts calls that have been given up and have not returned, and bounds how many more are begun.
///
/// A call of the system's, or of users' code, can be stuck for as long as the process lives, and keeps a thread or a task. So beyond a
/// few such calls further ones begin with growing pauses: the next one may go well, but what is stuck does not pile up.
package struct OverdueCalls: Sendable {
    /// How many may be overdue before pauses begin.
    package static let limit = 4
    static let firstPause = Duration.seconds(10)
    static let longestPause = Duration.seconds(600)

    private var count = 0
    private var lastBegan: ContinuousClock.Instant?

    package init() {}

    /// - Returns: Whether a further call may begin now; then it counts as begun.
    package mutating func begin(at now: ContinuousClock.Instant = .now) -> Bool {
        if count >= Self.limit, let lastBegan, now < lastBegan + pause { return false }
        lastBegan = now
        return true
    }

    /// A call was given up before it has returned.
    package mutating func noteOverdue() {
        count += 1
    }

    /// A call that was given up has returned.
    package mutating func noteReturned() {
        count -= 1
    }

    private var pause: Duration {
        min(Self.firstPause * (1 << min(count - Self.limit, 10)), Self.longestPause)
    }
}
