/// What workers have noted of the jobs that run once per interval.
package struct JobHistory: Sendable {
    private struct Interval: Hashable, Comparable {
        let job: String
        let start: Int

        static func < (left: Interval, right: Interval) -> Bool { (left.job, left.start) < (right.job, right.start) }
    }

    private var runs: [Interval: Int] = [:]
    /// The intervals in which a run has come to its end.
    private var done: Set<Interval> = []
    private var skips: [(job: ChaosJob, begun: Double, ended: Double, claimedAt: Double?, isLocked: Bool)] = []

    package init() {}

    package var runCount: Int { runs.values.reduce(0, +) }
    /// How many runs were a repetition of an aborted one.
    package var repetitions: Int { runCount - runs.count }
    package var skipCount: Int { skips.count }

    mutating func note(_ kind: ChaosEvent.Kind) {
        switch kind {
        case .ran(let job, let start): runs[Interval(job: job.rawValue, start: start), default: 0] += 1
        case .ranToEnd(let job, let start): done.insert(Interval(job: job.rawValue, start: start))
        case .skipped(let job, let begun, let ended, let claimedAt, let isLocked): skips.append((job, begun, ended, claimedAt, isLocked))
        default: break
        }
    }

    var violations: [String] {
        let twice = runs.filter { $0.key.job == ChaosJob.atMostOnce.rawValue && $0.value > 1 }.sorted { $0.key < $1.key }.map {
            interval,
            count in
            "a job that runs at most once was run \(count) times in the interval from \(interval.start) on"
        }
        // Nothing was in the way of these calls. They were told that there is nothing to do, long after the last run had begun, though none
        // has come to its end.
        let leftOut = skips.filter { $0.job == .atLeastOnce && !$0.isLocked }.compactMap { skip -> String? in
            let interval = Interval(job: skip.job.rawValue, start: start(of: skip.begun))
            guard start(of: skip.ended) == interval.start, !done.contains(interval) else { return nil }
            let last = max(Double(interval.start), skip.claimedAt ?? 0)
            guard skip.begun > last + ChaosJob.longestAbort else { return nil }
            return
                "the interval from \(interval.start) on was left out: a call at \(skip.begun) skipped the job, whose last run begun at \(last)"
        }
        return twice + leftOut
    }

    private func start(of time: Double) -> Int { Int(time) / ChaosJob.interval * ChaosJob.interval }
}
