import ChildProcesses
import FaultTools
import Foundation
import LibPQ
import PostgresLockTesting

/// Worker processes on a throwaway server, and what they print.
final class Fleet: Sendable {
    struct Line: Sendable {
        let worker: Int
        let words: [Substring]
        let time: Double

        /// The number between the first word and the time.
        var number: Int? { words.count > 2 ? Int(words[1]) : nil }
    }

    let server: EphemeralPostgres
    private let all = Locked<[Line]>([])
    private let processes = Locked<[Int: ChildProcess]>([:])

    init() async throws {
        server = try await EphemeralPostgres.start()
    }

    var url: String { server.connectionString() }
    var lines: [Line] { all.withLock { $0 } }
    /// The workers that were not stopped.
    var workers: [Int] { processes.withLock { $0.keys.sorted() } }

    /// Starts a worker with these arguments behind the connection string.
    func start(_ what: String, _ arguments: String...) throws {
        let process = try ChildProcess.helper("RecipeWorker", [what, server.connectionString()] + arguments)
        let number = processes.withLock { processes in
            let number = Int(process.processIdentifier)
            processes[number] = process
            return number
        }
        Task { [all] in
            for await line in process.lines {
                let words = line.split(separator: " ")
                guard let time = words.last.flatMap({ Double($0) }) else { continue }
                all.withLock { $0.append(Line(worker: number, words: words, time: time)) }
            }
        }
    }

    func signal(_ worker: Int, _ number: Int32) {
        processes.withLock { $0[worker] }?.signal(number)
    }

    /// Signals workers, and waits for their ends.
    func stop(_ workers: [Int], by number: Int32 = SIGTERM) async {
        let stopped = processes.withLock { processes in workers.compactMap { processes.removeValue(forKey: $0) } }
        for process in stopped { process.signal(number) }
        for process in stopped { _ = await process.status() }
    }

    func end() async {
        await stop(workers)
        await server.remove()
    }

    func wait(until isTrue: () -> Bool) async throws {
        while !isTrue() { try await Task.sleep(for: .milliseconds(10)) }
    }

    /// Waits until nothing was printed for some seconds.
    func waitForRest() async throws {
        var count = -1
        while count != lines.count {
            count = lines.count
            try await Task.sleep(for: .seconds(5))
        }
    }
}
