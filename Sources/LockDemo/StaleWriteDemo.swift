import ChildProcesses
import CommandSupport
import Foundation
import PostgresLock

/// The last part of the demonstration: a holder is frozen for longer than its lease, wakes up when somebody else has had the lock,
/// and writes. The fencing token stops it.
struct StaleWriteDemo {
    let url: String
    /// In seconds.
    let lease: Double

    /// - Returns: Whether the late write was refused.
    func run(_ display: any DemoDisplay) async throws -> Bool {
        display.say(
            """
            One process takes a lock, and is frozen (SIGSTOP) for longer than its lease of \(Text.seconds(lease)). PostgreSQL ends its session
            and lets the next one in. When the first one wakes up, it writes without another look at its lock. The table that it
            writes to keeps the fencing token of the last writer, and takes no lower one.
            """
        )
        let database = try DemoDatabase(url: url, lease: .seconds(lease))
        do {
            let isFine = try await freeze(database, display)
            await database.close()
            return isFine
        } catch {
            await database.close()
            throw error
        }
    }

    private func freeze(_ database: DemoDatabase, _ display: any DemoDisplay) async throws -> Bool {
        let holder = try ChildProcess.worker([StaleHolderCommand.name, "--lease-of-lock", "\(lease)"], url: url)
        do {
            var lines = holder.lines.makeAsyncIterator()
            guard case .holding(let token) = try await report(&lines) else { throw unexpected }
            holder.signal(SIGSTOP)
            let frozenAt = DemoClock.nanoseconds
            display.note("The first process has the lock, with the token \(token); now it is frozen.")
            try await database.locks.withLock(LockKey(StaleHolder.lockName), timeout: .seconds(lease + 30)) { lock in
                let after = Double(DemoClock.nanoseconds - frozenAt) / 1e9
                let token = lock.fencingToken?.description ?? "none"
                display.note("The second one has it \(Text.seconds(after)) later, with the token \(token), and writes.")
                let isAccepted = try await database.write("the second process", fencedBy: lock.fencingToken)
                guard isAccepted else { throw CommandFailure(ExitStatus.failure, "The rightful holder's write was refused.") }
            }
            holder.signal(SIGCONT)
            holder.tell(.go)
            guard case .wrote(let isHeld, let isAccepted) = try await report(&lines) else { throw unexpected }
            display.note(
                "The first one wakes up: its isHeld is \(isHeld), it writes all the same, and is \(isAccepted ? "not refused" : "refused")."
            )
            let writer = try await database.lastWriter()
            await holder.end()
            let isFine = !isHeld && !isAccepted && writer == "the second process"
            display.say(
                isFine
                    ? "The last write is the one of \(writer ?? "nobody"): a holder of the past has changed nothing."
                    : "The holder of the past was not stopped. THIS MUST NOT HAPPEN: please report it."
            )
            return isFine
        } catch {
            await holder.end()
            throw error
        }
    }

    private func report(_ lines: inout AsyncStream<String>.Iterator) async throws -> WorkerReport {
        let line = await lines.next()
        try Task.checkCancellation()
        guard let report = line.flatMap({ WorkerReport(line: $0) }) else { throw unexpected }
        if case .failed(let message) = report {
            throw CommandFailure(ExitStatus.failure, "The process that was to be frozen has failed: \(message)")
        }
        return report
    }

    private var unexpected: CommandFailure {
        CommandFailure(ExitStatus.failure, "The process that was to be frozen has ended, or said something unexpected.")
    }
}
