import Chaos
import Foundation
import PostgresLock
import Testing

@Suite("The check of a history")
struct HistoryCheckTests {
    @Test("the history check finds no violation in a correct history")
    func good() throws {
        #expect(try HistoryScript().violations == [])
    }

    @Test("the history check reports a history without locks and writes, because it checks nothing")
    func empty() {
        let violations = HistoryCheck(History()).violations
        #expect(violations.contains("there were no exclusive locks"))
        let recipes = ["terms of leaders", "shares of work", "permits", "runs of jobs"]
        for what in ["guarded writes"] + recipes { #expect(violations.contains("there were no \(what)")) }
        let short = HistoryCheck(History(), expectsRecipes: false).violations
        #expect(short.contains("there were no guarded writes"))
        for what in recipes { #expect(!short.contains("there were no \(what)")) }
    }

    @Test("the history check reports an overlap of conflicting locks, but not one of two shared locks", arguments: [true, false])
    func overlap(isExclusive: Bool) throws {
        var script = try HistoryScript()
        try script.hold(worker: "a", claim: 2, isExclusive: isExclusive, from: 250, until: 260, token: 9)
        // It conflicts with the shared lock, and with the exclusive lock after it, whose token is lower.
        expect(script, ["conflicting locks overlap", "the later lock has the lower token"], if: isExclusive)
        if !isExclusive { #expect(script.violations.allSatisfy { $0.hasPrefix("the later lock has the lower token") }) }
    }

    @Test("the history check reports a transaction's lock that overlaps an earlier or later lock", arguments: [true, false])
    func transactions(isExclusive: Bool) throws {
        for (from, until) in [(350, 360), (300, 320), (390, 405), (305, 405)] as [(Int64, Int64)] {
            var script = try HistoryScript()
            script.transact(worker: "a", claim: 3, isExclusive: isExclusive, from: from, until: until)
            expect(script, ["conflicting locks overlap"])
            var announced = script
            announced.history.endings = [.init(worker: nil, from: from - 20, to: from)]
            #expect(announced.violations == [])
        }
        var script = try HistoryScript()
        script.transact(worker: "b", claim: 3, isExclusive: isExclusive, from: 415, until: 430)
        expect(script, ["conflicting locks overlap"])
    }

    @Test("the history check allows an overlap only with the lock of an ended session, and only until its lease ends")
    func announced() throws {
        var script = try HistoryScript()
        try script.hold(worker: "b", claim: 3, from: 2000, until: 3000, token: 4)
        try script.hold(worker: "a", claim: 2, from: 2500, until: 2600, token: 5)
        expect(script, ["conflicting locks overlap"])
        for ending in [("a", 2400), ("b", 2550), ("b", 1900)] as [(String, Int64)] {
            var other = script
            other.history.endings = [.init(worker: ending.0, from: ending.1 - 10, to: ending.1)]
            expect(other, ["conflicting locks overlap"])
        }
        for worker in ["b", nil] {
            var announced = script
            announced.history.endings = [.init(worker: worker, from: 2390, to: 2400)]
            #expect(announced.violations == [])
        }
    }

    @Test("the history check reports an overlap of two locks of one process even if sessions were ended")
    func sameProcess() throws {
        var script = try HistoryScript()
        try script.hold(worker: "b", claim: 3, from: 2000, until: 3000, token: 4)
        try script.hold(worker: "b", claim: 4, from: 2500, until: 2600, token: 5)
        script.history.endings = [.init(worker: nil, from: 2390, to: 2400)]
        expect(script, ["conflicting locks overlap"])
    }

    @Test("the history check reports an overlap with a long lock also after several other locks")
    func longClaim() throws {
        var script = try HistoryScript()
        try script.hold(worker: "a", claim: 2, isExclusive: false, from: 2000, until: 3000, token: 4)
        for number in 5..<9 {
            let from = Int64(number * 100 + 1600)
            try script.hold(worker: "b", claim: number, isExclusive: false, from: from, until: from + 10, token: number)
        }
        #expect(script.violations == [])
        try script.hold(worker: "b", claim: 9, from: 2900, until: 2910, token: 9)
        expect(script, ["conflicting locks overlap"])
    }

    @Test("the history check reports fencing tokens that decrease, are given twice, or are missing")
    func tokens() throws {
        var back = try HistoryScript()
        try back.hold(worker: "a", claim: 2, from: 500, until: 600, token: 0)
        expect(back, ["the later lock has the lower token"])
        var twice = try HistoryScript()
        try twice.hold(worker: "a", claim: 2, from: 500, until: 600, token: 3)
        expect(twice, ["two locks have the same token"])
        var none = try HistoryScript()
        try none.hold(worker: "a", claim: 2, from: 500, until: 600, token: nil)
        expect(none, ["a lock has no token"])
    }

    @Test("the history check reports a stale write that was accepted, a write without a lock, and a missing write")
    func writes() throws {
        var stale = try HistoryScript()
        stale.history.writes.append(.init(key: 7, number: 4, token: try HistoryScript.token(1), worker: "a", claim: 1))
        expect(stale, ["a stale holder's write was accepted"])
        var unknown = try HistoryScript()
        unknown.history.writes.append(.init(key: 7, number: 4, token: try HistoryScript.token(4), worker: "a", claim: 1))
        expect(unknown, ["write 4 belongs to no exclusive lock"])
        var missing = try HistoryScript()
        missing.history.writes.removeLast()
        expect(missing, ["a confirmed write is not in the table"])
        var gap = try HistoryScript()
        gap.history.writes.remove(at: 1)
        expect(gap, ["write 2 has the number 3", "a confirmed write is not in the table"])
    }

    @Test("the history check reports a refused write of a holder, unless its lock was lost or may have been lost before")
    func refusal() throws {
        var script = try HistoryScript()
        try script.hold(worker: "b", claim: 3, from: 2000, until: 2100, token: 4)
        var refused = script
        refused.note(2050, "b", .refused(claim: 3))
        expect(refused, ["the write of a lock's holder was refused"])
        refused.history.endings = [.init(worker: "b", from: 2010, to: 2020)]
        #expect(refused.violations == [])
        script.note(2150, "b", .refused(claim: 3))
        #expect(script.violations == [])
    }

    @Test("the history check reports a write of another worker during a shared lock")
    func read() throws {
        var script = try HistoryScript()
        try script.hold(worker: "b", claim: 3, isExclusive: false, from: 2000, until: 2100, token: 4)
        script.note(2050, "b", .read(claim: 3, token: try HistoryScript.token(5)))
        expect(script, ["during a shared lock"])
    }

    @Test(
        "the history check reports two leaders, two owners of a share, and two holders of a permit, unless the session of the former was ended",
        arguments: [
            ChaosRecipe.leadKey, ChaosRecipe.firstShareKey, ChaosRecipe.firstShareKey + 9, ChaosRecipe.permitKey + 2,
        ]
    )
    func recipes(key: Int) throws {
        var script = try HistoryScript()
        try script.hold(worker: "b", claim: 3, key: key, from: 2000, until: 3000, token: 4)
        try script.hold(worker: "a", claim: 2, key: key, from: 2500, until: 2600, token: 5)
        expect(script, ["conflicting locks overlap"])
        script.history.endings = [.init(worker: "b", from: 2390, to: 2400)]
        #expect(script.violations == [])
    }

    @Test("the history check reports a permit beyond the limit, also if it overlaps no other one")
    func permits() throws {
        var script = try HistoryScript()
        try script.hold(worker: "b", claim: 3, key: ChaosRecipe.permitKey + ChaosRecipe.permits, from: 2000, until: 3000, token: 4)
        #expect(script.violations == [])
        try script.hold(worker: "b", claim: 4, key: ChaosRecipe.permitKey + ChaosRecipe.permits + 1, from: 2000, until: 3000, token: 4)
        expect(script, ["a permit has a number beyond the limit"])
    }

    @Test("the history check reports a job that ran twice in one interval, if it runs at most once")
    func twice() throws {
        var script = try HistoryScript()
        for interval in [60, 70] {
            for worker in ["a", "b"] { script.note(3000, worker, .ran(.atLeastOnce, intervalStart: interval)) }
            script.note(3000, "a", .ran(.atMostOnce, intervalStart: interval))
        }
        #expect(script.violations == [])
        script.note(3000, "b", .ran(.atMostOnce, intervalStart: 70))
        expect(script, ["was run 2 times in the interval from 70 on"])
    }

    @Test("the history check reports an interval that was left out, though a process called the job when it was due again")
    func leftOut() throws {
        func script(begun: Double, ended: Double, claimedAt: Double?, isLocked: Bool = false) throws -> HistoryScript {
            var script = try HistoryScript()
            script.note(3000, "a", .ran(.atLeastOnce, intervalStart: 60))
            script.note(3000, "b", .skipped(.atLeastOnce, begun: begun, ended: ended, claimedAt: claimedAt, isLocked: isLocked))
            return script
        }
        for script in [
            try script(begun: 64, ended: 65, claimedAt: 60), try script(begun: 67, ended: 68, claimedAt: 63),
            try script(begun: 69, ended: 70.1, claimedAt: 60), try script(begun: 69, ended: 69.5, claimedAt: 60, isLocked: true),
        ] { #expect(script.violations == []) }
        for claimedAt in [nil, 55, 60, 63] as [Double?] {
            var script = try script(begun: 69, ended: 69.5, claimedAt: claimedAt)
            expect(script, ["the interval from 60 on was left out"])
            script.note(3000, "a", .ranToEnd(.atLeastOnce, intervalStart: 60))
            #expect(script.violations == [])
        }
    }

    @Test("what workers break on purpose explains its own violations, and none of another promise", arguments: ChaosBreak.allCases)
    func onPurpose(breaking: ChaosBreak) throws {
        let found = try ChaosBreak.allCases.map { promise in (promise, try violations(of: promise)) }
        for (promise, violations) in found {
            #expect(!violations.isEmpty)
            for violation in violations { #expect(breaking.explains(violation) == (promise == breaking), "\(violation)") }
        }
        var locks = try HistoryScript()
        try locks.hold(worker: "b", claim: 3, from: 2000, until: 3000, token: 4)
        try locks.hold(worker: "a", claim: 2, from: 2500, until: 2600, token: 5)
        locks.history.locksLeft = 1
        #expect(!locks.violations.isEmpty)
        for violation in locks.violations { #expect(!breaking.explains(violation), "\(violation)") }
    }

    @Test("what a failover run leaves out on purpose explains what that guard prevents, and no lock that two have on one server")
    func leftOutGuards() throws {
        #expect(FailoverBreak.fencing.explains("key 1: a stale holder's write was accepted: 2, token 4 after 5"))
        #expect(FailoverBreak.lease.explains("locks of two servers overlap for 12 ns: a, b"))
        #expect(FailoverBreak.lease.explains("a call has overshot its timeout by 9 ns: acquire"))
        var locks = try HistoryScript()
        try locks.hold(worker: "b", claim: 3, from: 2000, until: 3000, token: 4)
        try locks.hold(worker: "a", claim: 2, from: 2500, until: 2600, token: 5)
        locks.history.locksLeft = 1
        #expect(!locks.violations.isEmpty)
        for violation in locks.violations {
            for guarded in FailoverBreak.allCases { #expect(!guarded.explains(violation), "\(violation)") }
        }
    }

    /// What is found in a history in which a promise is broken.
    private func violations(of promise: ChaosBreak) throws -> [String] {
        var script = try HistoryScript()
        switch promise {
        case .leaders, .ownPermits, .shares:
            let keys: [ChaosBreak: Int] = [
                .leaders: ChaosRecipe.leadKey, .ownPermits: ChaosRecipe.permitKey + 2, .shares: ChaosRecipe.firstShareKey + 9,
            ]
            let key = try #require(keys[promise])
            try script.hold(worker: "b", claim: 3, key: key, from: 2000, until: 3000, token: 4)
            try script.hold(worker: "a", claim: 2, key: key, from: 2500, until: 2600, token: 5)
        case .permits:
            try script.hold(worker: "b", claim: 3, key: ChaosRecipe.permitKey + ChaosRecipe.permits + 1, from: 2000, until: 3000, token: 4)
        case .intervals:
            for worker in ["a", "b"] { script.note(3000, worker, .ran(.atMostOnce, intervalStart: 70)) }
        case .skippedInterval:
            script.note(3000, "b", .skipped(.atLeastOnce, begun: 69, ended: 69.5, claimedAt: 60, isLocked: false))
        }
        return script.violations
    }

    @Test("the history check reports calls that have not ended, unless their process was killed")
    func calls() throws {
        var script = try HistoryScript()
        script.note(500, "a", .begun(call: 2, what: "acquire"))
        expect(script, ["a call has not ended"])
        script.history.workers["a"]?.fate = .killed
        #expect(script.violations == [])
    }

    @Test("the history check reports workers that did not shut down, and locks that are left at the server")
    func ends() throws {
        var status = try HistoryScript()
        status.history.workers["a"]?.fate = .exited(133)
        expect(status, ["worker a did not shut down by itself"])
        var unfinished = try HistoryScript()
        unfinished.history.workers["a"]?.isFinished = false
        expect(unfinished, ["worker a did not shut down by itself"])
        var left = try HistoryScript()
        left.history.locksLeft = 1
        expect(left, ["locks are left at the server"])
        left.history.locksLeft = nil
        expect(left, ["locks are left at the server"])
    }

    /// Expects that each violation contains one of these texts, and each text is in one of the violations.
    private func expect(_ script: HistoryScript, _ expected: [String], if isExpected: Bool = true) {
        guard isExpected else { return }
        let violations = script.violations
        for text in expected { #expect(violations.contains { $0.contains(text) }, "\(text) is not among \(violations)") }
        for violation in violations { #expect(expected.contains { violation.contains($0) }, "\(violation)") }
    }
}
