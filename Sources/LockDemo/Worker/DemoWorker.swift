import ChildProcesses
import CommandSupport
import Foundation
import PostgresLock

/// Adds 1 to the counter repeatedly, in a way that needs a lock: it reads the counter, waits 2 ms, and writes it.
struct DemoWorker {
    let run: Int
    let number: Int
    let isLocked: Bool
    let database: DemoDatabase
    let orders: WorkerOrders

    func run() async throws {
        // The connections are made before the measurement starts.
        _ = try await database.read(run: run)
        if isLocked {
            try await database.locks.withLock("demo:worker:\(number)") { _ in }
        }
        Self.report(.ready)
        await orders.waitForGo()
        while !orders.isStopped {
            try await add()
            Self.report(.added)
        }
    }

    private func add() async throws {
        Self.report(.asking)
        guard isLocked else { return try await work(waited: .zero) }
        let asked = ContinuousClock.now
        // With the timeout a fault of the demonstration makes it fail instead of hang.
        try await database.locks.withLock("demo", timeout: .seconds(30)) { _ in
            try await work(waited: asked.duration(to: .now))
        }
    }

    private func work(waited: Duration) async throws {
        Self.report(.working(since: .now, waited: waited))
        let value = try await database.read(run: run)
        if orders.mustPause {
            // The worker is killed here, after its read and before its write, when no statement of unknown outcome is in progress.
            Self.report(.pausing)
            try await Task.sleep(for: .seconds(60))
        }
        try await Task.sleep(for: .milliseconds(2))
        try await database.write(value + 1, run: run, worker: number)
    }

    static func report(_ report: WorkerReport) {
        guard let line = try? report.line, Descriptor.write(line + "\n", to: STDOUT_FILENO) else {
            // The demonstration has ended, so the pipe has no reader.
            exit(ExitStatus.failure)
        }
    }
}
