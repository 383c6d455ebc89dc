import ArgumentParser

/// `lock-bench charts`: draws what was measured before.
struct ChartsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "charts",
        abstract: "Draw the charts from a file that an earlier run has written with --json."
    )

    @Argument(help: ArgumentHelp("The results.", valueName: "file"))
    var file: String

    @Option(help: ArgumentHelp("Where the charts go.", valueName: "folder"))
    var output = "."

    @Option(help: ArgumentHelp("Put the tables into this Markdown file, between its marks.", valueName: "file"))
    var document: String?

    @Flag(help: "Print the tables too.")
    var table = false

    func run() throws {
        let report = try Report.read(from: file)
        try ChartSet(report: report).write(to: output)
        if let document { try ReportDocument.put(report, into: document) }
        if table { print(ReportText(report).text) }
    }
}
