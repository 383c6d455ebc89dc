import ChildProcesses
import CommandSupport
import Foundation
import PostgresLock

/// Adds 1 to the counter again and again, in the way that needs a lock: it reads, waits a moment, and writes.
struct DemoWorker {
    let assignment: WorkerAssignment
    let number: Int
    let database: DemoDatabase
    let orders: WorkerOrders

    func run() async throws {
        // Connected before the clock runs.
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
        // The timeout is for the case that the demonstration itself is broken: it is to fail then, not to hang.
        try await database.locks.withLock("demo", timeout: .seconds(30)) { _ in
            try await work(waited: DemoClock.nanoseconds - asked)
        }
    }

    private func work(waited: Int64) async throws {
        Self.report(.working(since: DemoClock.nanoseconds, waited: waited))
        let value = try await database.read(run: assignment.run)
        if orders.mustPause {
            // Here the kill finds no statement under way, whose fate could be unknown: it has read, and will never write.
            Self.report(.pausing)
            try await Task.sleep(for: .seconds(60))
        }
        try await Task.sleep(for: .milliseconds(2))
        try await database.write(value + 1, run: assignment.run, worker: number)
    }

    static func report(_ report: WorkerReport) {
        guard Descriptor.write(report.line + "\n", to: STDOUT_FILENO) else {
            // Nobody listens any more: the demonstration is over.
            exit(ExitStatus.failure)
        }
    }
}
