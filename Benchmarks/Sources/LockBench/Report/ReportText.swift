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
            Medians (and least to most) of \(report.rounds) interleaved round\(report.rounds == 1 ? "" : "s") of \
            \(Numbers.text(report.seconds)) s (fleet: up to 3 rounds of \(Numbers.text(report.fleetSeconds)) s; crowd: up to 3; \
            pgbench: whole seconds).
            """,
            """
            "client" and "server" are the processor times of each pair in microseconds, of user and kernel together: those of the client's \
            process, and of all processes of the server that it uses. "ratio" compares the first column with that of the row marked ×1; its \
            spread is that of the ratios within a round.
            """,
            report.rule,
        ]
        lines += report.promises.map { "WHAT IS COMPARED: \($0)" }
        lines += report.missing.map { "MISSING: \($0)" }
        return lines.map(Paragraph.wrapped).joined(separator: "\n")
    }

    private func section(_ workload: WorkloadResult) -> String {
        "\(workload.name.uppercased()): \(workload.title)\n\(Paragraph.wrapped(workload.note))\n\(WorkloadTable(workload: workload).text)"
    }

    private var goals: String {
        var table = TextTable()
        for verdict in report.verdicts {
            table.add(verdict.workload, verdict.comparison, verdict.text, verdict.outcome)
        }
        return "GOALS\n\(table.text)"
    }
}
