/// What has come of one run.
struct DemoResult: Sendable {
    let isLocked: Bool
    let totals: DemoDatabase.Totals
    /// From asking for the lock to getting it, in nanoseconds, over all workers.
    let waits: [Int64]
    let kill: Kill?

    /// The SIGKILL half way.
    struct Kill: Sendable {
        let worker: Int
        /// The next holder of the lock, and when it had it, in nanoseconds after the kill.
        var next: (worker: Int, after: Int64)?
    }

    var committed: Int { totals.committed }
    var lost: Int { totals.lost }
}
