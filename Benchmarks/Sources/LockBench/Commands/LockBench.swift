import ArgumentParser

/// `lock-bench`: compares the library with other lock clients, and draws charts.
@main
struct LockBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lock-bench",
        abstract: "Compare swift-postgres-lock with other clients of PostgreSQL's advisory locks, and with other locks.",
        discussion: """
            All contenders are measured in one run, in rounds, on temporary servers. Compare the ratios between contenders: \
            they differ much less between machines than the rates do.
            """,
        subcommands: [RunCommand.self, ListCommand.self, ChartsCommand.self, WorkerCommand.self],
        defaultSubcommand: RunCommand.self
    )
}
