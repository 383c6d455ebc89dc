import Foundation

/// The charts of a report: for each workload one of each charted metric.
struct ChartSet {
    struct Chart {
        /// The name of its file, without the extension.
        let name: String
        let content: BarChart
    }

    let report: Report

    func write(to folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for chart in charts {
            try chart.content.svg.write(toFile: "\(folder)/\(chart.name).svg", atomically: true, encoding: .utf8)
        }
    }

    var charts: [Chart] {
        report.workloads.flatMap { workload in
            workload.charted.compactMap { metric in
                // A chart has at least two bars, which can be compared.
                guard workload.rows.count(where: { $0.metric == metric && $0.median != nil }) > 1 else { return nil }
                let isFirst = metric == workload.charted.first
                return Chart(name: isFirst ? workload.name : "\(workload.name)-\(metric.key)", content: chart(workload, metric))
            }
        }
    }

    private func chart(_ workload: WorkloadResult, _ metric: Metric) -> BarChart {
        let rows = workload.rows.filter { $0.metric == metric }
        // A long chart is sorted, the best value first. A short one keeps the order of the contenders.
        let ascending = rows.sorted { ($0.median ?? 0) < ($1.median ?? 0) }
        let sorted = rows.count > 4 ? (metric.isLessBetter ? ascending : ascending.reversed()) : rows
        return BarChart(
            title: workload.title,
            measure: (Self.description[metric] ?? metric.heading) + (metric.isLessBetter ? " (less is better)" : ""),
            circumstances: "median, least to most of the rounds · one machine, \(report.cores.used) cores",
            bars: sorted.compactMap { row in
                guard let estimate = row.estimate, let range = estimate.range else { return nil }
                return BarChart.Bar(label: row.title, value: estimate.value, range: range, isOurs: row.isOurs)
            }
        )
    }

    private static let description: [Metric: String] = [
        .pairs: "acquire + release, pairs per second",
        .handoffs: "handoffs per second",
        .grants: "grants per second",
        .client: "the client's processor time for each pair, µs",
        .median: "median time, µs",
        .memory: "resident bytes per waiting task, beyond those of a bare task",
        .cancelling: "seconds until all are cancelled",
        .noticing: "milliseconds from the request to end the backend",
    ]
}
