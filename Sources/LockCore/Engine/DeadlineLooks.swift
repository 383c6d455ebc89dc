/// What the server is asked about before deadlines, and when.
struct DeadlineLooks: Sendable {
    struct Look: Sendable {
        /// The server has to say of the time since then that the lock is taken.
        var since: Instant
        var until: Instant
    }

    /// The calls that have joined waits, each with the time from which on the server is asked about its key.
    var planned = DeadlineQueue()
    /// The keys that it is asked about until it has said that they are taken, or the deadlines of the calls are over.
    var due: [AdvisoryKey: Look] = [:]
    /// When it is asked about these again.
    var repeatAt: Instant?

    mutating func add(_ key: AdvisoryKey, since: Instant, until: Instant) {
        let look = due[key] ?? Look(since: since, until: until)
        due[key] = Look(since: max(look.since, since), until: max(look.until, until))
    }
}
