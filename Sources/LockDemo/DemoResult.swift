/// The result of one run.
struct DemoResult: Sendable {
    let isLocked: Bool
    let totals: DemoDatabase.Totals
    /// The times that all workers waited for the lock, in nanoseconds.
    let waits: [Int64]
    let kill: Kill?

    /// The SIGKILL after half of the run.
    struct Kill: Sendable {
        let worker: Int
        /// The next holder of the lock, and the time from the kill until it had the lock, in nanoseconds.
        var next: (worker: Int, after: Int64)?
    }

    var committed: Int { totals.committed }
    var lost: Int { totals.lost }
}
