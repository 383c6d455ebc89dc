/// Counts calls that were given up and have not returned, and limits how many more may begin.
///
/// A call of the system, or of users' code, can be stuck for as long as the process lives, and keeps a thread or a task. So after a few
/// such calls, further ones may begin only after growing pauses: the next call may succeed, but stuck calls don't accumulate.
package struct OverdueCalls: Sendable {
    /// One call.
    package struct ID: Hashable, Sendable {
        fileprivate let number: Int
    }

    /// How many may be overdue before pauses begin.
    package static let limit = 4
    static let firstPause = Duration.seconds(10)
    static let longestPause = Duration.seconds(600)

    private var begunCount = 0
    private var running: Set<ID> = []
    private var overdue: Set<ID> = []
    private var lastBegan: ContinuousClock.Instant?

    package init() {}

    /// Whether no call is under way, given up or not.
    var isQuiet: Bool { running.isEmpty && overdue.isEmpty }

    /// - Returns: `nil` if no further call may begin now.
    package mutating func begin(at now: ContinuousClock.Instant = .now) -> ID? {
        if overdue.count >= Self.limit, let lastBegan, now < lastBegan + pause { return nil }
        lastBegan = now
        begunCount += 1
        let id = ID(number: begunCount)
        running.insert(id)
        return id
    }

    /// The call is not waited for any longer. Does nothing if it has returned.
    ///
    /// - Returns: Whether it was under way.
    @discardableResult
    package mutating func giveUp(_ id: ID) -> Bool {
        guard running.remove(id) != nil else { return false }
        overdue.insert(id)
        return true
    }

    /// The call has returned, whether it was given up before or not.
    package mutating func noteReturned(_ id: ID) {
        running.remove(id)
        overdue.remove(id)
    }

    private var pause: Duration {
        min(Self.firstPause * (1 << min(overdue.count - Self.limit, 10)), Self.longestPause)
    }
}
