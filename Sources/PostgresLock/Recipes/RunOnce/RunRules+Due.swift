// When a job is due, as SQL. The server's clock decides, in the statement that claims the run: see ``RunStatements``.
//
// `r` is the row of the last run. The parameters are `$2`, the interval, `$3`, the least pause between two runs, and `$4`, the time after
// which an aborted run is repeated, all in microseconds.
extension RunRules {
    static func interval(_ microseconds: String) -> String { "(\(microseconds)::int8 * interval '1 microsecond')" }

    /// Since 1970. The product is a whole number, but for the last bits of a floating-point number, which servers before version 14 have.
    static func microseconds(_ time: String) -> String { "round((extract(epoch FROM \(time)) * 1000000)::numeric)::int8" }

    /// When the interval has begun that lasts at a time.
    func start(_ now: String) -> String {
        guard isAligned else { return now }
        let time = Self.microseconds(now)
        return "timestamptz 'epoch' + (\(time) - \(time) % $2::int8) * interval '1 microsecond'"
    }

    /// Whether the row `r` lets a run begin.
    func isDue(now: String, start: String) -> String {
        """
        ((r.every = \(Self.interval("$2")) OR \(isOver(now))) AND (
            (r.interval_start < \(start) AND r.claimed_at + \(Self.interval("$3")) <= \(now))
            OR coalesce(r.state <> 'done' AND r.claimed_at + \(Self.interval("$4")) <= \(now), false)
        ))
        """
    }

    /// Whether the interval has passed that the last run had, but for the time by which runs of one schedule may vary.
    func isOver(_ now: String) -> String { "r.claimed_at + r.every * 0.9 <= \(now)" }

    var nextDue: String {
        let regular =
            "greatest(r.interval_start + \(isAligned ? Self.interval("$2") : Self.interval("$3")), r.claimed_at + \(Self.interval("$3")))"
        return "CASE WHEN r.state <> 'done' THEN least(\(regular), r.claimed_at + \(Self.interval("$4"))) ELSE \(regular) END"
    }
}
