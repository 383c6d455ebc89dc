import Chaos
import FaultTools
import Foundation
import PostgresLock
import PostgresLockTesting

/// One chaos run: it starts a server and the workers, injects the faults, and collects the history.
actor ChaosRun {
    private static let workers = 5

    private let folder: URL
    private let plan: FaultPlan
    private let duration: Duration
    private let server: EphemeralPostgres
    private let slots: [WorkerSlot]
    let faults: FaultInjector
    private var history = History()
    /// How many bytes of each worker's log have been read.
    private var sizesRead: [String: UInt64] = [:]

    init(folder: URL, seed: UInt64, duration: Duration, breaking: ChaosBreak?) async throws {
        self.folder = folder
        self.duration = duration
        plan = FaultPlan(seed: seed, workers: Self.workers)
        let server = try await EphemeralPostgres.start(
            // The lock table is small, so that it becomes full during the run.
            .init(settings: ["max_locks_per_transaction": "10"], listensOnTCP: true)
        )
        try await server.query(
            """
            CREATE TABLE guarded (key int PRIMARY KEY, token uuid NOT NULL, number int8 NOT NULL);
            INSERT INTO guarded SELECT key, '00000000-0000-0000-0000-000000000000', 0 FROM generate_series(0, 99) key;
            CREATE TABLE accepted (key int, number int8, token uuid, worker text, claim int8, PRIMARY KEY (key, number))
            """
        )
        try await server.query(RunTable().definition)
        self.server = server
        slots = try (0..<Self.workers).map { try WorkerSlot(number: $0, seed: seed, server: server, folder: folder, breaking: breaking) }
        faults = FaultInjector(server: server, slots: slots)
    }

    /// Runs the workers and the faults to the end.
    ///
    /// - Returns: The history of the run.
    func run() async throws -> History {
        do {
            for slot in slots { try await slot.start() }
            await work()
            try await faults.repair()
            try await waitForUse()
            await withTaskGroup { group in
                for slot in slots { group.addTask { await slot.stop() } }
            }
            history.locksLeft = try await locksLeft()
            try await collect()
        } catch {
            for slot in slots { await slot.kill() }
            try? await keepRecords()
            await server.remove()
            throw error
        }
        try await keepRecords()
        await server.remove()
        return history
    }

    private func work() async {
        let end = ContinuousClock.now + duration
        await withTaskGroup { group in
            group.addTask { [plan, faults] in
                await withTaskGroup { group in
                    for fault in plan {
                        guard ContinuousClock.now + fault.pause < end else { return }
                        try? await Task.sleep(for: fault.pause)
                        group.addTask { await faults.commit(fault) }
                    }
                }
            }
            group.addTask { await self.reportProgress() }
            await group.next()
            group.cancelAll()
        }
    }

    /// Lets the workers go on without faults until there is some of all that the check counts, for two minutes at most: on a busy machine a run of
    /// some seconds may have nothing of one kind.
    private func waitForUse() async throws {
        let limit = ContinuousClock.now + .seconds(120)
        while ContinuousClock.now < limit {
            try readNotes()
            guard !history.tally.isComplete else { return }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    private func reportProgress() async {
        let begin = ContinuousClock.now
        while (try? await Task.sleep(for: .seconds(10))) != nil {
            do {
                try readNotes()
            } catch {
                print("The workers' logs can't be read: \(error)")
            }
            print("\(minutes(begin.duration(to: .now))) of \(minutes(duration)): \(await faults.summary); \(history.tally)")
            fflush(nil)
        }
    }

    private func minutes(_ duration: Duration) -> String {
        String(format: "%d:%02d", duration.components.seconds / 60, duration.components.seconds % 60)
    }

    // MARK: After the run

    /// Counts the advisory locks at the server, waiting up to 30 s for none: a session whose packets were dropped keeps its locks
    /// until the server ends it after the lease.
    private func locksLeft() async throws -> Int {
        let limit = ContinuousClock.now + .seconds(30)
        while true {
            let rows = try await server.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
            let count = rows.first?.first.flatMap(\.self).flatMap { Int($0) } ?? -1
            if count == 0 || ContinuousClock.now > limit { return count }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    private func readNotes() throws {
        for slot in slots {
            for name in slot.names {
                let file = try FileHandle(forReadingFrom: slot.notes(of: name))
                defer { try? file.close() }
                try file.seek(toOffset: sizesRead[name, default: 0])
                let (events, size) = try ChaosLog.events(in: file.readToEnd() ?? Data())
                for event in events { history.note(event, of: name) }
                sizesRead[name, default: 0] += UInt64(size)
            }
        }
    }

    private func collect() async throws {
        try readNotes()
        history.endings = await faults.endings
        for slot in slots {
            for (name, fate) in await slot.fates { history.workers[name]?.fate = fate }
        }
        for row in try await server.query("SELECT key, number, token, worker, claim FROM accepted ORDER BY key, number") {
            let values = row.map { $0 ?? "" }
            guard let key = Int(values[0]), let number = Int(values[1]), let token = FencingToken(values[2]),
                let claim = Int(values[4])
            else { continue }
            history.writes.append(.init(key: key, number: number, token: token, worker: values[3], claim: claim))
        }
    }

    /// Writes the server's log, the faults and the accepted writes into the folder of the workers' logs.
    private func keepRecords() async throws {
        try server.serverLog().write(to: folder.appending(path: "server.log"), atomically: true, encoding: .utf8)
        try await (faults.record.joined(separator: "\n") + "\n")
            .write(to: folder.appending(path: "faults.log"), atomically: true, encoding: .utf8)
        let table = history.writes.map { "\($0.key) \($0.number) \($0.token) \($0.worker) \($0.claim)\n" }.joined()
        try table.write(to: folder.appending(path: "accepted.log"), atomically: true, encoding: .utf8)
    }
}
