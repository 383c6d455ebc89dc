import Logging
import PostgresLock
import PostgresLockTesting

/// The demonstration from beginning to end.
struct Demo: Sendable {
    let workers: Int
    /// The length of each of the two runs.
    let seconds: Double
    /// The lease of the process that is stopped by SIGSTOP, in seconds.
    let lease: Double
    let display: any DemoDisplay

    /// How often the run without a lock is repeated at most, until it loses an update.
    private static let attemptsToLose = 5

    /// - Returns: Whether everything happened as the demonstration claims.
    func run() async throws -> Bool {
        display.say(introduction)
        display.note("Starting a PostgreSQL server for the demonstration …")
        // Each worker has up to three connections, and four with fencing tokens.
        let options = EphemeralPostgres.Options(settings: ["max_connections": "\(workers * 4 + 20)"])
        return try await EphemeralPostgres.withServer(options) { server in
            display.note("PostgreSQL \(server.serverVersion) is up; \(workers) processes start.")
            return try await DemoDatabase.with(url: server.connectionURL()) { try await compare($0) }
        }
    }

    private func compare(_ database: DemoDatabase) async throws -> Bool {
        try await database.prepare()
        let locked = try await DemoRun(number: 1, isLocked: true, workers: workers, seconds: seconds, database: database).run(display)
        var unlocked: DemoResult?
        for attempt in 1...Self.attemptsToLose {
            let run = DemoRun(number: 1 + attempt, isLocked: false, workers: workers, seconds: seconds, database: database)
            let result = try await run.run(display)
            unlocked = result
            if result.lost > 0 { break }
            display.note("By chance no update was lost without the lock. Repeating this run …")
        }
        guard let unlocked else { return false }
        display.say(DemoSummary(locked: locked, unlocked: unlocked).text)
        let isFenced = try await StaleWriteDemo(url: database.url, lease: lease).run(display)
        return locked.lost == 0 && locked.committed > 0 && unlocked.lost > 0 && isFenced
    }

    private var introduction: String {
        """
        \(workers) processes add 1 to the same counter in PostgreSQL: each reads it, waits 2 ms, and writes the value plus 1.
        Two processes that do so at the same time overwrite each other's update, unless a lock admits only one at a time.
        After half of the run, one process is killed by SIGKILL between its read and its write.
        """
    }
}
