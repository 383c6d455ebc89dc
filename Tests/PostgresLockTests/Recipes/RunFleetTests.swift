import ChildProcesses
import FaultTools
import Foundation
import LibPQ
import PostgresLock
import Testing

@Suite("A job that runs once per interval in several processes", .database)
struct RunFleetTests {
    /// For how many seconds the processes run.
    private static let seconds = ProcessInfo.processInfo.environment["PGLOCK_JOB_SECONDS"].flatMap { Int($0) } ?? 12
    private static let interval = 3

    private struct Report {
        /// The beginnings of the intervals in which the job has run.
        var runs: [Int] = []
        /// The intervals in which a call of the job began and ended, and in which no run of the interval before can have held it up.
        var called: Set<Int> = []
    }

    @Test(
        "three processes whose clocks differ by 150 ms and by 5 minutes run the job once in each interval, also if one is killed in a run"
    )
    func threeProcesses() async throws {
        let database = try TestDatabase.get()
        try await database.manager().createRunTable()
        let workers = try [0, 150, 300_400].map { ahead in
            try ChildProcess.helper("RecipeWorker", ["job", database.url, "\(Self.interval)", "\(ahead)", "\(Self.seconds)"])
        }
        let runCount = Locked(0)
        let reports = await withTaskGroup(of: Report.self) { group in
            for worker in workers {
                group.addTask {
                    await Self.read(worker) {
                        let count = runCount.withLock { count in
                            count += 1
                            return count
                        }
                        if count == 2 { worker.signal(SIGKILL) }
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        for worker in workers { _ = await worker.status() }
        let runs = reports.flatMap(\.runs).sorted()
        #expect(Set(runs).count == runs.count, "An interval was run twice: \(runs)")
        let missed = reports.reduce(into: Set<Int>()) { $0.formUnion($1.called) }.subtracting(runs)
        #expect(missed.isEmpty, "The job was called in intervals that were left out: \(missed.sorted()); run were \(runs)")
        #expect(runs.count > 2, "otherwise nothing was tried")
    }

    /// Reads what a process prints, until it ends.
    private static func read(_ worker: ChildProcess, onRun: () -> Void) async -> Report {
        var report = Report()
        var begun = 0.0
        for await line in worker.lines {
            let words = line.split(separator: " ")
            guard words.count == 2, let time = Double(words[1]) else {
                Issue.record("The worker says: \(line)")
                continue
            }
            switch words[0] {
            case "calls": begun = time
            case "ran":
                report.runs.append(Int(time))
                onRun()
            default:
                let (first, last) = (Int(begun) / interval * interval, Int(time) / interval * interval)
                if first == last, begun - Double(first) > Double(interval) / 2 { report.called.insert(first) }
            }
        }
        return report
    }
}
