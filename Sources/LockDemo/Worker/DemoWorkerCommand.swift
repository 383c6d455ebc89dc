import ArgumentParser
import Foundation

/// `LockDemo demo-worker`: a worker process that `LockDemo` starts. Not for users.
struct DemoWorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo-worker",
        abstract: "Run as a worker process of the demonstration, which starts it itself.",
        shouldDisplay: false
    )

    @Option var run: Int
    @Option var worker: Int
    @Flag var locked = false

    /// The command line of a worker.
    static func arguments(run: Int, worker: Int, isLocked: Bool) -> [String] {
        ["demo-worker", "--run", "\(run)", "--worker", "\(worker)"] + (isLocked ? ["--locked"] : [])
    }

    func run() async throws {
        try await Self.work { database, orders in
            try await DemoWorker(run: run, number: worker, isLocked: locked, database: database, orders: orders).run()
        }
    }

    /// Runs a worker process with its database, and reports its failure to the demonstration.
    static func work(lease: Duration? = nil, _ body: (DemoDatabase, WorkerOrders) async throws -> Void) async throws {
        // The worker ends when a write fails; it must not be ended by a signal.
        signal(SIGPIPE, SIG_IGN)
        guard let url = ProcessInfo.processInfo.environment["PGLOCK_URL"] else {
            throw ValidationError("Only `LockDemo` itself can start this subcommand.")
        }
        try await DemoDatabase.with(url: url, lease: lease) { database in
            do {
                try await body(database, WorkerOrders())
            } catch {
                DemoWorker.report(.failed("\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")))
            }
        }
    }
}
