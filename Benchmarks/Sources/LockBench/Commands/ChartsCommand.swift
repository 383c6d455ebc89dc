import ArgumentParser

/// `lock-bench charts`: draws the charts of an earlier run.
struct ChartsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "charts",
        abstract: "Draw the charts from a file that an earlier run wrote with --json."
    )

    @Argument(help: ArgumentHelp("The file with the results.", valueName: "file"))
    var file: String

    @Option(help: ArgumentHelp("The folder for the charts.", valueName: "folder"))
    var output = "."

    @Option(help: ArgumentHelp("Write the tables into this Markdown file, between its two markers.", valueName: "file"))
    var document: String?

    @Flag(help: "Also print the tables.")
    var table = false

    func run() throws {
        let report = try Report.read(from: file)
        try ChartSet(report: report).write(to: output)
        if let document { try ReportDocument.put(report, into: document, charts: output) }
        if table { print(ReportText(report).text) }
    }
}
