import PostgresLock

/// Finds the violations of the library's guarantees in a history.
///
/// A claim never covers more time than the lock was reported as held: a worker reads the clock *before* it reads `isHeld`. So two
/// conflicting claims that overlap are a violation, without any tolerance, with one exception: when the server or the network ends
/// a session, the client may report its locks as held for the rest of the lease, and no longer. Fencing tokens and guarded writes
/// have to exclude harm in this time too, so they are checked without exception.
///
/// With ``TimelineRules`` servers fail over during the history. The locks of two servers don't exclude each other until the holders on the
/// server that was replaced have learned of it, for which the rules set a limit.
package struct HistoryCheck {
    private let history: History
    private let rules: TimelineRules?
    private let expectsRecipes: Bool
    private let endings: [String?: [History.Ending]]
    package private(set) var violations: [String] = []
    /// The number of overlaps that an ended session explains.
    private var excused = 0
    private var pairs = 0
    /// The number of overlaps of locks of two servers, within the limit, and the longest one.
    private var acrossTimelines = 0
    private var longestAcross: Int64 = 0

    /// - Parameter expectsRecipes: Whether a history without any use of a recipe counts as failed. A run of some seconds on a busy machine may have none.
    package init(_ history: History, rules: TimelineRules? = nil, expectsRecipes: Bool = true) {
        self.history = history
        self.rules = rules
        self.expectsRecipes = expectsRecipes
        endings = Dictionary(grouping: history.endings, by: \.worker)
        violations = history.inconsistencies + history.jobs.violations
        checkCalls()
        if let rules { violations += CallTimes(history).violations(of: rules) }
        checkWorkers()
        checkTokens()
        checkOverlaps()
        checkTransactions()
        checkWrites()
        checkGuards()
        checkPermits()
        checkCounts()
    }

    /// What was checked, with counts.
    package var summary: String {
        let (tally, workers) = (history.tally, history.workers.values)
        let killed = workers.count { $0.fate == .killed }
        let ended = tally.outcomes.values.reduce(0, +)
        return """
            calls ended:               \(ended) of \(tally.calls), the others in \(killed) killed workers
            locks compared:            \(tally.exclusive) exclusive, \(tally.shared) shared, \(tally.ofTransactions) of these in transactions; \(pairs) pairs in token order, \
            \(excused) overlaps within the lease of an ended session\(acrossText)
            fencing tokens:            \(history.claims.count { $0.token != nil })
            guarded writes:            \(history.writes.count) in the table, \(tally.refused) refused
            reads under shared locks:  \(tally.reads)
            recipes:                   \(claimCounts), with the locks above
            jobs once per interval:    \(history.jobs.runCount) runs, \(history.jobs.repetitions) of them again after an aborted one, \(history.jobs.skipCount) calls that skipped one
            workers that shut down:    \(workers.count { $0.isFinished }) of \(workers.count - killed) that were not killed
            locks left at the server:  \(history.locksLeft.map(String.init) ?? "unknown")
            """
    }

    private var recipeCounts: [(what: String, count: Int)] {
        ChaosRecipe.kinds.map { what, keys in (what, history.claims.count { keys.contains($0.key) && $0.until != nil }) }
    }

    private var acrossText: String {
        rules == nil ? "" : ", \(acrossTimelines) of locks of two servers, for \(Double(longestAcross / 1_000_000) / 1000) s at most"
    }

    private var claimCounts: String { recipeCounts.map { "\($0.count) \($0.what)" }.joined(separator: ", ") }

    // MARK: Calls and processes

    private mutating func checkCalls() {
        for (name, worker) in history.workers where worker.fate != .killed {
            for (number, call) in worker.calls.sorted(by: { $0.key < $1.key }) where call.outcome == nil {
                violations.append("a call has not ended: \(number) of worker \(name), \(call.what)")
            }
        }
    }

    private mutating func checkWorkers() {
        for (name, worker) in history.workers.sorted(by: { $0.key < $1.key }) where worker.fate != .killed {
            if worker.fate != .exited(0) || !worker.isFinished {
                violations.append("worker \(name) did not shut down by itself: \(worker.fate)")
            }
        }
        if history.locksLeft != 0 {
            violations.append("locks are left at the server: \(history.locksLeft.map(String.init) ?? "not counted")")
        }
    }

    /// A run without calls, locks, reads or writes checks nothing, so it counts as failed.
    private mutating func checkCounts() {
        let tally = history.tally
        let counts = [
            ("calls", tally.calls), ("exclusive locks", tally.exclusive), ("shared locks", tally.shared), ("reads", tally.reads),
            ("locks of transactions", tally.ofTransactions),
            ("guarded writes", history.writes.count), ("workers that finished", history.workers.values.count { $0.isFinished }),
        ]
        // Their record is in the database that fails over, so no jobs are run where one does.
        let recipes = recipeCounts + (rules == nil ? [("runs of jobs", history.jobs.runCount)] : [])
        for (what, count) in counts + (expectsRecipes ? recipes : []) where count == 0 { violations.append("there were no \(what)") }
    }

    // MARK: Locks

    private mutating func checkTokens() {
        for claims in Dictionary(grouping: history.claims, by: \.key).values {
            for claim in claims where claim.token == nil && !claim.isTransaction {
                violations.append("a lock has no token: \(text(claim))")
            }
            for same in Dictionary(grouping: claims.filter { $0.token != nil }, by: \.token).values {
                // A lock keeps its token when it is downgraded, so claims of the same call may share it.
                let others = same.filter { ($0.worker, $0.call) != (same[0].worker, same[0].call) }
                if let other = others.first { violations.append("two locks have the same token: \(text(same[0])), \(text(other))") }
            }
        }
    }

    /// In the order of tokens, each claim has to end before the next conflicting claim begins.
    private mutating func checkOverlaps() {
        for claims in Dictionary(grouping: history.claims, by: \.key).values {
            let ordered = claims.compactMap { claim in claim.token.map { (token: $0, claim: claim) } }
                .filter { $0.claim.until != nil }
                .sorted { ($0.token, $0.claim.from) < ($1.token, $1.claim.from) }.map(\.claim)
            pairs += max(0, ordered.count - 1)
            Self.forOverlaps(in: ordered) { check($0, $1) }
        }
    }

    /// Locks of transactions have no tokens, so they are compared with all other locks in the order of time.
    private mutating func checkTransactions() {
        for claims in Dictionary(grouping: history.claims, by: \.key).values {
            let ordered = claims.filter { $0.until != nil }.sorted { $0.from < $1.from }
            Self.forOverlaps(in: ordered) { earlier, later in
                if earlier.isTransaction || later.isTransaction { check(earlier, later) }
            }
        }
    }

    /// Calls the body for each pair of claims of which the later one began before the earlier one had ended.
    private static func forOverlaps(in ordered: [History.Claim], _ body: (History.Claim, History.Claim) -> Void) {
        var latest: [Int64] = []
        for (index, claim) in ordered.enumerated() {
            for before in stride(from: index - 1, through: 0, by: -1) {
                guard latest[before] >= claim.from else { break }
                body(ordered[before], claim)
            }
            latest.append(max(latest.last ?? .min, claim.until ?? .min))
        }
    }

    private mutating func check(_ lower: History.Claim, _ higher: History.Claim) {
        guard lower.isExclusive || higher.isExclusive, let until = lower.until, let end = higher.until else { return }
        guard until >= higher.from else { return }
        if let rules, let one = lower.timeline, let other = higher.timeline, one != other {
            // If it is not positive, an old holder's lock began when the new holder's had ended. What it writes is refused.
            let overlap = min(until, end) - max(lower.from, higher.from)
            guard overlap > 0 else { return }
            acrossTimelines += 1
            longestAcross = max(longestAcross, overlap)
            if overlap > rules.longestOverlap {
                violations.append("locks of two servers overlap for \(overlap) ns: \(text(lower)), \(text(higher))")
            }
            return
        }
        // The library excludes locks of the same process by itself, so an ended session is no excuse between them.
        let isUncertain = lower.worker != higher.worker || !lower.isArbitrated || !higher.isArbitrated
        if isUncertain, isExcused(lower, from: higher.from) {
            excused += 1
            return
        }
        let what = end < lower.from ? "the later lock has the lower token" : "conflicting locks overlap"
        violations.append("\(what): \(text(lower)), \(text(higher))")
    }

    /// Whether the claim's session may have been ended before `time`, and the worker's lease allowed it to report the lock as held.
    private func isExcused(_ claim: History.Claim, from time: Int64) -> Bool {
        guard let until = claim.until, let lease = history.workers[claim.worker]?.lease else { return false }
        return [claim.worker, nil].contains { worker in
            endings[worker, default: []].contains { $0.to >= claim.begun && $0.from <= time && until <= $0.to + lease }
        }
    }

    // MARK: Writes

    private mutating func checkWrites() {
        for (key, writes) in Dictionary(grouping: history.writes, by: \.key) {
            for (index, write) in writes.enumerated() {
                if write.number != index + 1 {
                    violations.append("key \(key): write \(index + 1) has the number \(write.number)")
                }
                let claim = history.workers[write.worker]?.claims[write.claim]
                if claim?.token != write.token || claim?.key != key || claim?.isExclusive != true {
                    violations.append("key \(key): write \(write.number) belongs to no exclusive lock, token \(write.token)")
                }
                guard index > 0, case let before = writes[index - 1], write.token < before.token else { continue }
                violations.append(
                    "key \(key): a stale holder's write was accepted: \(write.number), token \(write.token) after \(before.token)"
                )
            }
        }
        let known = Dictionary(grouping: history.writes) { "\($0.key) \($0.number)" }
        for claim in history.claims {
            for number in claim.accepted where known["\(claim.key) \(number)"]?.first?.token != claim.token {
                violations.append("a confirmed write is not in the table: \(number) of \(text(claim))")
            }
        }
    }

    /// The holder of a lock must not be refused, and must not read a token above its own. (After a downgrade it reads its own.)
    private mutating func checkGuards() {
        let granted = Dictionary(grouping: history.claims, by: \.key)
        for claim in history.claims {
            guard let token = claim.token, let until = claim.until else { continue }
            let replaced = replacedSince(claim, in: granted[claim.key] ?? [])
            for time in claim.refusals where time <= until && time < replaced && !isExcused(claim, from: time) {
                violations.append("the write of a lock's holder was refused: \(text(claim))")
            }
            for (time, found) in claim.reads where time <= until && time < replaced && !isExcused(claim, from: time) {
                guard let found, found > token else { continue }
                violations.append("a write with the token \(found) was accepted during a shared lock: \(text(claim))")
            }
        }
    }

    /// - Returns: Since when a server that has replaced the claim's one may have granted the same lock.
    private func replacedSince(_ claim: History.Claim, in claims: [History.Claim]) -> Int64 {
        guard rules != nil, let timeline = claim.timeline else { return .max }
        return claims.filter { $0.timeline.map { $0 > timeline } ?? false }.map(\.begun).min() ?? .max
    }

    /// Each permit is a lock of its own. So there are never more of them than the limit if none has another number.
    private mutating func checkPermits() {
        for claim in history.claims where claim.key >= ChaosRecipe.permitKey && !ChaosRecipe.permitKeys.contains(claim.key) {
            violations.append("a permit has a number beyond the limit: \(text(claim))")
        }
    }

    private func text(_ claim: History.Claim) -> String {
        let until = claim.until.map { "\($0)" } ?? "never"
        return """
            [worker \(claim.worker) call \(claim.call) claim \(claim.number), \(claim.isExclusive ? "exclusive" : "shared") \
            key \(claim.key), \(claim.from) to \(until), token \(claim.token.map(\.description) ?? "none")]
            """
    }
}
