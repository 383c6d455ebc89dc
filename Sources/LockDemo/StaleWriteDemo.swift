import ChildProcesses
import CommandSupport
import Foundation
import PostgresLock

/// The last part of the demonstration. A process that holds a lock is stopped for longer than its lease. When it continues, another
/// process has had the lock, and its write is refused because of its lower fencing token.
struct StaleWriteDemo {
    let url: String
    /// In seconds.
    let lease: Double

    /// - Returns: Whether the late write was refused.
    func run(_ display: any DemoDisplay) async throws -> Bool {
        display.say(
            """
            One process takes a lock and is stopped (SIGSTOP) for longer than its lease of \(Text.seconds(lease)). PostgreSQL ends its session
            and grants the lock to the next process. When the first process continues, it writes without checking its lock. The table
            stores the fencing token of the last write and refuses a write with a lower token.
            """
        )
        return try await DemoDatabase.with(url: url, lease: .seconds(lease)) { try await freeze($0, display) }
    }

    private func freeze(_ database: DemoDatabase, _ display: any DemoDisplay) async throws -> Bool {
        let holder = try ChildProcess.worker([StaleHolderCommand.name, "--lease-of-lock", "\(lease)"], url: url)
        do {
            var lines = holder.lines.makeAsyncIterator()
            guard case .holding(let token) = try await report(&lines) else { throw unexpected }
            holder.signal(SIGSTOP)
            let frozenAt = ContinuousClock.now
            display.note("The first process has the lock, with the token \(token); now it is stopped.")
            try await database.locks.withLock(LockKey(StaleHolderCommand.lockName), timeout: .seconds(lease + 30)) { lock in
                let after = frozenAt.duration(to: .now) / .seconds(1)
                let token = lock.fencingToken?.description ?? "none"
                display.note("The second process has the lock \(Text.seconds(after)) later, with the token \(token), and writes.")
                let isAccepted = try await database.write("the second process", fencedBy: lock.fencingToken)
                guard isAccepted else { throw CommandFailure(ExitStatus.failure, "The write of the lock's holder was refused.") }
            }
            holder.signal(SIGCONT)
            holder.tell(.go)
            guard case .wrote(let isHeld, let isAccepted) = try await report(&lines) else { throw unexpected }
            display.note(
                "The first process continues: its isHeld is \(isHeld), it writes all the same, and is \(isAccepted ? "not refused" : "refused")."
            )
            let writer = try await database.lastWriter()
            await holder.end()
            let isRefused = !isHeld && !isAccepted && writer == "the second process"
            display.say(
                isRefused
                    ? "The last write is that of the second process: the former holder of the lock has changed nothing."
                    : "The former holder of the lock was able to write. THIS MUST NOT HAPPEN: please report it."
            )
            return isRefused
        } catch {
            await holder.end()
            throw error
        }
    }

    private func report(_ lines: inout AsyncStream<String>.Iterator) async throws -> WorkerReport {
        let line = await lines.next()
        try Task.checkCancellation()
        guard let report = line.flatMap({ try? WorkerReport(line: $0) }) else { throw unexpected }
        if case .failed(let message) = report {
            throw CommandFailure(ExitStatus.failure, "The process that was to be stopped has failed: \(message)")
        }
        return report
    }

    private var unexpected: CommandFailure {
        CommandFailure(ExitStatus.failure, "The process that was to be stopped has ended, or sent an unexpected report.")
    }
}
