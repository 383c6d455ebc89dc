import Chaos
import ChildProcesses
import FaultTools
import Foundation
import PostgresLock
import Testing

@Suite("A semaphore of several processes", .database)
struct SemaphoreFleetTests {
    /// For how many seconds the processes ask for permits.
    private static let seconds = ProcessInfo.processInfo.environment["PGLOCK_SEMAPHORE_SECONDS"].flatMap { Int($0) } ?? 4
    private static let limit = 5

    @Test("three processes of 20 tasks never use more than five permits, and none twice", arguments: [1...40, 100...300])
    func threeProcesses(milliseconds: ClosedRange<Int>) async throws {
        let database = try TestDatabase.get()
        let arguments = [
            database.url, "\(Self.limit)", "20", "\(milliseconds.lowerBound)", "\(milliseconds.upperBound)", "\(Self.seconds)",
        ]
        let workers = try (0..<3).map { _ in try ChildProcess.helper("SemaphoreWorker", arguments) }
        let lines = await withTaskGroup(of: [PermitHistory.Line].self) { group in
            for (number, worker) in workers.enumerated() {
                group.addTask {
                    var lines: [PermitHistory.Line] = []
                    for await text in worker.lines {
                        guard let line = PermitHistory.Line(text, of: number) else {
                            Issue.record("The worker says: \(text)")
                            continue
                        }
                        lines.append(line)
                    }
                    return lines
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        for worker in workers { _ = await worker.status() }
        let history = PermitHistory(lines, limit: Self.limit)
        print("permits of \(milliseconds) ms: \(history)")
        #expect(history.most <= Self.limit)
        #expect(history.doubled.isEmpty)
        #expect(history.count > Self.limit, "otherwise nothing was tried")
    }
}
