import Foundation
import LibPQ
import Testing

@testable import PostgresLock

@Suite("A job that runs once per interval", .database)
struct RunOnceTests {
    /// A manager of a database that has the table.
    private func locks(_ configure: (inout LockManager.Configuration) -> Void = { _ in }) async throws -> LockManager {
        let locks = try TestDatabase.get().manager(configure)
        try await locks.createRunTable()
        return locks
    }

    private func isRun<Value>(_ outcome: RunOutcome<Value>) -> Bool {
        if case .ran = outcome { true } else { false }
    }

    @Test("without its table a job is not run, the error says how to make the table, and nothing makes it silently")
    func noTable() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let error = await lockError { try await locks.runOnce("job", every: .hours(1)) { _ in Issue.record("It has run.") } }
        #expect(error?.code == .noRunTable)
        #expect(error?.message.contains("pglock schema | psql") == true, "\(String(describing: error))")
        #expect(try await database.query("SELECT to_regclass('public.pglock_runs')") == [[nil]])
        try await locks.createRunTable()
        #expect(isRun(try await locks.runOnce("job", every: .hours(1)) { _ in }))
    }

    @Test("the printed definition makes the table, a second time too, with any names, and many at a time don't fail")
    func definition() async throws {
        let database = try TestDatabase.get()
        try await database.query(#"CREATE SCHEMA "My ""schema""""#)
        let table = RunTable(schema: "My \"schema\"", name: "Läufe")
        try await withThrowingTaskGroup { group in
            for _ in 0..<6 { group.addTask { try await database.query(table.definition) } }
            try await group.waitForAll()
        }
        try await withThrowingTaskGroup { group in
            for _ in 0..<6 {
                let locks = try database.manager()
                group.addTask { try await locks.createRunTable() }
            }
            try await group.waitForAll()
        }
        let locks = try database.manager { $0.runTable = table }
        #expect(isRun(try await locks.runOnce("job", every: .hours(1)) { _ in }))
        #expect(!isRun(try await locks.runOnce("job", every: .hours(1)) { _ in }))
    }

    @Test("a job runs once in its interval; the other calls are told by which session, when, and when the next run is due")
    func once() async throws {
        let first = try await locks { $0.applicationName = "host-1" }
        let second = try await locks()
        let value = try await first.runOnce("job", every: .hours(1), counting: .fromLastRun) { run in
            #expect(run.isHeld)
            #expect(run.name == "job")
            #expect(abs(run.claimedAt.timeIntervalSinceNow) < 3_000)
            return "done"
        }
        guard case .ran("done") = value else { return #expect(Bool(false), "\(value)") }
        for locks in [first, second] {
            let outcome = try await locks.runOnce("job", every: .hours(1), counting: .fromLastRun) { _ in Issue.record("It has run.") }
            guard case .skipped(let skipped) = outcome else { continue }
            #expect(skipped.claimedBy == "host-1")
            #expect(skipped.finishedAt != nil)
            #expect(!skipped.isLocked)
            let claimedAt = try #require(skipped.claimedAt)
            let nextDue = try #require(skipped.nextDue)
            #expect(abs(nextDue.timeIntervalSince(claimedAt) - 3_240) < 0.001)
        }
        #expect(isRun(try await second.runOnce("other job", every: .hours(1)) { _ in }))
    }

    @Test("of many calls at the same time one runs the job")
    func crowd() async throws {
        let managers = try await [locks(), locks(), locks(), locks()]
        let runs = Locked(0)
        try await withThrowingTaskGroup { group in
            for locks in managers + managers {
                group.addTask {
                    try await locks.runOnce("job", every: .days(1)) { _ in
                        runs.withLock { $0 += 1 }
                        try await Task.sleep(for: .milliseconds(50))
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(runs.withLock { $0 } == 1)
    }

    @Test("runs don't overlap, and a call during a run is told that the run lasts")
    func overlap() async throws {
        let first = try await locks()
        let second = try await locks()
        let always = RunGuarantee.atLeastOnce(repeatingAfter: .zero)
        try await first.runOnce("job", every: .days(1), guarantee: always) { _ in
            let outcome = try await second.runOnce("job", every: .days(1), guarantee: always) { _ in Issue.record("Both run.") }
            guard case .skipped(let skipped) = outcome else { return }
            #expect(skipped.isLocked)
            #expect(skipped.claimedBy != nil)
            #expect(skipped.finishedAt == nil)
        }
    }

    @Test(
        "a job that runs at most once is not repeated after it has failed; one that runs at least once is, after its delay, until it succeeds"
    )
    func failure() async throws {
        struct Failure: Error {}
        let locks = try await locks()
        await #expect(throws: Failure.self) { try await locks.runOnce("a", every: .days(1)) { _ in throw Failure() } }
        #expect(!isRun(try await locks.runOnce("a", every: .days(1)) { _ in }))
        let delayed = RunGuarantee.atLeastOnce(repeatingAfter: .seconds(3_600))
        await #expect(throws: Failure.self) { try await locks.runOnce("b", every: .days(1), guarantee: delayed) { _ in throw Failure() } }
        #expect(!isRun(try await locks.runOnce("b", every: .days(1), guarantee: delayed) { _ in }))
        let prompt = RunGuarantee.atLeastOnce(repeatingAfter: .zero)
        var numbers: [Int64] = []
        for _ in 0..<2 {
            await #expect(throws: Failure.self) {
                try await locks.runOnce("c", every: .days(1), guarantee: prompt) { run in
                    numbers.append(run.number)
                    throw Failure()
                }
            }
        }
        #expect(isRun(try await locks.runOnce("c", every: .days(1), guarantee: prompt) { numbers.append($0.number) }))
        #expect(!isRun(try await locks.runOnce("c", every: .days(1), guarantee: prompt) { _ in }))
        #expect(numbers.count == 3 && Set(numbers).count == 3 && numbers == numbers.sorted())
        let states = try await TestDatabase.get().query("SELECT name, state FROM pglock_runs ORDER BY name")
        #expect(states == [["a", "failed"], ["b", "failed"], ["c", "done"]])
    }

    @Test("the number of a run grows, also after the record of earlier runs is gone")
    func numbers() async throws {
        let locks = try await locks()
        let database = try TestDatabase.get()
        let guarantee = RunGuarantee.atLeastOnce(repeatingAfter: .zero)
        var numbers: [Int64] = []
        try await locks.runOnce("job", every: .days(1), guarantee: guarantee) { numbers.append($0.number) }
        try await database.query("DELETE FROM pglock_runs")
        try await locks.runOnce("job", every: .days(1), guarantee: guarantee) { numbers.append($0.number) }
        try await database.query("UPDATE pglock_runs SET run = run + 1000000000000, state = 'claimed'")
        try await locks.runOnce("job", every: .days(1), guarantee: guarantee) { numbers.append($0.number) }
        #expect(numbers.count == 3 && numbers[0] < numbers[1] && numbers[1] + 1_000_000_000_000 < numbers[2])
    }

    @Test("a call that finds the lock taken, though no run is claimed, asks again; for two seconds")
    func asksAgain() async throws {
        let database = try TestDatabase.get()
        let runner = try await locks()
        let other = try await locks()
        // A busy machine may not get far in two seconds. Then it is tried once more.
        var hasRun = false
        for _ in 0..<20 where !hasRun {
            let lock = try await other.acquire("job")
            let before = await runner.statementCount
            let hasEnded = Locked(false)
            let call = Task {
                defer { hasEnded.withLock { $0 = true } }
                return isRun(try await runner.runOnce("job", every: .days(1)) { _ in })
            }
            try await database.eventually("it has asked several times, or has ended") {
                if hasEnded.withLock({ $0 }) { return true }
                return await runner.statementCount > before + 20
            }
            try await lock.release()
            hasRun = try await call.value
        }
        #expect(hasRun)
        let kept = try await other.acquire("other job")
        let outcome = try await runner.runOnce("other job", every: .days(1)) { _ in Issue.record("It has run.") }
        guard case .skipped(let skipped) = outcome else { return }
        #expect(skipped == .unrecorded(isLocked: true))
        try await kept.release()
    }

    @Test("a lock that is lost while the run is claimed keeps the body from running")
    func lostWhileClaiming() async throws {
        let database = try TestDatabase.get()
        let locks = try await locks()
        // During COMMIT, which a cancellation does not end.
        try await database.query(
            """
            CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
                PERFORM pg_sleep(5);
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER g AFTER INSERT ON pglock_runs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f()
            """
        )
        let error = await lockError { try await locks.runOnce("job", every: .days(1)) { _ in Issue.record("It has run.") } }
        #expect(error?.code == .lockLost)
    }

    @Test("a loss of the lock cancels the body, and the run counts")
    func lostInBody() async throws {
        let database = try TestDatabase.get()
        let locks = try await locks()
        let error = await lockError {
            try await locks.runOnce("job", every: .days(1)) { run in
                try await database.terminateHolders()
                #expect(await becomesCancelled())
                #expect(!run.isHeld)
            }
        }
        #expect(error?.code == .lockLost)
        #expect(!isRun(try await locks.runOnce("job", every: .days(1)) { _ in }))
    }

    @Test("a body that is cancelled has its run recorded as failed, and the lock is free")
    func cancellation() async throws {
        let database = try TestDatabase.get()
        let locks = try await locks()
        let task = Task {
            try await locks.runOnce("job", every: .days(1)) { _ in try await Task.sleep(for: .seconds(3_600)) }
        }
        try await database.eventually("it runs") { try await database.query("SELECT state FROM pglock_runs") == [["claimed"]] }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await database.query("SELECT state, finished_at IS NOT NULL FROM pglock_runs") == [["failed", "t"]])
        #expect(try await locks.isFree("job"))
    }

    @Test("a run that is recorded for the future is an error, and not a job that is skipped for years")
    func clockWasAhead() async throws {
        let database = try TestDatabase.get()
        let locks = try await locks()
        for counting in [RunCounting.aligned, .fromLastRun] {
            try await locks.runOnce("job", every: .days(1), counting: counting) { _ in }
            try await database.query(
                """
                UPDATE pglock_runs SET claimed_at = claimed_at + interval '1 year', interval_start = interval_start + interval '1 year', \
                run = run + 31536000000000
                """
            )
            let last = try #require(try await database.query("SELECT run FROM pglock_runs")[0][0].flatMap { Int64($0) })
            let error = await lockError {
                try await locks.runOnce("job", every: .days(1), counting: counting) { _ in Issue.record("It has run.") }
            }
            #expect(error?.code == .runMismatch)
            let reset = try #require(error?.message.split(separator: "set the record back: ").last)
            try await database.query(String(reset.dropLast()))
            // The old row is not removed by other jobs, either.
            #expect(isRun(try await locks.runOnce("other", every: .days(1)) { _ in }))
            var number: Int64 = 0
            #expect(isRun(try await locks.runOnce("job", every: .days(1), counting: counting) { number = $0.number }))
            #expect(number > last)
            try await database.query("DELETE FROM pglock_runs")
        }
    }

    @Test("processes that disagree on the interval are told, until the interval of the last run has passed")
    func disagreement() async throws {
        let database = try TestDatabase.get()
        let locks = try await locks()
        try await locks.runOnce("job", every: .days(1)) { _ in }
        for other in [RunInterval.hours(1), .days(2)] {
            let error = await lockError { try await locks.runOnce("job", every: other) { _ in Issue.record("It has run.") } }
            #expect(error?.code == .runMismatch)
        }
        // Half a day later the hourly job would be due by its own interval, and is told that others have another one.
        try await database.query(
            "UPDATE pglock_runs SET claimed_at = claimed_at - interval '12 hours', interval_start = interval_start - interval '12 hours'"
        )
        let error = await lockError { try await locks.runOnce("job", every: .hours(1)) { _ in Issue.record("It has run.") } }
        #expect(error?.code == .runMismatch)
        try await database.query(
            "UPDATE pglock_runs SET claimed_at = claimed_at - interval '11 hours', interval_start = interval_start - interval '11 hours'"
        )
        #expect(!isRun(try await locks.runOnce("job", every: .days(2), counting: .fromLastRun) { _ in }), "It is not due yet.")
        #expect(isRun(try await locks.runOnce("job", every: .hours(1)) { _ in }))
    }

    @Test("rows of jobs that have not run for a month more than their interval are removed, and no others")
    func pruning() async throws {
        let database = try TestDatabase.get()
        let locks = try await locks()
        for name in ["old", "new", "weekly"] { try await locks.runOnce(name, every: name == "weekly" ? .days(7) : .days(1)) { _ in } }
        try await database.query("UPDATE pglock_runs SET claimed_at = now() - interval '32 days' WHERE name <> 'new'")
        try await locks.runOnce("job", every: .days(1)) { _ in }
        #expect(try await database.query("SELECT name FROM pglock_runs ORDER BY 1") == [["job"], ["new"], ["weekly"]])
    }

    @Test("a job inside a job of the same name is refused, and does not wait for itself")
    func nested() async throws {
        let locks = try await locks()
        try await locks.runOnce("job", every: .days(1)) { _ in
            let error = await lockError { try await locks.runOnce("job", every: .days(1)) { _ in } }
            #expect(error?.code == .alreadyHeld)
        }
    }

    @Test("an unlogged table, and one with other columns, are refused")
    func otherTables() async throws {
        let database = try TestDatabase.get()
        let locks = try await locks()
        try await database.query("ALTER TABLE pglock_runs SET UNLOGGED")
        let unlogged = await lockError { try await locks.runOnce("job", every: .days(1)) { _ in Issue.record("It has run.") } }
        #expect(unlogged?.code == .noRunTable)
        #expect(unlogged?.message.contains("unlogged") == true)
        try await database.query("DROP TABLE pglock_runs; CREATE TABLE pglock_runs (name text PRIMARY KEY)")
        let narrow = await lockError { try await locks.runOnce("job", every: .days(1)) { _ in Issue.record("It has run.") } }
        #expect(narrow?.code == .noRunTable)
        #expect(narrow?.sqlState == "42703")
    }
}
