import ArgumentParser
import Foundation

/// `LockDemo demo-stale-holder`: the process that `LockDemo` freezes. Not for people.
struct StaleHolderCommand: AsyncParsableCommand {
    static let name = "demo-stale-holder"

    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "A process that the demonstration freezes while it holds a lock.",
        shouldDisplay: false
    )

    @Option(name: .customLong("lease-of-lock")) var lease: Double

    func run() async throws {
        try await DemoWorkerCommand.work(lease: .seconds(lease)) { database in
            try await StaleHolder(database: database, orders: WorkerOrders()).run()
        }
    }
}
