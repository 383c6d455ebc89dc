import ArgumentParser
import Foundation

/// `LockDemo demo-worker`: one of the processes that `LockDemo` starts. Not for people.
struct DemoWorkerCommand: AsyncParsableCommand {
    static let name = "demo-worker"

    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "One of the processes of the demonstration, which starts them itself.",
        shouldDisplay: false
    )

    @Option var run: Int
    @Option var worker: Int
    // Not named as an option of the demonstration, which would take it for its own.
    @Option var additions: Int?
    @Flag var locked = false

    func run() async throws {
        let assignment = WorkerAssignment(run: run, isLocked: locked, rounds: additions)
        let number = worker
        try await Self.work { database in
            try await DemoWorker(assignment: assignment, number: number, database: database, orders: WorkerOrders()).run()
        }
    }

    /// What the demonstration's processes have in common: where they work, and that they tell of their failures.
    static func work(lease: Duration? = nil, _ body: (DemoDatabase) async throws -> Void) async throws {
        // Told by a failing write, the worker ends by itself.
        signal(SIGPIPE, SIG_IGN)
        guard let url = ProcessInfo.processInfo.environment["PGLOCK_URL"] else {
            throw ValidationError("This is for `LockDemo` to call.")
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
