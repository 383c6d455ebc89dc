/// What a history says of one fault: how soon the fleet locks again, and what went on meanwhile. All times are in nanoseconds.
package struct FailoverMeasures: Codable, Sendable {
    /// A fault as it was carried out.
    package struct Record: Codable, Sendable {
        package let kind: FailoverFault.Kind
        package var begun: Int64
        /// When the last thing was done that interrupts the fleet.
        package var struck: Int64
        /// When the next fault began, or the history ended.
        package var over: Int64
        package var timelineBefore: UInt32
        /// The highest timeline of a primary before the repair.
        package var timelineAfter: UInt32
        package var promoted: Int64?
        /// Whether all servers were in order again after the repair.
        package var isHealed = false

        package init(kind: FailoverFault.Kind, begun: Int64, timeline: UInt32) {
            self.kind = kind
            self.begun = begun
            struck = begun
            over = .max
            timelineBefore = timeline
            timelineAfter = timeline
        }
    }

    package let record: Record
    /// From the last strike to the first grant on the server that is the primary then, and until each worker has had one; `nil` if there was none.
    package private(set) var firstGrant: Int64?
    package private(set) var allGranted: Int64?
    /// The longest time for which conflicting locks of two servers were believed in.
    package private(set) var longestOverlap: Int64 = 0
    package private(set) var overlaps = 0
    /// From the first grant on a newer server to the last time at which a lock of an older one was believed in.
    package private(set) var longestBelief: Int64 = 0
    package private(set) var refusedWrites = 0
    package private(set) var longestOvershoot: Int64 = 0
    package private(set) var longestRelease: Int64 = 0

    package init(_ record: Record, of history: History) {
        self.record = record
        let claims = history.claims.filter { $0.from >= record.begun && $0.from < record.over || $0.covers(record.begun) }
        measureGrants(claims, workers: history.workers.count)
        measureOverlaps(claims)
        measureBelief(claims)
        refusedWrites = history.claims.reduce(0) { count, claim in
            count + claim.refusals.count { $0 >= record.begun && $0 < record.over }
        }
        for entry in CallTimes(history).entries where entry.begun >= record.begun && entry.begun < record.over {
            longestOvershoot = max(longestOvershoot, entry.overshoot ?? 0)
            longestRelease = max(longestRelease, entry.release ?? 0)
        }
    }

    private mutating func measureGrants(_ claims: [History.Claim], workers: Int) {
        let later = claims.filter { $0.begun >= record.struck && ($0.timeline ?? 0) >= record.timelineAfter }
        let first = Dictionary(grouping: later, by: \.worker).compactMapValues { $0.map(\.from).min() }
        firstGrant = first.values.min().map { $0 - record.struck }
        allGranted = first.count == workers ? first.values.max().map { $0 - record.struck } : nil
    }

    private mutating func measureOverlaps(_ claims: [History.Claim]) {
        for claims in Dictionary(grouping: claims, by: \.key).values {
            let newer = claims.filter { ($0.timeline ?? 0) > record.timelineBefore }
            for old in claims where old.timeline.map({ $0 <= record.timelineBefore }) ?? false {
                for new in newer where old.isExclusive || new.isExclusive {
                    guard let until = old.until, let end = new.until else { continue }
                    let overlap = min(until, end) - max(old.from, new.from)
                    guard overlap > 0 else { continue }
                    overlaps += 1
                    longestOverlap = max(longestOverlap, overlap)
                }
            }
        }
    }

    private mutating func measureBelief(_ claims: [History.Claim]) {
        guard let first = claims.filter({ ($0.timeline ?? 0) > record.timelineBefore }).map(\.from).min() else { return }
        let last = claims.filter { $0.timeline.map { $0 <= record.timelineBefore } ?? false }.compactMap(\.until).max()
        longestBelief = max(0, (last ?? first) - first)
    }
}

extension History.Claim {
    fileprivate func covers(_ time: Int64) -> Bool { until.map { from <= time && $0 >= time } ?? false }
}
