/// How long calls took beyond their timeouts, and to end after their bodies.
package struct CallTimes: Sendable {
    package struct Entry: Sendable {
        package let worker: String
        package let call: Int
        package let what: String
        package let begun: Int64
        /// How long after its timeout it was granted or has ended, in nanoseconds; `nil` if it has no timeout, or was in time.
        package let overshoot: Int64?
        /// How long it took to end after the last that was noted of its locks, in nanoseconds; `nil` if it had no lock.
        package let release: Int64?
        let isTransaction: Bool
    }

    package let entries: [Entry]

    package init(_ history: History) {
        entries = history.workers.sorted { $0.key < $1.key }.flatMap { name, worker in
            let claims = Dictionary(grouping: worker.claims.values, by: \.call)
            return worker.calls.sorted { $0.key < $1.key }.compactMap { number, call in
                Self.entry(worker: name, number, call, claims[number] ?? [])
            }
        }
    }

    private static func entry(worker: String, _ number: Int, _ call: History.Call, _ claims: [History.Claim]) -> Entry? {
        guard let settled = claims.map(\.from).min() ?? call.ended else { return nil }
        // A session waits for a connection first, and its lock has the same timeout once more.
        let waits: Int64 = call.what.hasPrefix("withSession") ? 2 : 1
        let overshoot = call.timeout.map { settled - call.begun - $0 * waits }
        return Entry(
            worker: worker,
            call: number,
            what: call.what,
            begun: call.begun,
            overshoot: overshoot.flatMap { $0 > 0 ? $0 : nil },
            release: claims.map(\.lastNoted).max().flatMap { last in call.ended.map { $0 - last } },
            isTransaction: claims.contains(where: \.isTransaction)
        )
    }

    func violations(of rules: TimelineRules) -> [String] {
        entries.flatMap { entry in
            let name = "call \(entry.call) of worker \(entry.worker), begun at \(entry.begun), \(entry.what)"
            var found: [String] = []
            if let overshoot = entry.overshoot, overshoot > rules.longestOvershoot {
                found.append("a call has overshot its timeout by \(overshoot) ns: \(name)")
            }
            let limit = entry.isTransaction ? rules.longestCommit : rules.longestOvershoot
            if let release = entry.release, release > limit {
                found.append("a call took \(release) ns to end after its locks: \(name)")
            }
            return found
        }
    }
}
