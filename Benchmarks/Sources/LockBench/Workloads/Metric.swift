/// What a contender is measured by.
struct Metric: Codable, Hashable, Sendable {
    /// Its name in the results.
    let key: String
    let title: String
    let unit: String

    static let pairs = Metric(key: "rate", title: "", unit: "pairs/s")
    static let handoffs = Metric(key: "rate", title: "", unit: "handoffs/s")
    static let grants = Metric(key: "rate", title: "grants", unit: "grants/s")
    static let smallerShare = Metric(key: "share", title: "smaller share", unit: "%")
    /// What any task costs. A unit of its own: it must not stand in one chart with what comes on top of it.
    static let taskMemory = Metric(key: "bytes", title: "memory per task", unit: "B/task")
    static let memory = Metric(key: "bytes", title: "further memory per waiter", unit: "B")
    static let cancelling = Metric(key: "cancel", title: "all cancelled in", unit: "s")
    static let noticing = Metric(key: "noticing", title: "until the body is cancelled", unit: "ms")
    static let succeeding = Metric(key: "succeeding", title: "until the next one has the lock", unit: "ms")
    static let left = Metric(key: "left", title: "left on the server", unit: "")
}
