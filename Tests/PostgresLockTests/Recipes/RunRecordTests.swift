import Foundation
import Testing

@testable import PostgresLock

@Suite("What a call makes of a job's last run")
struct RunRecordTests {
    private let record = RunRecord(
        run: 7,
        intervalStart: Date(timeIntervalSince1970: 0),
        claimedAt: Date(timeIntervalSince1970: 10),
        claimedBy: "host-1",
        finishedAt: nil,
        nextDue: Date(timeIntervalSince1970: 3_600),
        every: .hours(1)
    )

    private func verdict(isLocked: Bool = false, _ change: (inout RunRecord) -> Void = { _ in }) throws -> RunRecord.Verdict {
        var record = record
        change(&record)
        let rules = try RunRules(
            "Ada's job",
            every: .hours(2),
            counting: .aligned,
            guarantee: .atMostOnce,
            table: RunTable(),
            lease: nil
        )
        return try record.verdict(rules, isLocked: isLocked)
    }

    private func skipped(nextDue: Date?, isLocked: Bool = false) -> SkippedRun {
        SkippedRun(claimedBy: "host-1", claimedAt: record.claimedAt, finishedAt: nil, nextDue: nextDue, isLocked: isLocked)
    }

    @Test("a run that is not due is skipped, and the call says by which session it was claimed, when, and when the next one is due")
    func skips() throws {
        #expect(try verdict() == .skipped(skipped(nextDue: record.nextDue)))
        #expect(try verdict(isLocked: true) == .skipped(skipped(nextDue: record.nextDue, isLocked: true)))
    }

    @Test("a run that is due has no time at which it becomes due")
    func due() throws {
        #expect(try verdict(isLocked: true) { $0.isDue = true } == .due(skipped(nextDue: nil, isLocked: true)))
    }

    @Test("a claim of the call's own is found, whatever else the record says")
    func mine() throws {
        #expect(try verdict { ($0.isMine, $0.isAhead, $0.hasOtherInterval) = (true, true, true) } == .mine)
    }

    @Test("a run in the future, and one with an interval of another length, are errors that say how to set the record back")
    func mismatch() throws {
        for (change, words) in [
            ({ $0.isAhead = true }, "1970-01-01T00:00:10Z"),
            ({ $0.hasOtherInterval = true }, "an interval of 2h, but its last run, by host-1"),
        ] as [((inout RunRecord) -> Void, String)] {
            let error = try #require(throws: LockError.self) { try verdict(change) }
            #expect(error.code == .runMismatch)
            #expect(error.message.contains(words), "\(error.message)")
            #expect(error.message.contains("WHERE name = 'Ada''s job'"), "\(error.message)")
            #expect(error.message.contains(#"UPDATE "public"."pglock_runs" SET "#), "\(error.message)")
        }
    }
}
