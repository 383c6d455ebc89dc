import ArgumentParser
import Foundation

/// `LockDemo demo-stale-holder`: the process that `LockDemo` stops while it holds a lock. Not for users.
struct StaleHolderCommand: AsyncParsableCommand {
    static let name = "demo-stale-holder"

    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Run as the process that the demonstration stops while it holds a lock.",
        shouldDisplay: false
    )

    @Option(name: .customLong("lease-of-lock")) var lease: Double

    func run() async throws {
        try await DemoWorkerCommand.work(lease: .seconds(lease)) { database in
            try await StaleHolder(database: database, orders: WorkerOrders()).run()
        }
    }
}
