import Chaos
import FaultTools
import Foundation
import PostgresLockTesting

/// Does the workers and the server harm, and keeps account of it.
actor FaultInjector {
    private let server: EphemeralPostgres
    private let places: [WorkerSlot]
    private var isServerDown = false
    private var counts: [Fault.Kind: Int] = [:]
    /// What ended sessions behind their clients' backs.
    private(set) var endings: [History.Ending] = []
    /// What was done when, a line each.
    private(set) var record: [String] = []

    init(server: EphemeralPostgres, places: [WorkerSlot]) {
        self.server = server
        self.places = places
    }

    var summary: String {
        let kinds = Fault.Kind.allCases.compactMap { kind in counts[kind].map { "\($0) \(kind)" } }
        return "\(counts.values.reduce(0, +)) faults (\(kinds.joined(separator: ", ")))"
    }

    /// Returns when it is over. What is impossible at the moment, since the server is down, is left out and not counted.
    func commit(_ fault: Fault) async {
        record.append("\(ChaosClock.now) begin \(fault)")
        do {
            try await carryOut(fault, on: places[fault.worker])
            counts[fault.kind, default: 0] += 1
            record.append("\(ChaosClock.now) end \(fault.kind) of \(fault.worker)")
        } catch {
            record.append("\(ChaosClock.now) failed \(fault.kind): \(error)")
        }
    }

    /// Makes all well again.
    func repair() async throws {
        for place in places {
            await place.signal(SIGCONT)
            place.link.setDelay(.zero)
            place.link.swallowNothing()
        }
        if await server.processIdentifier == nil { try await server.resume() }
    }

    private func carryOut(_ fault: Fault, on place: WorkerSlot) async throws {
        switch fault.kind {
        case .kill:
            await place.kill()
            try await place.start()
        case .freeze:
            await place.signal(SIGSTOP)
            try await Task.sleep(for: fault.duration)
            await place.signal(SIGCONT)
        case .terminate:
            try await terminate(fault.count)
        case .crash:
            try await crash(for: fault.duration)
        case .cut:
            let (begin, name) = (ChaosClock.now, place.names.last)
            await place.link.cut()
            // It may have been killed meanwhile, and followed by another one.
            for name in Set([name, place.names.last]) { note(name, since: begin) }
        case .delay:
            place.link.setDelay(fault.delay)
            try await Task.sleep(for: fault.duration)
            place.link.setDelay(.zero)
        case .blackHole:
            place.link.swallowEverything()
            try await Task.sleep(for: fault.duration)
            place.link.swallowNothing()
        case .exhaustion:
            try await fillLockTable(for: fault.duration)
        }
    }

    /// An odd number hits anybody, an even one those who hold locks.
    private func terminate(_ count: Int) async throws {
        let begin = ChaosClock.now
        let holders = "EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND locktype = 'advisory' AND granted) DESC,"
        let rows = try await server.query(
            """
            SELECT application_name, pg_terminate_backend(pid) FROM (
                SELECT application_name, pid FROM pg_stat_activity a WHERE application_name LIKE 'chaos %'
                ORDER BY \(count % 2 == 0 ? holders : "") random() LIMIT \(count)
            ) victims
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

    /// Keys of the other kind, so that nobody is locked out. The transaction that finds no more room fails, and what its session
    /// has locked stays so until it ends.
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
