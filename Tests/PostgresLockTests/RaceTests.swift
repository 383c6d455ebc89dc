import FaultTools
import PostgresLock
import PostgresLockTesting
import Testing

/// An acquire that does not return a lock leaves none behind, whatever it races with.
///
/// Take the unlock after a failed wait out of the engine (`waitFailed`), and these tests fail after some ten seconds.
@Suite("Races")
struct RaceTests {
    enum Rival: String, CaseIterable, Sendable {
        case cancellation
        case timeout
    }

    @Test("a grant that races the end of its wait leaves no lock behind", .database, arguments: Rival.allCases)
    func fast(rival: Rival) async throws {
        let database = try TestDatabase.get()
        try await race(rival, lanes: 8, rounds: 400, url: database.url, spread: 1_500)
    }

    @Test(
        "over a slow link, where a cancel can come before its wait has begun, a grant that races the end of its wait leaves no lock behind",
        .server(),
        arguments: Rival.allCases
    )
    func slow(rival: Rival) async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .milliseconds(5))
        defer { link.close() }
        let url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
        try await race(rival, lanes: 8, rounds: 40, url: url, spread: 40_000)
    }

    /// Take the unlock after a failed statement out of the sessions (`verifyNotHeld`), or have the block that waits take the session's
    /// lock where it catches the cancel, and this fails.
    @Test(
        "on an explicit session a grant that races the end of its wait leaves no lock behind, and the session's other locks stay held",
        .database,
        arguments: Rival.allCases
    )
    func session(rival: Rival) async throws {
        let database = try TestDatabase.get()
        let (holder, racer) = (try database.manager(), try database.manager())
        try await racer.withLock("warm") { _ in }
        try await racer.withSession { session in
            try await session.acquire("kept")
            var tally = (won: 0, lost: 0)
            for _ in 0..<600 {
                let held = try await holder.acquire("a", timeout: .seconds(120))
                let scale = Self.scale()
                let release = Int.random(in: 0...1_500) * scale
                let timeout = Duration.microseconds(max(1, release + Int.random(in: -300...1_500) * scale))
                let waiting = Task { try await session.acquire("a", timeout: rival == .timeout ? timeout : .seconds(120)) }
                let cancelling = Task {
                    guard rival == .cancellation else { return }
                    try await Task.sleep(for: timeout)
                    waiting.cancel()
                }
                try await Task.sleep(for: .microseconds(release))
                try await held.release()
                if case .success = await waiting.result {
                    tally.won += 1
                    try await session.release("a")
                } else {
                    tally.lost += 1
                }
                try await cancelling.value
                #expect(try await holder.isFree("a"))
            }
            #expect(try await database.locks() == 1)
            let verifications = await racer.verifiedAfterError
            print("session race with \(rival): \(tally); errors while holding: \(verifications.held), otherwise: \(verifications.notHeld)")
            #expect(tally.won > 0 && tally.lost > 0)
        }
    }

    /// Some rounds take longer than most, so that a grant can win on machines of any speed.
    private static func scale() -> Int { Int.random(in: 0..<16) == 0 ? 20 : 1 }

    /// In every round one manager releases while the other's wait for the same key ends.
    ///
    /// - Parameter spread: The longest time between the two, in microseconds.
    private func race(_ rival: Rival, lanes: Int, rounds: Int, url: String, spread: Int) async throws {
        let database = try TestDatabase.get()
        let holder = try database.manager { $0.pool.maximumConnections = 20 }
        let racer = try database.manager {
            $0.url = url
            $0.pool.maximumConnections = 20
        }
        // Connected before, so that the race is with the wait and not with connecting.
        try await racer.withLock("warm") { _ in }
        let tally = try await withThrowingTaskGroup(of: (won: Int, lost: Int).self) { group in
            for lane in 0..<lanes {
                group.addTask {
                    var tally = (won: 0, lost: 0)
                    for _ in 0..<rounds {
                        let isWon = try await runOnce(rival, LockKey(number: Int64(lane)), holder, racer, spread: spread)
                        tally.won += isWon ? 1 : 0
                        tally.lost += isWon ? 0 : 1
                    }
                    return tally
                }
            }
            return try await group.reduce((won: 0, lost: 0)) { ($0.won + $1.won, $0.lost + $1.lost) }
        }
        await racer.shutdown()
        try await database.eventually("no lock remains") { try await database.locks() == 0 }
        for lane in 0..<lanes {
            #expect(try await holder.isFree(LockKey(number: Int64(lane))))
        }
        let verifications = await racer.verifiedAfterError
        print(
            "race with \(rival): \(tally.won) granted, \(tally.lost) ended; errors while holding: \(verifications.held), otherwise: \(verifications.notHeld)"
        )
        // If one side always wins there is no race.
        #expect(tally.won > 0 && tally.lost > 0)
    }

    private func runOnce(
        _ rival: Rival,
        _ key: LockKey,
        _ holder: LockManager,
        _ racer: LockManager,
        spread: Int
    ) async throws -> Bool {
        let held = try await holder.acquire(key, timeout: .seconds(120))
        let spread = spread * Self.scale()
        let release = Int.random(in: 0...spread)
        let timeout = Duration.microseconds(max(0, release + Int.random(in: -spread / 4...spread)))
        let waiting = Task {
            let lock = try await racer.acquire(key, timeout: rival == .timeout ? timeout : nil)
            try await lock.release()
        }
        let cancelling = Task {
            guard rival == .cancellation else { return }
            try await Task.sleep(for: timeout)
            waiting.cancel()
        }
        try await Task.sleep(for: .microseconds(release))
        try await held.release()
        let isWon: Bool
        do {
            try await waiting.value
            isWon = true
        } catch is CancellationError {
            isWon = false
        } catch let error as LockError where [.timedOut, .noAnswer].contains(error.code) {
            // Some deadlines come before the server's first answer.
            isWon = false
        }
        try await cancelling.value
        // Whatever the outcome, the next request of the same process gets the lock.
        let next = try await racer.acquire(key, timeout: .seconds(120))
        try await next.release()
        return isWon
    }
}
