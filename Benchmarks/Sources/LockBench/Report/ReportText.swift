/// A report as text.
struct ReportText {
    private let report: Report

    init(_ report: Report) {
        self.report = report
    }

    var text: String {
        ([head] + report.workloads.map(section) + [goals]).joined(separator: "\n\n")
    }

    private var head: String {
        let software = report.software.map { "\($0.name) \($0.version)" }.joined(separator: "; ")
        let settings = report.serverSettings.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)" }.joined(separator: ", ")
        var lines = [
            "\(report.date): \(report.processor), \(report.cores.text), \(report.system)",
            software,
            "The server's settings: \(settings). Everything is on one machine.",
            """
            Medians (and least to most) of \(report.rounds) round\(report.rounds == 1 ? "" : "s") of \
            \(Numbers.text(report.seconds)) s (fleet: up to 3 rounds of \(Numbers.text(report.fleetSeconds)) s; crowd: up to 3; \
            pgbench: whole seconds).
            """,
            report.rule,
        ]
        lines += report.missing.map { "MISSING: \($0)" }
        return lines.map(Paragraph.wrapped).joined(separator: "\n")
    }

    private func section(_ workload: WorkloadResult) -> String {
        var table = TextTable(rightAligned: [1, 2, 4])
        for row in workload.rows {
            if let failure = workload.failures[row.contender], row.samples.isEmpty {
                table.add(row.label, "failed", "", failure)
                continue
            }
            let range = row.range.map { "\(Numbers.text($0.lowerBound)) – \(Numbers.text($0.upperBound))" } ?? ""
            let discarded = row.samples.count - row.countedRounds
            let remark = row.isFlagged ? "* disturbed" : discarded > 0 ? "\(discarded) discarded" : ""
            table.add(
                row.label,
                row.median.map(Numbers.text) ?? "—",
                "(\(range))",
                row.metric.unit,
                remark
            )
        }
        return "\(workload.name.uppercased()): \(workload.title)\n\(Paragraph.wrapped(workload.note))\n\(table.text)"
    }

    private var goals: String {
        var table = TextTable()
        for verdict in report.verdicts {
            table.add(verdict.workload, verdict.comparison, verdict.text, verdict.outcome)
        }
        return "GOALS\n\(table.text)"
    }
}
