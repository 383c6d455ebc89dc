import Foundation
import PostgresLock

/// How soon the next process leads.
struct FailoverTimes {
    private static let candidates = 4

    static func measure(rounds: Int) async throws {
        try await Fleet.with { fleet in
            let locks = try LockManager(configuration: .init(url: fleet.url))
            for _ in 0..<candidates { try fleet.start("lead") }
            say("\(candidates) processes, of which one leads; a lease of 2 s; \(rounds) rounds each")
            try await measureKills(fleet, rounds)
            try await measureRequests(fleet, rounds, locks)
            try await measureFreezes(fleet, rounds)
            await locks.shutdown()
        }
    }

    private static func measureKills(_ fleet: Fleet, _ rounds: Int) async throws {
        var times = Times(seconds: [])
        for _ in 0..<rounds {
            let leader = try await leader(in: fleet)
            let begin = Date().timeIntervalSince1970
            await fleet.stop([leader], by: SIGKILL)
            times.seconds.append(try await next(in: fleet, since: begin))
            // Only now: a process that begins tries at once, and so would mostly be the next one to lead.
            try fleet.start("lead")
        }
        say("killed:             the next one leads after \(times)")
    }

    private static func measureRequests(_ fleet: Fleet, _ rounds: Int, _ locks: LockManager) async throws {
        var (asked, released) = (Times(seconds: []), Times(seconds: []))
        for _ in 0..<rounds {
            let leader = try await leader(in: fleet)
            let begin = Date().timeIntervalSince1970
            _ = try await locks.requestStepDown(of: "work")
            asked.seconds.append(try await next(in: fleet, since: begin))
            if let end = fleet.lines.first(where: { $0.words[0] == "ends" && $0.worker == leader && $0.time > begin })?.time {
                released.seconds.append(try await next(in: fleet, since: end))
            }
        }
        say("asked to step down: after \(asked), from the request on")
        say("                    after \(released), from the end of its body on")
    }

    private static func measureFreezes(_ fleet: Fleet, _ rounds: Int) async throws {
        var times = Times(seconds: [])
        for _ in 0..<rounds {
            let leader = try await leader(in: fleet)
            let begin = Date().timeIntervalSince1970
            fleet.signal(leader, SIGSTOP)
            times.seconds.append(try await next(in: fleet, since: begin))
            fleet.signal(leader, SIGCONT)
        }
        say("standing still:     after \(times), its lease included")
    }

    /// Lets the others stand by, and the leader publish its term.
    ///
    /// - Returns: The worker that leads then.
    private static func leader(in fleet: Fleet) async throws -> Int {
        try await Task.sleep(for: .seconds(4))
        var found: Int?
        try await fleet.wait {
            // The lines of several processes are read at the same time, so they are not in order.
            let lines = fleet.lines.sorted { $0.time < $1.time }
            guard let last = lines.last(where: { $0.words[0] == "leads" }) else { return false }
            let hasEnded = lines.contains { $0.words[0] == "ends" && $0.worker == last.worker && $0.time >= last.time }
            found = hasEnded ? nil : last.worker
            return found != nil
        }
        if let found { return found }
        throw Fleet.Stuck()
    }

    /// Waits until a process leads that did not at that time.
    ///
    /// - Returns: How long that takes from then on.
    private static func next(in fleet: Fleet, since begin: Double) async throws -> Double {
        var time: Double?
        try await fleet.wait {
            time = fleet.lines.filter { $0.words[0] == "leads" && $0.time > begin }.map(\.time).min()
            return time != nil
        }
        if let time { return time - begin }
        throw Fleet.Stuck()
    }
}
