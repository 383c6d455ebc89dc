/// How long this process may keep a server lock for its own tasks before other processes get their turn.
package struct HandoffLimit: Hashable, Sendable {
    /// How many times a release may pass the lock on inside the process; 0 gives the server's lock back each time.
    package var count: Int
    /// How long after the server's grant the lock may still be passed on, or joined by further shared holders.
    package var duration: Duration

    package init(count: Int, duration: Duration) {
        self.count = count
        self.duration = duration
    }

    package static let unlimited = HandoffLimit(count: .max, duration: .seconds(Int64.max))
}
