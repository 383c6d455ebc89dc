import Foundation
import PostgresLock

/// One of several processes that use a recipe. Each line that it prints ends with a time, in seconds since 1970.
///
/// - `RecipeWorker job URL INTERVAL MILLISECONDS-AHEAD SECONDS` runs a job once per interval, by a clock of its own.
/// - `RecipeWorker shares URL COUNT` works on shares until a SIGTERM.
/// - `RecipeWorker lead URL` campaigns and leads until a SIGTERM.
@main
struct RecipeWorker {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count > 2 else { return usage() }
        endWithParent()
        var configuration = LockManager.Configuration(url: arguments[2])
        configuration.lease = .seconds(1)
        configuration.applicationName = "worker \(ProcessInfo.processInfo.processIdentifier)"
        switch (arguments[1], arguments.dropFirst(3).compactMap { Double($0) }) {
        case ("job", let numbers) where numbers.count == 3:
            let locks = try LockManager(configuration: configuration)
            try await runJob(locks, interval: Int(numbers[0]), ahead: numbers[1] / 1000, seconds: numbers[2])
            await locks.shutdown()
        case ("shares", let numbers) where numbers.count == 1:
            let locks = try LockManager(configuration: configuration)
            try await untilTerminated { try await workOnShares(locks, count: Int(numbers[0])) }
            await locks.shutdown()
        case ("lead", []):
            configuration.lease = .seconds(2)
            let locks = try LockManager(configuration: configuration)
            try await untilTerminated { try await lead(locks) }
            await locks.shutdown()
        default:
            usage()
        }
    }

    /// An outage is no reason for a recipe to end, so a worker whose parent has gone would campaign on, without a server. No portable signal reports the
    /// parent's end, so the parent's id is polled.
    private static func endWithParent() {
        let parent = getppid()
        Thread.detachNewThread {
            while getppid() == parent { Thread.sleep(forTimeInterval: 0.5) }
            exit(1)
        }
    }

    private static func usage() {
        print("usage: RecipeWorker job URL INTERVAL MILLISECONDS-AHEAD SECONDS | shares URL COUNT | lead URL")
    }

    /// The job is called at each full second of a clock that is ahead, for some seconds. Lines: `calls TIME` before a call, `ran START` in the
    /// body, which lasts 0.3 s, and `returned TIME` after the call.
    private static func runJob(_ locks: LockManager, interval: Int, ahead: Double, seconds: Double) async throws {
        let end = Date().addingTimeInterval(seconds)
        while Date() < end {
            let clock = Date().timeIntervalSince1970 + ahead
            try await Task.sleep(for: .seconds(clock.rounded(.up) - clock))
            say("calls \(Date().timeIntervalSince1970)")
            try await locks.runOnce("job", every: .seconds(interval)) { run in
                say("ran \(Int(run.intervalStart.timeIntervalSince1970))")
                try await Task.sleep(for: .milliseconds(300))
            }
            say("returned \(Date().timeIntervalSince1970)")
        }
    }

    /// Lines: `begin SHARE TIME` and `end SHARE TIME`, at the beginning and at the end of a body, which ends as soon as it is cancelled.
    private static func workOnShares(_ locks: LockManager, count: Int) async throws {
        try await locks.withShares(of: "work", count: count) { share, lock in
            say("begin \(share) \(Date().timeIntervalSince1970)")
            _ = await lock.waitForEnd()
            say("end \(share) \(Date().timeIntervalSince1970)")
        }
    }

    /// Lines: `leads TIME` and `ends TIME`, at the beginning and at the end of a term.
    private static func lead(_ locks: LockManager) async throws {
        let election = try LeaderElection("work", locks: locks) { term in
            say("leads \(Date().timeIntervalSince1970)")
            _ = await term.lock.waitForEnd()
            say("ends \(Date().timeIntervalSince1970)")
        }
        try await election.run()
    }

    /// Cancels the body when the process gets a SIGTERM.
    private static func untilTerminated(_ body: @escaping @Sendable () async throws -> Void) async throws {
        signal(SIGTERM, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGTERM)
        let task = Task { try await body() }
        source.setEventHandler { task.cancel() }
        source.resume()
        defer { source.cancel() }
        do {
            try await task.value
        } catch is CancellationError {
            return
        }
    }

    /// Prints a line without buffering, because the process may be killed at any moment.
    private static func say(_ line: String) {
        FileHandle.standardOutput.write(Data((line + "\n").utf8))
    }
}
