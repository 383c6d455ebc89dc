import Chaos
import ChildProcesses
import FaultTools
import PostgresLockTesting

/// How much of the permits of a semaphore is in use while tasks wait, and in which order they get them.
struct SemaphoreUse {
    private static let limit = 5
    private static let processes = 3
    private static let tasks = 20

    static func measure(seconds: Int) async throws {
        let server = try await EphemeralPostgres.start()
        say("\(limit) permits, \(processes) processes of \(tasks) tasks each, for \(seconds) s")
        do {
            for milliseconds in [1...40, 100...300] {
                let history = try await use(server.connectionString(), milliseconds, seconds)
                say("bodies of \(milliseconds.lowerBound) to \(milliseconds.upperBound) ms: \(history)")
            }
        } catch {
            await server.remove()
            throw error
        }
        await server.remove()
    }

    private static func use(_ url: String, _ milliseconds: ClosedRange<Int>, _ seconds: Int) async throws -> PermitHistory {
        let arguments = [url, "\(limit)", "\(tasks)", "\(milliseconds.lowerBound)", "\(milliseconds.upperBound)", "\(seconds)"]
        let workers = try (0..<processes).map { _ in try ChildProcess.helper("SemaphoreWorker", arguments) }
        let lines = await withTaskGroup(of: [PermitHistory.Line].self) { group in
            for (number, worker) in workers.enumerated() {
                group.addTask {
                    var lines: [PermitHistory.Line] = []
                    for await text in worker.lines {
                        if let line = PermitHistory.Line(text, of: number) { lines.append(line) } else { say("A worker says: \(text)") }
                    }
                    return lines
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        for worker in workers {
            let status = await worker.status()
            if status != 0 { say("A worker has ended with status \(status).") }
        }
        return PermitHistory(lines, limit: limit)
    }
}
