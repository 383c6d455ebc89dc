/// How long this process may keep a server lock for its own tasks before other processes have a chance to get it.
package struct HandoffLimit: Hashable, Sendable {
    /// How many times a release may pass the lock on inside the process; with 0, each release goes to the server.
    package var count: Int
    /// How long after the server's grant the lock may still be passed on, or joined by further shared holders without a question to the server.
    package var duration: Duration

    package init(count: Int, duration: Duration) {
        self.count = count
        self.duration = duration
    }

    /// Whether a task of the process may still have a lock that others of its tasks have had since the server's grant.
    ///
    /// - Parameters:
    ///   - handoffs: How many times a task has got it since the grant.
    ///   - isShared: Whether the task joins other shared holders. That is no handoff, but it prolongs the hold, so the duration counts.
    func allows(handoffs: Int, heldFor time: Duration, isShared: Bool) -> Bool {
        time <= duration && (isShared || handoffs <= count)
    }

    package static let unlimited = HandoffLimit(count: .max, duration: .seconds(Int64.max))
}
