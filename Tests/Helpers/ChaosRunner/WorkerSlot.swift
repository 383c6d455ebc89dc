import Chaos
import ChildProcesses
import FaultTools
import Foundation
import LibPQ
import PostgresLockTesting

/// Runs one worker at a time behind its own network proxy. After a kill the next worker takes the slot.
actor WorkerSlot {
    nonisolated let link: SlowLink
    private let number: Int
    private let seed: UInt64
    private let locksURL: String
    private let writesURL: String
    private let folder: URL
    private let breaking: ChaosBreak?
    private nonisolated let allNames = Locked<[String]>([])
    private var process: ChildProcess?
    private(set) var fates: [String: History.Worker.Fate] = [:]

    init(number: Int, seed: UInt64, server: EphemeralPostgres, folder: URL, breaking: ChaosBreak?) throws {
        self.number = number
        self.seed = seed
        self.folder = folder
        self.breaking = breaking
        link = try SlowLink(toTCP: server.port)
        locksURL = "host=127.0.0.1 port=\(link.port) user=postgres dbname=postgres"
        writesURL = server.connectionString()
    }

    /// The names of all workers that have run in this slot, the latest last.
    nonisolated var names: [String] { allNames.withLock { $0 } }

    nonisolated func notes(of name: String) -> URL { folder.appending(path: "worker-\(name).log") }

    func start() throws {
        let generation = names.count
        let name = "\(number).\(generation)"
        let notes = notes(of: name)
        try Data().write(to: notes)
        let (lease, handoff) = (1 + number % 2, [256, 0, 4][number % 3])
        let workerSeed = seed &* 1000 &+ UInt64(number * 100 + generation)
        process = try ChildProcess.helper(
            "ChaosWorker",
            [locksURL, writesURL, notes.path(), name, "\(workerSeed)", "\(lease)", "\(handoff)"] + (breaking.map { [$0.rawValue] } ?? [])
        )
        allNames.withLock { $0.append(name) }
    }

    func signal(_ number: Int32) {
        process?.signal(number)
    }

    func kill() async {
        guard let name = names.last, let process = take() else { return }
        process.signal(SIGKILL)
        let status = await process.status()
        // Any other status means that the worker ended by itself before the signal, which the check reports.
        fates[name] = status == 128 + SIGKILL ? .killed : .exited(status)
    }

    /// Lets the worker finish its calls and shut down. A worker that does not end within 60 s is killed, which its status shows.
    func stop() async {
        guard let name = names.last, let process = take() else { return }
        process.signal(SIGTERM)
        let timeout = Task {
            try await Task.sleep(for: .seconds(60))
            process.signal(SIGKILL)
        }
        let status = await process.status()
        timeout.cancel()
        fates[name] = .exited(status)
        link.close()
    }

    /// Removes the process from the slot, so that only one caller signals it and waits for its end.
    private func take() -> ChildProcess? {
        defer { process = nil }
        return process
    }
}
