public import ArgumentParser
public import PostgresLock

/// The options of `pglock run` for a command that runs once per interval.
struct OnceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Run the command once per interval in the whole fleet, such as 24h, 15m, 7d; see above.",
            valueName: "interval"
        )
    )
    var oncePer: RunInterval?

    @Flag(help: "Count the interval from the last run, not by the server's clock.")
    var sinceLast = false

    @Option(
        help: ArgumentHelp(
            "Run the command again in the same interval if it has failed, or its machine has, but only after this time.",
            valueName: "interval"
        )
    )
    var repeatAfter: RunInterval?

    @OptionGroup
    var table: TableOptions

    func validate() throws {
        guard oncePer == nil else { return }
        for (isGiven, option) in [(sinceLast, "--since-last"), (repeatAfter != nil, "--repeat-after"), (table.table != nil, "--table")] {
            if isGiven { throw ValidationError("\(option) says something about --once-per, which is missing.") }
        }
    }

    /// What to run at most, or at least, once; `nil` without `--once-per`.
    func job(_ name: String) -> OnceJob? {
        oncePer.map { interval in
            OnceJob(
                name: name,
                interval: interval,
                counting: sinceLast ? .fromLastRun : .aligned,
                guarantee: repeatAfter.map { .atLeastOnce(repeatingAfter: $0.duration) } ?? .atMostOnce
            )
        }
    }

    /// The library's configuration with the table, and a lease that leaves room for two in an interval.
    func adapt(_ configuration: inout LockManager.Configuration) {
        guard let oncePer else { return }
        configuration.runTable = table.runTable
        configuration.lease = max(.seconds(1), min(configuration.lease ?? .seconds(30), oncePer.duration / 2))
    }
}

/// A command that runs once per interval.
struct OnceJob: Sendable {
    let name: String
    let interval: RunInterval
    let counting: RunCounting
    let guarantee: RunGuarantee
}

extension RunInterval: ExpressibleByArgument {}
extension RunTable: ExpressibleByArgument {}
