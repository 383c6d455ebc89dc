/// The results of one workload.
struct WorkloadResult: Codable, Sendable {
    let name: String
    let title: String
    let note: String
    var rows: [Row]
    /// The contenders that failed, and the reasons.
    var failures: [String: String] = [:]

    init(_ workload: Workload) {
        name = workload.name
        title = workload.title
        note = workload.note
        rows = workload.contenders.flatMap { contender in
            contender.metrics.map { Row(contender: contender.id, title: contender.title, metric: $0, isOurs: contender.isOurs) }
        }
    }

    mutating func add(_ sample: Sample, contender: String, metric: String) {
        guard let index = rows.firstIndex(where: { $0.contender == contender && $0.metric.key == metric }) else { return }
        rows[index].samples.append(sample)
    }

    func median(_ contender: String, _ metric: String) -> Double? {
        rows.first { $0.contender == contender && $0.metric.key == metric }?.median
    }
}
