extension InMemoryLockServer {
    /// Whose time the server and its managers go by.
    public struct Time: Hashable, Sendable {
        let isManual: Bool

        /// Time passes as it does everywhere.
        public static let real = Time(isManual: false)

        /// Time stands still until the test sets it forward: see ``InMemoryLockServer/advance(by:)``.
        ///
        /// That is the time of timeouts, leases, heartbeats and polls, and of delays of the server. `Task.sleep` in the test or in the code
        /// under test goes by the system's time.
        public static let manual = Time(isManual: true)
    }

    /// Sets the time forward, on a server whose time is ``Time/manual``.
    ///
    /// What becomes due meanwhile happens at its time, one thing after the other: heartbeats, polls, timeouts, the ends of leases. When the call
    /// returns, server and managers have done all that is to be done by then. Tasks that were resumed by that may still have to run.
    ///
    /// A call that is to time out has to have begun: ``waitUntilQueued(for:count:)`` waits for that, and, while the server does not answer,
    /// ``waitUntilUnanswered(_:count:)``.
    ///
    /// - Parameter duration: How far.
    public func advance(by duration: Duration) async {
        precondition(timeline.isManual, "The time of this server is real. Make it by InMemoryLockServer(time: .manual).")
        precondition(duration >= .zero, "Time does not go back.")
        await timeline.advance(by: duration)
    }
}
