import Chaos
import ChildProcesses
import FaultTools
import Foundation
import PostgresLock
import PostgresLockTesting

/// The faults of one mode. A cluster with its workers is used until a fault has left it out of order; then it is made anew.
struct FailoverRun: Sendable {
    struct Result: Sendable {
        let mode: String
        var measures: [FailoverMeasures] = []
        var summaries: [String] = []
        var violations: [String] = []
        var clusters = 0
    }

    private static let workers = 4
    private static let lease = 5
    static let rules = TimelineRules(
        lease: .seconds(lease),
        connect: .seconds(2),
        statement: .seconds(3),
        commit: .seconds(5),
        slack: .seconds(2)
    )

    let setup: FailoverCluster.Setup
    let faults: [FailoverFault]
    let seed: UInt64
    let records: URL
    let breaking: FailoverBreak?

    private var mode: String { setup.isSynchronous ? "sync" : "async" }

    func run() async throws -> Result {
        var result = Result(mode: mode)
        try await EphemeralPostgres.withServer { steady in
            var rest = faults[...]
            while !rest.isEmpty {
                result.clusters += 1
                let folder = records.appending(path: "\(mode)-\(result.clusters)")
                try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
                try await runCluster(&rest, steady, folder, &result)
            }
        }
        return result
    }

    /// Runs faults on a new cluster, until one leaves it out of order.
    private func runCluster(
        _ rest: inout ArraySlice<FailoverFault>,
        _ steady: EphemeralPostgres,
        _ folder: URL,
        _ result: inout Result
    ) async throws {
        let database = "writes\(result.clusters)"
        try await steady.query("CREATE DATABASE \(database)")
        let writes = steady.connectionString(database: database)
        let table = try TransactionLockManager(configuration: .init(url: writes))
        try await createTables(table)
        let cluster = try await FailoverCluster(setup: setup, binaryDirectory: steady.binaryDirectory, records: folder)
        say("cluster \(result.clusters) is in order")
        var workers: [(name: String, process: ChildProcess)] = []
        do {
            for number in 0..<Self.workers {
                let name = "\(number)"
                try Data().write(to: folder.appending(path: "worker-\(name).log"))
                let handoff = [256, 0, 4][number % 3]
                let process = try ChildProcess.helper(
                    "ChaosWorker",
                    [
                        cluster.url(order: number), writes, folder.appending(path: "worker-\(name).log").path(), name,
                        "\(seed &* 1000 &+ UInt64(number))", "\(Self.lease)", "\(handoff)",
                        FailoverBreak.workerOption(breaking),
                    ]
                )
                workers.append((name, process))
            }
            var outcomes: [FaultOperator.Outcome] = []
            try await inject(&rest, cluster, &outcomes)
            var history = History()
            for (name, status) in await Self.stop(workers) { history.workers[name, default: .init()].fate = status }
            history.endings = outcomes.flatMap(\.endings)
            history.locksLeft = await locksLeft(cluster)
            try await collect(&history, workers.map(\.name), table, folder)
            note(history, outcomes, in: &result)
        } catch {
            for worker in workers { worker.process.signal(SIGKILL) }
            await table.shutdown()
            await cluster.remove()
            throw error
        }
        await table.shutdown()
        await cluster.remove()
    }

    private func inject(
        _ rest: inout ArraySlice<FailoverFault>,
        _ cluster: FailoverCluster,
        _ outcomes: inout [FaultOperator.Outcome]
    ) async throws {
        let faultOperator = FaultOperator(cluster: cluster)
        // Let every worker begin.
        try await Task.sleep(for: .seconds(2))
        while let fault = rest.first {
            try await Task.sleep(for: fault.pause)
            guard let outcome = try await faultOperator.commit(fault) else {
                say("no primary: a new cluster")
                return
            }
            rest.removeFirst()
            if let last = outcomes.indices.last { outcomes[last].record.over = outcome.record.begun }
            outcomes.append(outcome)
            let record = outcome.record
            let promoted = record.promoted.map { "promoted after \(FailoverReport.seconds($0 - record.begun))" } ?? "no promotion"
            say(
                "\(fault.kind): \(promoted), timeline \(record.timelineBefore) to \(record.timelineAfter), \(record.isHealed ? "healed" : "not healed")"
            )
            // After a promotion that was undone the tokens of the next one may be lower.
            guard record.isHealed, fault.kind != .promotedByHand else { break }
        }
        // What the last fault's repair does to the fleet belongs to it.
        try await Task.sleep(for: .seconds(8))
    }

    private func note(_ history: History, _ outcomes: [FaultOperator.Outcome], in result: inout Result) {
        let check = HistoryCheck(history, rules: Self.rules)
        result.violations += check.violations.map { "\(mode), cluster \(result.clusters): \($0)" }
        result.summaries.append("\(mode), cluster \(result.clusters): \(history.tally)\n\(check.summary)")
        let measures = outcomes.map { FailoverMeasures($0.record, of: history) }
        for measure in measures { say(FailoverReport.line(measure)) }
        // Each lock may be short, and a process go on with the old server all the same. A promotion that was undone is the exception.
        for measure in measures where measure.record.kind != .promotedByHand && measure.longestBelief > Self.rules.longestOverlap {
            result.violations.append(
                "\(mode), cluster \(result.clusters): the old server was believed in for too long, \(measure.longestBelief) ns: \(measure.record)"
            )
        }
        result.measures += measures
        for violation in check.violations.prefix(10) { say("VIOLATION: \(violation)") }
    }

    // MARK: The records

    private func createTables(_ table: TransactionLockManager) async throws {
        try await table.withTransaction { transaction in
            try await transaction.execute("CREATE TABLE guarded (key int PRIMARY KEY, token uuid NOT NULL, number int8 NOT NULL)")
            try await transaction.execute(
                "INSERT INTO guarded SELECT key, '00000000-0000-0000-0000-000000000000', 0 FROM generate_series(0, 99) key"
            )
            try await transaction.execute(
                "CREATE TABLE accepted (key int, number int8, token uuid, worker text, claim int8, PRIMARY KEY (key, number))"
            )
        }
    }

    private func collect(_ history: inout History, _ names: [String], _ table: TransactionLockManager, _ folder: URL) async throws {
        for name in names {
            for event in try ChaosLog.events(in: Data(contentsOf: folder.appending(path: "worker-\(name).log"))).events {
                history.note(event, of: name)
            }
        }
        history.writes = try await table.withTransaction { transaction in
            let rows = try await transaction.query("SELECT key, number, token::text, worker, claim FROM accepted ORDER BY key, number")
            return try rows.compactMap { row in
                guard let token = FencingToken(try row.decode(2, as: String.self)) else { return nil }
                return History.Write(
                    key: try row.decode(0, as: Int.self),
                    number: try row.decode(1, as: Int.self),
                    token: token,
                    worker: try row.decode(3, as: String.self),
                    claim: try row.decode(4, as: Int.self)
                )
            }
        }
    }

    /// Lets the workers finish their calls and shut down. One that does not end within 60 s is killed, which its status shows.
    private static func stop(_ workers: [(name: String, process: ChildProcess)]) async -> [(String, History.Worker.Fate)] {
        for worker in workers { worker.process.signal(SIGTERM) }
        let timeout = Task {
            try await Task.sleep(for: .seconds(60))
            for worker in workers { worker.process.signal(SIGKILL) }
        }
        var fates: [(String, History.Worker.Fate)] = []
        for worker in workers { fates.append((worker.name, .exited(await worker.process.status()))) }
        timeout.cancel()
        return fates
    }

    /// Counts the advisory locks and the workers' sessions on all servers that answer, waiting up to 30 s for none.
    private func locksLeft(_ cluster: FailoverCluster) async -> Int? {
        let sql = """
            SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') \
            + (SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'chaos %')
            """
        var count: Int?
        _ = await FailoverCluster.wait(30) {
            var counts: [Int] = []
            for member in cluster.members {
                if let found = await cluster.query(sql, on: member).flatMap({ Int($0) }) { counts.append(found) }
            }
            count = counts.isEmpty ? nil : counts.reduce(0, +)
            return count == 0
        }
        return count
    }

    private func say(_ text: String) {
        print("\(mode): \(text)")
        fflush(nil)
    }
}
