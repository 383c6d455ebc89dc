import ArgumentParser
import Foundation

/// `pglock demo-worker`: one of the processes that `pglock demo` starts. Not for people.
struct DemoWorkerCommand: AsyncParsableCommand {
    static let name = "demo-worker"

    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "One of the processes of the demonstration, which starts them itself.",
        shouldDisplay: false
    )

    @Option var run: Int
    @Option var worker: Int
    @Option var rounds: Int?
    @Flag var locked = false

    func run() async throws {
        // Told by a failing write, the worker ends by itself.
        signal(SIGPIPE, SIG_IGN)
        guard let url = ProcessInfo.processInfo.environment["PGLOCK_URL"] else {
            throw ValidationError("This is for `pglock demo` to call.")
        }
        let assignment = WorkerAssignment(run: run, isLocked: locked, rounds: rounds)
        let database = try DemoDatabase(url: url)
        do {
            try await DemoWorker(assignment: assignment, number: worker, database: database, orders: WorkerOrders()).run()
        } catch {
            DemoWorker.report(.failed("\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")))
        }
        await database.close()
    }
}
