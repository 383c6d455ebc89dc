/// A quantity that is measured of a contender.
struct Metric: Codable, Hashable, Sendable {
    /// The name in a worker's output.
    let key: String
    let title: String
    let unit: String

    static let pairs = Metric(key: "rate", title: "", unit: "pairs/s")
    static let handoffs = Metric(key: "rate", title: "", unit: "handoffs/s")
    static let grants = Metric(key: "rate", title: "grants", unit: "grants/s")
    static let smallerShare = Metric(key: "share", title: "smaller share", unit: "%")
    /// The memory of any task. Its unit differs, so that it is not in the same chart as the further memory of a waiting task.
    static let taskMemory = Metric(key: "bytes", title: "memory per task", unit: "B/task")
    static let memory = Metric(key: "bytes", title: "further memory per waiting task", unit: "B")
    static let cancelling = Metric(key: "cancel", title: "all cancelled in", unit: "s")
    static let noticing = Metric(key: "noticing", title: "until the body is cancelled", unit: "ms")
    static let succeeding = Metric(key: "succeeding", title: "until the next holder has the lock", unit: "ms")
    static let left = Metric(key: "left", title: "left on the server", unit: "")
}
