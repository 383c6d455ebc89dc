import ChildProcesses
import CommandSupport
import Foundation
import PostgresLock

/// Adds 1 to the counter repeatedly, in a way that needs a lock: it reads the counter, waits 2 ms, and writes it.
struct DemoWorker {
    let assignment: WorkerAssignment
    let number: Int
    let database: DemoDatabase
    let orders: WorkerOrders

    func run() async throws {
        // The connections are made before the measurement starts.
        _ = try await database.read(run: assignment.run)
        if assignment.isLocked {
            try await database.locks.withLock("demo:worker:\(number)") { _ in }
        }
        Self.report(.ready)
        await orders.waitForGo()
        var additions = 0
        while !orders.isStopped, orders.mustPause || additions < assignment.rounds ?? .max {
            try await add()
            additions += 1
            Self.report(.added)
        }
    }

    private func add() async throws {
        Self.report(.asking)
        guard assignment.isLocked else { return try await work(waited: 0) }
        let asked = DemoClock.nanoseconds
        // With the timeout a fault of the demonstration makes it fail instead of hang.
        try await database.locks.withLock("demo", timeout: .seconds(30)) { _ in
            try await work(waited: DemoClock.nanoseconds - asked)
        }
    }

    private func work(waited: Int64) async throws {
        Self.report(.working(since: DemoClock.nanoseconds, waited: waited))
        let value = try await database.read(run: assignment.run)
        if orders.mustPause {
            // The worker is killed here, after its read and before its write, when no statement of unknown outcome is in progress.
            Self.report(.pausing)
            try await Task.sleep(for: .seconds(60))
        }
        try await Task.sleep(for: .milliseconds(2))
        try await database.write(value + 1, run: assignment.run, worker: number)
    }

    static func report(_ report: WorkerReport) {
        guard Descriptor.write(report.line + "\n", to: STDOUT_FILENO) else {
            // The demonstration has ended, so the pipe has no reader.
            exit(ExitStatus.failure)
        }
    }
}
