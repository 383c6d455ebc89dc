/// A quantity that is measured of a contender.
struct Metric: Codable, Hashable, Sendable {
    /// The name in a worker's output.
    let key: String
    let title: String
    let unit: String

    static let pairs = Metric(key: "rate", title: "", unit: "pairs/s")
    static let handoffs = Metric(key: "rate", title: "", unit: "handoffs/s")
    static let grants = Metric(key: "rate", title: "", unit: "grants/s")
    /// The client's processor time for each pair, handoff or grant.
    static let client = Metric(key: "client", title: "client", unit: "µs")
    /// The server's processor time for each pair, handoff or grant.
    static let server = Metric(key: "server", title: "server", unit: "µs")
    static let smallerShare = Metric(key: "share", title: "smaller share", unit: "%")
    static let median = Metric(key: "p50", title: "p50", unit: "µs")
    static let percentile99 = Metric(key: "p99", title: "p99", unit: "µs")
    static let handovers = Metric(key: "count", title: "handovers", unit: "")
    static let taskMemory = Metric(key: "task", title: "any task's memory", unit: "B")
    static let memory = Metric(key: "bytes", title: "further memory per waiting task", unit: "B")
    static let cancelling = Metric(key: "cancelling", title: "all cancelled in", unit: "s")
    static let noticing = Metric(key: "noticing", title: "until the body is cancelled", unit: "ms")
    static let succeeding = Metric(key: "succeeding", title: "until the next holder has the lock", unit: "ms")
    static let left = Metric(key: "left", title: "left on the server", unit: "")

    /// Whether a smaller value is better: of times and memory.
    var isLessBetter: Bool { ["µs", "ms", "s", "B"].contains(unit) }

    /// The heading of its column.
    var heading: String {
        if title.isEmpty { return unit }
        return unit.isEmpty ? title : "\(title), \(unit)"
    }
}
