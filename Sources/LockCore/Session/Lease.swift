/// What follows from the lease, the time after which the server ends a session that it hears nothing of. Computed once, since divisions of
/// durations take long.
package struct Lease: Sendable {
    /// How long an answer proves that a session lives, from when the question was sent: the lease, less a margin of a tenth for clocks that
    /// run at different speeds.
    let validity: Duration
    /// So much of the validity must be left for a lock to be given out.
    let margin: Duration
    /// After how long of silence a session that holds something is asked for a heartbeat: at least twice in a lease.
    package let heartbeatInterval: Duration
    /// After how long of silence another shared session does the work of one, at most.
    package let longestOverdue: Duration

    package init(_ lease: Duration) {
        validity = lease - lease / 10
        margin = lease * 2 / 5
        heartbeatInterval = lease / 3
        longestOverdue = lease / 3
    }
}
