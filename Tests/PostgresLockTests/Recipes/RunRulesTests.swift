import Foundation
import Testing

@testable import PostgresLock

@Suite("The rules of a job that runs once per interval")
struct RunRulesTests {
    private func rules(
        _ name: String = "job",
        every interval: RunInterval = .hours(1),
        counting: RunCounting = .aligned,
        guarantee: RunGuarantee = .atMostOnce,
        lease: Duration? = .seconds(30)
    ) throws -> RunRules {
        try RunRules(name, every: interval, counting: counting, guarantee: guarantee, table: RunTable(), lease: lease)
    }

    @Test("aligned runs are at least half an interval apart, and runs counted from the last one nine tenths")
    func pauses() throws {
        #expect(try rules().pause == .minutes(30))
        #expect(try rules(counting: .fromLastRun).pause == .minutes(54))
        #expect(try rules(counting: .aligned(minimumGap: .seconds(60))).pause == .minutes(1))
        #expect(try rules(counting: .fromLastRun(slack: .zero)).pause == .hours(1))
    }

    @Test(
        "intervals of no or endless length, and those shorter than two leases, are refused",
        arguments: [.seconds(0), .seconds(-1), .days(3_661), .days(.max), .hours(.min), .seconds(59), RunInterval(.seconds(Int64.max))]
    )
    func intervals(_ interval: RunInterval) {
        #expect(throws: LockError.self) { try rules(every: interval) }
    }

    @Test("an interval of two leases is long enough, and without a lease one of a second")
    func shortest() throws {
        #expect(try rules(every: .seconds(60)).interval == .minutes(1))
        #expect(try rules(every: .seconds(1), lease: nil).interval == .seconds(1))
    }

    @Test("a gap or slack that is negative or as long as the interval, a negative delay, and an empty name are refused")
    func nonsense() {
        for duration in [Duration.seconds(-1), .seconds(3_600)] {
            #expect(throws: LockError.self) { try rules(counting: .aligned(minimumGap: duration)) }
            #expect(throws: LockError.self) { try rules(counting: .fromLastRun(slack: duration)) }
        }
        #expect(throws: LockError.self) { try rules(guarantee: .atLeastOnce(repeatingAfter: .seconds(-1))) }
        #expect(throws: LockError.self) { try rules("") }
        #expect(throws: LockError.self) { try rules("a\0b") }
    }

    @Test(
        "an interval is read from a number and a unit, and is written so",
        arguments: [("90s", "90s", 90), ("120s", "2m", 120), ("24h", "24h", 86_400), ("1d", "24h", 86_400), ("2w", "336h", 1_209_600)]
    )
    func text(_ given: String, _ written: String, _ seconds: Int) throws {
        let interval = try #require(RunInterval(given))
        #expect(interval == .seconds(seconds))
        #expect(interval.description == written)
    }

    @Test("what is no number with a unit is no interval", arguments: ["", "h", "24", "-1h", "1.5h", "24 h", "1y", "99999999999h"])
    func noText(_ text: String) {
        #expect(RunInterval(text) == nil)
    }

    @Test("an interval is the same whether it is made of a number or read")
    func sameInterval() {
        for count in 1...400 {
            #expect(RunInterval.days(count) == RunInterval("\(count)d"))
            #expect(RunInterval.hours(count) == RunInterval("\(count)h"))
            #expect(RunInterval.minutes(count) == RunInterval("\(count)m"))
        }
    }

    @Test("the table's name is quoted, and read with or without a schema")
    func table() {
        #expect(RunTable(schema: "My \"schema\"", name: "runs").quoted == "\"My \"\"schema\"\"\".\"runs\"")
        #expect(RunTable("jobs.runs") == RunTable(schema: "jobs", name: "runs"))
        #expect(RunTable("runs") == RunTable(schema: "public", name: "runs"))
        for text in ["", "a.b.c", ".a", "a."] { #expect(RunTable(text) == nil) }
        var configuration = LockManager.Configuration()
        configuration.runTable = RunTable(schema: "", name: "runs")
        #expect(throws: LockError.self) { try configuration.validate() }
    }
}
