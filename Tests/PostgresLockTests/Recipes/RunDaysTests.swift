import Foundation
import Testing

@testable import PostgresLock

@Suite("A daily job of three hosts over sixty simulated days", .database)
struct RunDaysTests {
    private static let days = 60
    private static let day = 86_400

    /// Deterministic, so that a failure can be repeated.
    private struct Chance: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    /// Calls the job at an hour of each day by each host's clock, in the order in which the calls come to the server, whose clock is a table.
    ///
    /// - Parameters:
    ///   - counting: What the intervals are counted by.
    ///   - hour: At which each host calls the job; with 0 the hosts' calls lie on both sides of the server's midnight.
    ///   - mayMiss: Whether hosts are down on some days, but never all.
    /// - Returns: On which day's calls the job has run.
    private func runs(_ counting: RunCounting, hour: Int, mayMiss: Bool) async throws -> [Int] {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        try await locks.createRunTable()
        try await database.query("CREATE TABLE clock (now timestamptz); INSERT INTO clock VALUES ('epoch')")
        let rules = try RunRules(
            "daily",
            every: .days(1),
            counting: counting,
            guarantee: .atMostOnce,
            table: RunTable(),
            lease: .seconds(30)
        )
        let statements = RunStatements(rules: rules, clock: "(SELECT now FROM public.clock)")
        var chance = Chance(state: UInt64(hour) + 1)
        var runs: [Int] = []
        for day in 20_000..<20_000 + Self.days {
            // Their clocks are five minutes apart, and each call comes up to a minute late.
            var calls = [-300, 0, 300].map { day * Self.day + hour * 3_600 + $0 + Int.random(in: 0...60, using: &chance) }
            if mayMiss { calls = Array(calls.shuffled(using: &chance).prefix(Int.random(in: 1...3, using: &chance))) }
            for time in calls.sorted() {
                try await database.query("UPDATE clock SET now = to_timestamp(\(time))")
                let outcome = try await locks.runOnce(statements) { run in
                    #expect(run.claimedAt == Date(timeIntervalSince1970: Double(time)))
                }
                if case .ran = outcome { runs.append(day - 20_000) }
            }
        }
        return runs
    }

    @Test(
        "aligned to the server's clock the job runs once each day, also if the hosts' calls lie on both sides of midnight",
        arguments: [0, 2]
    )
    func aligned(hour: Int) async throws {
        #expect(try await runs(.aligned, hour: hour, mayMiss: false) == Array(0..<Self.days))
    }

    @Test("aligned to the server's clock the job runs once each day, though hosts are down on some")
    func alignedWithGaps() async throws {
        #expect(try await runs(.aligned, hour: 2, mayMiss: true) == Array(0..<Self.days))
    }

    @Test("counted from the last run the job runs once each day, though hosts are down on some", arguments: [0, 2])
    func fromLastRun(hour: Int) async throws {
        #expect(try await runs(.fromLastRun, hour: hour, mayMiss: true) == Array(0..<Self.days))
    }
}
