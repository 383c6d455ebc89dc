/// The table of a workload: a line for each contender, and a column for each metric. The first metric is followed by its ratio to that of
/// the reference.
struct WorkloadTable {
    let workload: WorkloadResult

    var text: String {
        let metrics = workload.metrics
        let reference = workload.reference.flatMap { id in metrics.first.flatMap { workload.row(id, $0.key) } }
        let hasRatio = reference?.median != nil
        var headings = [""]
        for (index, metric) in metrics.enumerated() {
            headings += [metric.heading, ""]
            if index == 0, hasRatio { headings += ["ratio", ""] }
        }
        // The values are right-aligned, as are their spreads.
        var table = TextTable(rightAligned: Set(1..<headings.count))
        table.add(headings)
        for rows in workload.contenders {
            guard let first = rows.first else { continue }
            var cells = [first.title]
            if let failure = workload.failures[first.contender], first.samples.isEmpty {
                table.add([first.title, "failed: \(failure)"])
                continue
            }
            for (index, metric) in metrics.enumerated() {
                let row = rows.first { $0.metric == metric }
                cells += Self.cells(row?.estimate) { Numbers.text($0) }
                if index == 0, hasRatio { cells += Self.cells(reference.flatMap { row?.ratio(to: $0) }) { "×\(Numbers.text($0))" } }
            }
            table.add(cells + [Self.remark(first)])
        }
        return table.text
    }

    private static func cells(_ estimate: Estimate?, _ format: (Double) -> String) -> [String] {
        guard let estimate else { return ["", ""] }
        return [format(estimate.value), Self.spread(estimate)]
    }

    /// The spread of an estimate, in parentheses.
    static func spread(_ estimate: Estimate) -> String {
        guard let range = estimate.range else { return "" }
        return "(\(Numbers.text(range.lowerBound)) – \(Numbers.text(range.upperBound)))"
    }

    private static func remark(_ row: Row) -> String {
        let discarded = row.samples.count - row.countedRounds
        return row.isFlagged ? "* disturbed" : discarded > 0 ? "\(discarded) discarded" : ""
    }
}
