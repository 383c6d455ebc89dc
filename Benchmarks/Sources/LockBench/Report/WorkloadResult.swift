/// The results of one workload.
struct WorkloadResult: Codable, Sendable {
    let name: String
    let title: String
    let note: String
    let surroundings: Surroundings
    /// The contender to whose first metric those of the others are compared.
    let reference: String?
    /// The metrics that are drawn as charts.
    let charted: [Metric]
    var rows: [Row]
    /// The contenders that failed, and the reasons.
    var failures: [String: String] = [:]

    init(_ workload: Workload) {
        name = workload.name
        title = workload.title
        note = workload.note
        surroundings = workload.surroundings
        reference = workload.reference
        charted = workload.charted
        rows = workload.contenders.flatMap { contender in
            contender.metrics.map { Row(contender: contender.id, title: contender.title, metric: $0, isOurs: contender.isOurs) }
        }
    }

    mutating func add(_ sample: Sample, contender: String, metric: String) {
        guard let index = rows.firstIndex(where: { $0.contender == contender && $0.metric.key == metric }) else { return }
        rows[index].samples.append(sample)
    }

    func row(_ contender: String, _ metric: String) -> Row? {
        rows.first { $0.contender == contender && $0.metric.key == metric }
    }

    /// The rows of each contender, in order.
    var contenders: [[Row]] {
        var order: [String] = []
        for row in rows where !order.contains(row.contender) { order.append(row.contender) }
        return order.map { id in rows.filter { $0.contender == id } }
    }

    /// The metrics of all contenders, in order.
    var metrics: [Metric] {
        var metrics: [Metric] = []
        for row in rows where !metrics.contains(row.metric) { metrics.append(row.metric) }
        return metrics
    }
}
