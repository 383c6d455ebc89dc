import ArgumentParser
import Foundation

/// `lock-bench run`: measures all contenders.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Measure everything (the default).",
        discussion: """
            Starts a PostgreSQL server in a temporary folder, and runs the contenders of all workloads in rounds, each in a \
            process of its own. Before each step the program waits until the machine is idle. Rounds that other processes \
            have disturbed are discarded. Ctrl-C stops everything and removes the server.

            pgbench is searched for in the folder of the server's programs and in PATH, the programs of Redis and etcd in PATH; \
            their servers run on free ports of 127.0.0.1. The Python peers are installed once from PyPI into \
            Benchmarks/.build-python; PGLOCK_PYTHON names the Python to use. Contenders that can't be had are left out, and the \
            result names what is missing.

            Beside each rate are the processor times of a pair: the client's and the server's.

            WORKLOADS: \(Catalogue.workloads.map(\.name).joined(separator: ", "))
            `lock-bench list` shows what they are, and the rows of each. `--only` takes the name of a workload, or WORKLOAD/ROW; * stands \
            for any characters: --only single/library --only 'single-*/pgbench-1'.

            EXIT STATUS:
              0   all steps of this library ran; the table shows whether the goals were reached
              1   a step of this library failed, or nothing could be measured
            130   interrupted
            """
    )

    @Option(help: ArgumentHelp("The number of rounds, in each of which each contender is measured once.", valueName: "number"))
    var rounds = 5

    @Option(help: ArgumentHelp("The length of each measurement.", valueName: "seconds"))
    var seconds = 1.5

    @Option(help: ArgumentHelp("The length of each run of the workload fleet.", valueName: "seconds"))
    var fleetSeconds = 10.0

    @Option(help: ArgumentHelp("Measure only this workload or row. Can be given several times.", valueName: "pattern"))
    var only: [String] = []

    @Flag(help: "Measure one short round, to test that all contenders work. Its numbers are not reliable.")
    var quick = false

    @Option(
        help: ArgumentHelp(
            "The number of cores that the server and all clients share; 0 for all. Restricting them needs Linux.",
            valueName: "number"
        )
    )
    var cores = 2

    @Option(help: ArgumentHelp("Write the results to this file.", valueName: "file"))
    var json: String?

    @Option(help: ArgumentHelp("Draw the charts into this folder.", valueName: "folder"))
    var charts: String?

    @Option(help: ArgumentHelp("Write the tables into this Markdown file, between its two markers.", valueName: "file"))
    var document: String?

    func validate() throws {
        guard (0...4096).contains(cores) else { throw ValidationError("--cores is \(cores); it has to be from 0 to 4096.") }
        guard (1...1000).contains(rounds) else { throw ValidationError("--rounds is \(rounds); it has to be from 1 to 1000.") }
        guard seconds >= 0.2, seconds <= 600 else { throw ValidationError("--seconds is \(seconds); it has to be from 0.2 to 600.") }
        guard fleetSeconds >= 0.5, fleetSeconds <= 600 else {
            throw ValidationError("--fleet-seconds is \(fleetSeconds); it has to be from 0.5 to 600.")
        }
        if let pattern = Selection(only).unmatched(in: Catalogue.workloads).first {
            throw ValidationError("No row matches --only \(pattern). `lock-bench list` shows all workloads and their rows.")
        }
    }

    func run() async throws {
        let cores = await Cores.restrict(to: cores)
        let plan = Plan(
            rounds: quick ? 1 : rounds,
            seconds: quick ? 0.5 : seconds,
            fleetSeconds: quick ? 2 : fleetSeconds,
            selection: Selection(only),
            cores: cores
        )
        let work = Task { try await Comparison(plan: plan).run() }
        let interrupts = Interrupts { work.cancel() }
        let result = await work.result
        if let signal = interrupts.received { throw ExitCode(128 + signal) }
        let report = try result.get()
        print(ReportText(report).text)
        if let json { try report.write(to: json) }
        if let charts { try ChartSet(report: report).write(to: charts) }
        if let document { try ReportDocument.put(report, into: document, charts: charts) }
        if report.libraryHasFailed || !report.hasSamples { throw ExitCode(1) }
    }
}
