import ArgumentParser
import Foundation

/// `LockDemo demo-worker`: a worker process that `LockDemo` starts. Not for users.
struct DemoWorkerCommand: AsyncParsableCommand {
    static let name = "demo-worker"

    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Run as a worker process of the demonstration, which starts it itself.",
        shouldDisplay: false
    )

    @Option var run: Int
    @Option var worker: Int
    // The name differs from the options of `LockDemo`, which would otherwise parse it as its own.
    @Option var additions: Int?
    @Flag var locked = false

    func run() async throws {
        let assignment = WorkerAssignment(run: run, isLocked: locked, rounds: additions)
        let number = worker
        try await Self.work { database in
            try await DemoWorker(assignment: assignment, number: number, database: database, orders: WorkerOrders()).run()
        }
    }

    /// Runs a worker process with its database, and reports its failure to the demonstration.
    static func work(lease: Duration? = nil, _ body: (DemoDatabase) async throws -> Void) async throws {
        // The worker ends when a write fails; it must not be ended by a signal.
        signal(SIGPIPE, SIG_IGN)
        guard let url = ProcessInfo.processInfo.environment["PGLOCK_URL"] else {
            throw ValidationError("Only `LockDemo` itself can start this subcommand.")
        }
        let database = try DemoDatabase(url: url, lease: lease)
        do {
            try await body(database)
        } catch {
            DemoWorker.report(.failed("\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")))
        }
        await database.close()
    }
}
