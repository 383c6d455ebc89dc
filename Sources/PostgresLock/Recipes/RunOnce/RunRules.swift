/// What the caller says of one job, checked: how often it runs, and where that is recorded.
struct RunRules: Hashable, Sendable {
    let name: String
    let table: RunTable
    let interval: RunInterval
    /// Whether the intervals begin at multiples of their length.
    let isAligned: Bool
    /// The least time from the claim of a run to that of the next one.
    let pause: RunInterval
    /// How long after its claim an aborted run is repeated; `nil` for never.
    let repetition: RunInterval?

    /// - Parameter lease: While a runner is frozen for the lease, no other process gets the lock.
    /// - Throws: ``LockError`` with the code ``LockError/Code/invalidArgument``.
    init(
        _ name: String,
        every interval: RunInterval,
        counting: RunCounting,
        guarantee: RunGuarantee,
        table: RunTable,
        lease: Duration?
    ) throws {
        try Self.require(!name.isEmpty && !name.utf8.contains(0), "The job's name is empty, or has a zero byte (U+0000) in it.")
        try Self.require(
            interval.duration >= .seconds(1) && interval.duration <= .seconds(3_660 * 86_400),
            "The interval is \(interval), but must be from 1 second to 3,660 days."
        )
        if let lease {
            try Self.require(
                interval.duration >= lease * 2,
                """
                The interval is \(interval), but must be at least twice the lease (\(lease)): the run of a process that is frozen keeps \
                others out for the lease, and would take the next interval along. Set a shorter configuration.lease.
                """
            )
        }
        let part: Duration
        switch counting.kind {
        case .aligned(let gap):
            (isAligned, part) = (true, gap ?? interval.duration / 2)
            try Self.require(part >= .zero && part < interval.duration, "The minimum gap is \(part), but must be shorter than \(interval).")
            pause = RunInterval(part)
        case .fromLastRun(let slack):
            (isAligned, part) = (false, slack ?? interval.duration / 10)
            try Self.require(part >= .zero && part < interval.duration, "The slack is \(part), but must be shorter than \(interval).")
            pause = RunInterval(interval.duration - part)
        }
        if let delay = guarantee.repeatingAfter {
            try Self.require(delay >= .zero, "An aborted run is to be repeated after \(delay), but that can't be negative.")
        }
        repetition = guarantee.repeatingAfter.map(RunInterval.init)
        self.name = name
        self.table = table
        self.interval = interval
    }

    /// The lock around claim and run.
    var key: LockKey { LockKey(name) }

    private static func require(_ isValid: Bool, _ message: String) throws {
        guard isValid else { throw LockError(.invalidArgument, message) }
    }
}
