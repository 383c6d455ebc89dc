/// A goal of this library, which is checked against the results of one run.
struct Requirement: Sendable {
    let workload: String
    /// The contenders whose numbers decide, this library's first.
    let contenders: [String]
    let text: String
    let goal: Double
    var isMinimum = true
    var unit = "×"
    let measure: @Sendable (Report) -> Estimate?

    /// Whether the contender took part for which it is a goal.
    func isMeasured(by report: Report) -> Bool {
        rows(report).contains { $0.contender == contenders.first }
    }

    func verdict(_ report: Report) -> Verdict {
        let estimate = measure(report)
        return Verdict(
            workload: workload,
            text: text,
            value: estimate?.value,
            least: estimate?.range?.lowerBound,
            most: estimate?.range?.upperBound,
            goal: goal,
            isMinimum: isMinimum,
            unit: unit,
            isDisturbed: rows(report).contains { contenders.contains($0.contender) && $0.isFlagged }
        )
    }

    private func rows(_ report: Report) -> [Row] {
        report.workloads.first { $0.name == workload }?.rows ?? []
    }

    /// A ratio of two contenders' values of a metric.
    static func ratio(
        _ workload: String,
        _ text: String,
        _ ours: String,
        to theirs: String,
        _ metric: Metric = .pairs,
        atLeast least: Double? = nil,
        atMost most: Double? = nil
    ) -> Requirement {
        Requirement(workload: workload, contenders: [ours, theirs], text: text, goal: least ?? most ?? 1, isMinimum: least != nil) {
            report in
            guard let ours = report.row(workload, ours, metric.key), let theirs = report.row(workload, theirs, metric.key) else {
                return nil
            }
            return ours.ratio(to: theirs)
        }
    }

    /// A value of one contender, in the metric's unit.
    static func value(
        _ workload: String,
        _ text: String,
        _ contender: String,
        _ metric: Metric,
        atLeast least: Double? = nil,
        atMost most: Double? = nil
    ) -> Requirement {
        Requirement(
            workload: workload,
            contenders: [contender],
            text: text,
            goal: least ?? most ?? 0,
            isMinimum: least != nil,
            unit: metric.unit
        ) { report in
            report.row(workload, contender, metric.key)?.estimate
        }
    }
}
