/// The keys about which the server is asked before deadlines, repeatedly, until it has said that they are taken.
struct DeadlineLooks: Sendable {
    struct Look: Sendable {
        /// The lock has to be taken at some time since then.
        var since: Instant
        /// The last deadline of the calls that want the key.
        var until: Instant
    }

    private static let pause = Duration.milliseconds(100)

    private var looks: [AdvisoryKey: Look] = [:]
    /// When the server is asked again.
    private(set) var repeatAt: Instant?

    var isEmpty: Bool { looks.isEmpty }

    mutating func add(_ key: AdvisoryKey, since: Instant, until: Instant) {
        let look = looks[key] ?? Look(since: since, until: until)
        looks[key] = Look(since: max(look.since, since), until: max(look.until, until))
    }

    /// - Parameter isWorthAsking: Whether the answer can still make a difference. If not, the key is dropped.
    /// - Returns: The keys that are asked about again now.
    mutating func takeRepeated(now: Instant, isWorthAsking: (AdvisoryKey, Look) -> Bool) -> [AdvisoryKey] {
        guard let at = repeatAt, at <= now else { return [] }
        repeatAt = nil
        looks = looks.filter { isWorthAsking($0.key, $0.value) }
        return Array(looks.keys)
    }

    /// Has no effect if that is planned already.
    mutating func planRepeat(now: Instant) { repeatAt = repeatAt ?? now.advanced(by: Self.pause) }
}
