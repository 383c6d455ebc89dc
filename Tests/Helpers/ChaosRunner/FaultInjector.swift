import Chaos
import FaultTools
import Foundation
import PostgresLockTesting

/// Injects faults into the workers, their networks and the server, and records them.
actor FaultInjector {
    private let server: EphemeralPostgres
    private let slots: [WorkerSlot]
    private var isServerDown = false
    private var counts: [Fault.Kind: Int] = [:]
    /// The times at which faults ended sessions.
    private(set) var endings: [History.Ending] = []
    /// The log of the faults, one line for each begin and end.
    private(set) var record: [String] = []

    init(server: EphemeralPostgres, slots: [WorkerSlot]) {
        self.server = server
        self.slots = slots
    }

    var summary: String {
        let kinds = Fault.Kind.allCases.compactMap { kind in counts[kind].map { "\($0) \(kind)" } }
        return "\(counts.values.reduce(0, +)) faults (\(kinds.joined(separator: ", ")))"
    }

    /// Injects a fault and returns when it is over. A fault that fails, for example because the server is down, is not counted.
    func commit(_ fault: Fault) async {
        record.append("\(ChaosClock.now) begin \(fault)")
        do {
            try await carryOut(fault, on: slots[fault.worker])
            counts[fault.kind, default: 0] += 1
            record.append("\(ChaosClock.now) end \(fault.kind) of \(fault.worker)")
        } catch {
            record.append("\(ChaosClock.now) failed \(fault.kind): \(error)")
        }
    }

    /// Ends all faults: continues the workers, repairs their networks, and starts the server if it is down.
    func repair() async throws {
        for slot in slots {
            await slot.signal(SIGCONT)
            slot.link.setDelay(.zero)
            slot.link.swallowNothing()
        }
        if await server.processIdentifier == nil { try await server.resume() }
    }

    private func carryOut(_ fault: Fault, on slot: WorkerSlot) async throws {
        switch fault.kind {
        case .kill:
            await slot.kill()
            try await slot.start()
        case .freeze:
            await slot.signal(SIGSTOP)
            try await Task.sleep(for: fault.duration)
            await slot.signal(SIGCONT)
        case .terminate:
            try await terminate(fault.count)
        case .crash:
            try await crash(for: fault.duration)
        case .cut:
            let (begin, name) = (ChaosClock.now, slot.names.last)
            await slot.link.cut()
            // Another fault may have replaced the worker meanwhile.
            for name in Set([name, slot.names.last]) { note(name, since: begin) }
        case .delay:
            slot.link.setDelay(fault.delay)
            try await Task.sleep(for: fault.duration)
            slot.link.setDelay(.zero)
        case .blackHole:
            slot.link.swallowEverything()
            try await Task.sleep(for: fault.duration)
            slot.link.swallowNothing()
        case .exhaustion:
            try await fillLockTable(for: fault.duration)
        }
    }

    /// Ends some sessions of workers: random ones if the number is odd, preferably sessions that hold locks if it is even.
    private func terminate(_ count: Int) async throws {
        let begin = ChaosClock.now
        let holders = "EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND locktype = 'advisory' AND granted) DESC,"
        let rows = try await server.query(
            """
            SELECT application_name, pg_terminate_backend(pid) FROM (
                SELECT application_name, pid FROM pg_stat_activity a WHERE application_name LIKE 'chaos %'
                ORDER BY \(count % 2 == 0 ? holders : "") random() LIMIT \(count)
            ) chosen
            """
        )
        let names = rows.compactMap { $0.first?.map { String($0.dropFirst("chaos ".count)) } }
        for name in Set(names) { note(name, since: begin) }
    }

    private func crash(for duration: Duration) async throws {
        guard !isServerDown else { throw CancellationError() }
        isServerDown = true
        defer { isServerDown = false }
        let begin = ChaosClock.now
        try await server.crash()
        note(nil, since: begin)
        try await Task.sleep(for: duration)
        try await server.resume()
    }

    /// Locks pairs of 32-bit keys until the lock table is full. The workers use 64-bit keys, so none of them is excluded. The statement
    /// that finds no more room fails, but the session keeps its locks until it ends.
    private func fillLockTable(for duration: Duration) async throws {
        try await server.query(
            """
            DO $$ BEGIN
                FOR i IN 1..1000000 LOOP PERFORM pg_advisory_lock(i, 0); END LOOP;
            EXCEPTION WHEN out_of_memory THEN NULL;
            END $$;
            SELECT pg_sleep(\(duration / .seconds(1)))
            """
        )
    }

    private func note(_ worker: String?, since begin: Int64) {
        endings.append(.init(worker: worker, from: begin, to: ChaosClock.now))
    }
}
