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

    /// What was waited for did not happen.
    struct Stuck: Error, CustomStringConvertible {
        var description: String { "The workers did not do what they were expected to within two minutes." }
    }

    private let server: EphemeralPostgres
    private let all = Locked<[Line]>([])
    private let processes = Locked<[Int: ChildProcess]>([:])

    private init() async throws {
        server = try await EphemeralPostgres.start()
    }

    /// Runs the body with workers and a server that are gone afterwards.
    static func with(_ body: (Fleet) async throws -> Void) async throws {
        let fleet = try await Fleet()
        do {
            try await body(fleet)
        } catch {
            await fleet.end()
            throw error
        }
        await fleet.end()
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

    private func end() async {
        // A worker that stands still, or waits for a server that does not answer, need not heed a SIGTERM.
        await stop(workers, by: SIGKILL)
        await server.remove()
    }

    /// - Throws: ``Stuck`` if it does not become true.
    func wait(until isTrue: () -> Bool) async throws {
        let limit = ContinuousClock.now + .seconds(120)
        while !isTrue() {
            guard ContinuousClock.now < limit else { throw Stuck() }
            try await Task.sleep(for: .milliseconds(10))
        }
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
