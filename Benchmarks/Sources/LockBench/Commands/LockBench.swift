import ArgumentParser

/// `lock-bench`: the comparison with other ways to lock, and its charts.
@main
struct LockBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lock-bench",
        abstract: "Compares swift-postgres-lock with other ways to use PostgreSQL's advisory locks.",
        discussion: """
            Everything is measured in one run, on one throwaway server, in rounds: what counts are the ratios between \
            contenders, which stay what they are from machine to machine far better than any rate does.
            """,
        subcommands: [RunCommand.self, ChartsCommand.self, WorkerCommand.self],
        defaultSubcommand: RunCommand.self
    )
}
