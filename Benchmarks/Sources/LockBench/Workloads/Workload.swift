/// A task for measurement, and the contenders that perform it.
struct Workload: Sendable {
    let name: String
    let title: String
    /// An explanation of the numbers.
    let note: String
    var surroundings = Surroundings.free
    /// The contender to whose first metric the others' are compared in the table; `nil` for no such column.
    var reference: String?
    /// The metrics that are drawn as charts.
    var charted: [Metric] = [.pairs]
    var contenders: [Contender]

    /// The contenders of a round. Each round begins with another contender.
    func contenders(inRound round: Int) -> [Contender] {
        let taking = contenders.filter { round < $0.rounds }
        guard !taking.isEmpty else { return [] }
        let start = round % taking.count
        return Array(taking[start...] + taking[..<start])
    }

    func with(_ isIncluded: (Contender) -> Bool) -> Workload {
        var workload = self
        workload.contenders = contenders.filter(isIncluded)
        return workload
    }

    func chosen(by selection: Selection) -> Workload {
        with { selection.includes(workload: name, row: $0.id) }
    }
}
