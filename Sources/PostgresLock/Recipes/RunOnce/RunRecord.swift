#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What the table says of a job's last run, and what follows for a call.
struct RunRecord: Equatable {
    /// Whether the run is that of the call's own claim.
    var isMine = false
    var run: Int64
    var intervalStart: Date
    var claimedAt: Date
    var claimedBy: String
    var finishedAt: Date?
    /// Whether a run may begin.
    var isDue = false
    var nextDue: Date
    /// Whether the run is recorded for a time that is more than an interval ahead of the clock.
    var isAhead = false
    /// Whether the run was claimed for an interval of another length, which has not passed.
    var hasOtherInterval = false
    var every: RunInterval

    /// What a call makes of it.
    enum Verdict: Equatable {
        /// The run was claimed by this call.
        case mine
        /// A run is due after all: the call asks again. What it returns if it can't run the job then.
        case due(SkippedRun)
        case skipped(SkippedRun)
    }

    /// - Parameter isLocked: Whether another holder has the lock.
    /// - Throws: ``LockError`` with the code ``LockError/Code/runMismatch``.
    func verdict(_ rules: RunRules, isLocked: Bool) throws -> Verdict {
        if isMine { return .mine }
        if isAhead {
            throw LockError(
                .runMismatch,
                """
                The last run of "\(rules.name)" is recorded for \(claimedAt.ISO8601Format()), which is more than an interval ahead of the \
                server's clock: the clock was wrong then, or is now. Once it is right, set the record back: \(reset(rules)).
                """,
                keys: [rules.key]
            )
        }
        if hasOtherInterval {
            throw LockError(
                .runMismatch,
                """
                The job "\(rules.name)" is called with an interval of \(rules.interval), but its last run, by \(claimedBy), had one of \
                \(every). Give all processes the same. A change takes effect when the interval of the last run has passed; to have it \
                at once, set the record back: \(reset(rules)).
                """,
                keys: [rules.key]
            )
        }
        let skipped = SkippedRun(
            claimedBy: claimedBy,
            claimedAt: claimedAt,
            finishedAt: finishedAt,
            nextDue: isDue ? nil : nextDue,
            isLocked: isLocked
        )
        return isDue ? .due(skipped) : .skipped(skipped)
    }

    /// Makes the job due at once. The row stays, so that the numbers of runs go on.
    private func reset(_ rules: RunRules) -> String {
        """
        UPDATE \(rules.table.quoted) SET interval_start = 'epoch', claimed_at = 'epoch' \
        WHERE name = '\(rules.name.replacing("'", with: "''"))'
        """
    }
}

extension RunRecord {
    /// Reads the row of ``RunStatements/look(_:)``.
    init(_ row: QueryRow) throws {
        isMine = try row.decode("is_mine")
        run = try row.decode("run")
        intervalStart = try row.decode("interval_start")
        claimedAt = try row.decode("claimed_at")
        claimedBy = try row.decode("claimed_by")
        finishedAt = try row.decode("finished_at")
        isDue = try row.decode("is_due")
        nextDue = try row.decode("next_due")
        isAhead = try row.decode("is_ahead")
        hasOtherInterval = try row.decode("has_other_interval")
        every = RunInterval(.microseconds(try row.decode("every", as: Int64.self)))
    }
}
