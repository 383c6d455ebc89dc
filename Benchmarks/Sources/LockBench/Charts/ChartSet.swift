import Foundation

/// The charts of a report: one for each workload and unit.
struct ChartSet {
    let report: Report

    func write(to folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (name, chart) in charts {
            try chart.svg.write(toFile: "\(folder)/\(name).svg", atomically: true, encoding: .utf8)
        }
    }

    private var charts: [(String, BarChart)] {
        report.workloads.flatMap { workload in
            // A chart has one unit and at least two bars, which can be compared.
            let measured = workload.rows.filter { $0.median != nil && !$0.metric.unit.isEmpty }.map(\.metric.unit)
            var units: [String] = []
            for unit in measured where !units.contains(unit) && measured.count(where: { $0 == unit }) > 1 {
                units.append(unit)
            }
            return units.map { unit in
                let name = unit == units.first ? workload.name : "\(workload.name)-\(Self.names[unit] ?? "more")"
                return (name, chart(workload, unit: unit))
            }
        }
    }

    private static let names = ["s": "cancelling"]

    private func chart(_ workload: WorkloadResult, unit: String) -> BarChart {
        let rows = workload.rows.filter { $0.metric.unit == unit }
        // A long chart is sorted, the largest value first. A short one keeps the order of the contenders.
        let sorted = rows.count > 4 ? rows.sorted { ($0.median ?? 0) > ($1.median ?? 0) } : rows
        return BarChart(
            title: workload.title,
            subtitle: """
                \(Self.description[unit] ?? unit) · median, least to most of the rounds · PostgreSQL on the same machine, \
                \(report.cores.used) cores
                """,
            bars: sorted.compactMap { row in
                guard let median = row.median, let range = row.range else { return nil }
                return BarChart.Bar(label: row.title, value: median, range: range, isOurs: row.isOurs)
            }
        )
    }

    private static let description = [
        "pairs/s": "acquire + release, pairs per second",
        "handoffs/s": "handoffs per second",
        "grants/s": "grants per second",
        "B": "resident bytes per waiting task, beyond those of a bare task",
        "s": "seconds until all are cancelled",
        "ms": "milliseconds from the request to end the backend",
    ]
}
