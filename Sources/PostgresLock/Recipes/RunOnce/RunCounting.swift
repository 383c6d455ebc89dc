/// What the intervals of a job are counted by. The server's clock counts in both cases, never that of a process.
public struct RunCounting: Hashable, Sendable {
    enum Kind: Hashable {
        /// With the least time between two runs.
        case aligned(minimumGap: Duration?)
        /// With how much earlier than an interval after the last run the next one may begin.
        case fromLastRun(slack: Duration?)
    }

    let kind: Kind

    /// Intervals begin at multiples of their length since 1970-01-01 00:00 UTC: at each full hour, at midnight UTC, on Thursdays.
    ///
    /// In each of them the job runs once, at the first call. Two runs are at least half an interval apart, so that machines on both sides of
    /// a boundary don't run the job twice.
    public static let aligned = RunCounting(kind: .aligned(minimumGap: nil))

    /// The same with another gap.
    ///
    /// - Parameter minimumGap: The least time from the beginning of a run to that of the next one; shorter than the interval.
    public static func aligned(minimumGap: Duration) -> RunCounting { RunCounting(kind: .aligned(minimumGap: minimumGap)) }

    /// An interval begins with each run. The next run may begin a tenth of the interval before its end, so that a daily job that is called
    /// some seconds earlier than the day before still runs.
    public static let fromLastRun = RunCounting(kind: .fromLastRun(slack: nil))

    /// The same with another slack.
    ///
    /// - Parameter slack: How much earlier than one interval after the last run the next one may begin; shorter than the interval.
    public static func fromLastRun(slack: Duration) -> RunCounting { RunCounting(kind: .fromLastRun(slack: slack)) }
}

/// What happens with a run that has not ended well: its process was killed, its lock was lost, or its body has thrown.
public struct RunGuarantee: Hashable, Sendable {
    /// `nil` for at most once.
    let repeatingAfter: Duration?

    /// The job is left out until the next interval. It is never begun twice in one.
    public static let atMostOnce = RunGuarantee(repeatingAfter: nil)

    /// A later call runs the job again in the same interval. So what it does can happen twice.
    ///
    /// While the process of a run lives and holds its lock, the run is not repeated, however long it takes.
    ///
    /// - Parameter delay: How long after the beginning of the run that was aborted.
    public static func atLeastOnce(repeatingAfter delay: Duration) -> RunGuarantee { RunGuarantee(repeatingAfter: delay) }
}
