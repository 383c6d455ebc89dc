/// How long this process may keep a server lock for its own tasks before other processes have a chance to get it.
package struct HandoffLimit: Hashable, Sendable {
    /// How many times a release may pass the lock on inside the process; with 0, each release goes to the server.
    package var count: Int
    /// How long after the server's grant the lock may still be passed on, or joined by further shared holders.
    package var duration: Duration

    package init(count: Int, duration: Duration) {
        self.count = count
        self.duration = duration
    }

    package static let unlimited = HandoffLimit(count: .max, duration: .seconds(Int64.max))
}
