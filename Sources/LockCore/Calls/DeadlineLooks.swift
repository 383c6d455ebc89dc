/// The keys that the server is asked about before deadlines, again and again, until it has said that they are taken.
struct DeadlineLooks: Sendable {
    struct Look: Sendable {
        /// The server has to say of the time since then that the lock is taken.
        var since: Instant
        /// The last deadline of the calls that want to know.
        var until: Instant
    }

    private var looks: [AdvisoryKey: Look] = [:]
    /// When it is asked about these again.
    private(set) var repeatAt: Instant?

    var isEmpty: Bool { looks.isEmpty }
    var keys: some Sequence<AdvisoryKey> { looks.keys }

    mutating func add(_ key: AdvisoryKey, since: Instant, until: Instant) {
        let look = looks[key] ?? Look(since: since, until: until)
        looks[key] = Look(since: max(look.since, since), until: max(look.until, until))
    }

    mutating func remove(_ key: AdvisoryKey) { looks[key] = nil }

    /// - Returns: What is to be asked again now; `nil` if it is not time for that.
    mutating func takeRepeated(now: Instant) -> [AdvisoryKey: Look]? {
        guard let at = repeatAt, at <= now else { return nil }
        repeatAt = nil
        return looks
    }

    /// Has no effect if that is planned already.
    mutating func planRepeat(at time: Instant) { repeatAt = repeatAt ?? time }
}
