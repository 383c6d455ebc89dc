import Foundation

/// How shares move between members.
struct ShareTimes {
    private static let count = 64

    static func measure() async throws {
        try await Fleet.with { fleet in
            say("\(count) shares, looks once a second, a lease of one second")
            try fleet.start("shares", "\(count)")
            try await fleet.wait { fleet.lines.count == count }
            try await report("4 members join one", of: fleet) {
                for _ in 0..<4 { try fleet.start("shares", "\(count)") }
            }
            try await report("2 of 5 members leave", of: fleet) { await fleet.stop(Array(fleet.workers.prefix(2))) }
            try await report("1 of 3 members is killed", of: fleet) { await fleet.stop(Array(fleet.workers.prefix(1)), by: SIGKILL) }
        }
    }

    /// Prints what a change leads to.
    private static func report(_ what: String, of fleet: Fleet, _ change: () async throws -> Void) async throws {
        let before = owners(in: fleet.lines)
        let lineCount = fleet.lines.count
        let begin = Date().timeIntervalSince1970
        try await change()
        // All members have shares, and none else.
        try await fleet.wait { Set(owners(in: fleet.lines).values) == Set(fleet.workers) }
        try await fleet.waitForRest()
        let lines = fleet.lines.dropFirst(lineCount)
        let after = owners(in: fleet.lines)
        let begun = lines.filter { $0.words[0] == "begin" }
        let least = after.count { before[$0.key] != $0.value }
        // A killed member prints no end: then its shares are without an owner since the kill.
        let gaps = begun.map { line in
            let end = fleet.lines.last { $0.words[0] == "end" && $0.number == line.number && $0.time <= line.time && $0.time >= begin }
            return line.time - (end?.time ?? begin)
        }
        say("\(what): \(begun.count) shares moved (at least \(least) have to), \(after.count) have an owner")
        say("    without an owner: \(Times(seconds: gaps))")
    }

    private static func owners(in lines: some Sequence<Fleet.Line>) -> [Int: Int] {
        var owners: [Int: Int] = [:]
        for line in lines where line.words[0] == "begin" {
            if let share = line.number { owners[share] = line.worker }
        }
        return owners
    }
}
