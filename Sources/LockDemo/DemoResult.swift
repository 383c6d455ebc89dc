/// The result of one run.
struct DemoResult: Sendable {
    let totals: DemoDatabase.Totals
    /// The times that all workers waited for the lock.
    let waits: [Duration]
    let kill: Kill?

    /// The SIGKILL after half of the run.
    struct Kill: Sendable {
        let worker: Int
        /// The next holder of the lock, and the time from the kill until it had the lock.
        var next: (worker: Int, after: Duration)?
    }

    var committed: Int { totals.committed }
    var lost: Int { totals.lost }
}
