import Foundation
import PostgresLock

/// How soon the next process leads.
struct FailoverTimes {
    static func measure(rounds: Int) async throws {
        let fleet = try await Fleet()
        let locks = try LockManager(configuration: .init(url: fleet.url))
        for _ in 0..<4 { try fleet.start("lead") }
        print("4 processes, of which one leads; a lease of 2 s; \(rounds) rounds each")
        var killed = Times(seconds: [])
        for _ in 0..<rounds {
            killed.seconds.append(
                try await next(in: fleet) { leader in
                    await fleet.stop([leader], by: SIGKILL)
                    try fleet.start("lead")
                }
            )
        }
        print("killed:        the next one leads after \(killed)")
        var asked = Times(seconds: [])
        for _ in 0..<rounds { asked.seconds.append(try await next(in: fleet) { _ in try await locks.requestStepDown(of: "work") }) }
        print("asked to step down: after \(asked), from the request on")
        let lines = fleet.lines
        let released = lines.indices.compactMap { index -> Double? in
            guard lines[index].words[0] == "ends" else { return nil }
            return lines[index...].first { $0.words[0] == "leads" }.map { $0.time - lines[index].time }
        }
        print("               after \(Times(seconds: released)), from the end of its body on")
        var frozen = Times(seconds: [])
        for _ in 0..<rounds {
            var leading = 0
            frozen.seconds.append(
                try await next(in: fleet) { leader in
                    leading = leader
                    fleet.signal(leader, SIGSTOP)
                }
            )
            fleet.signal(leading, SIGCONT)
        }
        print("standing still: after \(frozen)")
        await locks.shutdown()
        await fleet.end()
    }

    /// Waits for a leader, does something to it, and waits until the next one leads.
    ///
    /// - Returns: How long that takes.
    private static func next(in fleet: Fleet, _ fault: (Int) async throws -> Void) async throws -> Double {
        // Let the others stand by, and the leader publish its term.
        try await Task.sleep(for: .seconds(3))
        try await fleet.wait { fleet.lines.contains { $0.words[0] == "leads" } }
        guard let leader = fleet.lines.last(where: { $0.words[0] == "leads" }) else { return 0 }
        let begin = Date().timeIntervalSince1970
        try await fault(leader.worker)
        try await fleet.wait { fleet.lines.contains { $0.words[0] == "leads" && $0.time > begin } }
        return fleet.lines.first { $0.words[0] == "leads" && $0.time > begin }.map { $0.time - begin } ?? 0
    }
}
