import Chaos
import ChildProcesses
import FaultTools
import Foundation
import LibPQ
import PostgresLockTesting

/// A worker, and after it is killed the next one, behind a network of its own.
actor WorkerSlot {
    nonisolated let link: SlowLink
    private let number: Int
    private let seed: UInt64
    private let locksURL: String
    private let writesURL: String
    private let folder: URL
    private nonisolated let allNames = Locked<[String]>([])
    private var process: ChildProcess?
    private(set) var fates: [String: History.Worker.Fate] = [:]

    init(number: Int, seed: UInt64, server: EphemeralPostgres, folder: URL) throws {
        self.number = number
        self.seed = seed
        self.folder = folder
        link = try SlowLink(toTCP: server.port)
        locksURL = "host=127.0.0.1 port=\(link.port) user=postgres dbname=postgres"
        writesURL = server.connectionString()
    }

    /// Of all who have been here, the latest last.
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
            [locksURL, writesURL, notes.path(), name, "\(workerSeed)", "\(lease)", "\(handoff)"]
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
        // It may have ended by itself before, which it should not.
        fates[name] = status == 128 + SIGKILL ? .killed : .exited(status)
    }

    /// Lets the worker finish what it has begun. One that does not come to an end is killed, and known by its status.
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

    /// Whoever takes it waits for its end.
    private func take() -> ChildProcess? {
        defer { process = nil }
        return process
    }
}
