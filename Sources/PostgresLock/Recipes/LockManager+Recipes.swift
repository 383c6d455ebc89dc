// What locks are wanted for. Each recipe rests on the locks of the other extensions.
extension LockManager {
    // MARK: Once per interval

    /// Runs a job unless it has run in this interval, here or in any other process that uses the database.
    ///
    /// ```swift
    /// let outcome = try await locks.runOnce("nightly-report", every: .hours(24)) { run in
    ///     try await buildReport()
    /// }
    /// if case .skipped(let skipped) = outcome { print("was run by \(skipped.claimedBy ?? "another process")") }
    /// ```
    ///
    /// All processes call it whenever the job may be due: at two o'clock, or every minute. A lock alone would let a process that comes later
    /// run the job again. So the run is claimed in a table (``RunTable``), which has to be made once. The server's clock decides, and the
    /// claim is on the server's disk before the body begins.
    ///
    /// The lock on the name is held around claim and run, so no two runs overlap, and a `withLock` of the same name keeps runs out. The body
    /// runs as that of ``withLock(_:mode:timeout:isolation:_:)`` does, and is cancelled if that lock is lost. Cancelling the calling task
    /// ends the call, or cancels the body; a run that was claimed counts.
    ///
    /// The call does not wait for a run elsewhere. If the lock is taken though no run is claimed, it asks again for up to two seconds.
    /// <doc:RunningOnce> says what happens when processes or servers fail.
    ///
    /// - Parameters:
    ///   - name: The job's name, and that of the lock.
    ///   - interval: How often the job runs; the same in all processes; at least twice the ``Configuration/lease``, from a second to 3,660
    ///     days.
    ///   - counting: What the intervals are counted by.
    ///   - guarantee: What happens with a run that does not end well.
    ///   - isolation: The caller's, by default.
    ///   - body: The job.
    /// - Returns: What the body returns, or why it was not run.
    /// - Throws: What the body throws, and then the run counts as failed; `CancellationError`; ``LockError``, among others with
    ///   ``LockError/Code/noRunTable``, ``LockError/Code/runMismatch``, and ``LockError/Code/commitOutcomeUnknown`` if it can't be found
    ///   out whether the claim was recorded: then the body has not run.
    @discardableResult
    public func runOnce<Result>(
        _ name: String,
        every interval: RunInterval,
        counting: RunCounting = .aligned,
        guarantee: RunGuarantee = .atMostOnce,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (ClaimedRun) async throws -> Result
    ) async throws -> RunOutcome<Result> {
        let rules = try RunRules(
            name,
            every: interval,
            counting: counting,
            guarantee: guarantee,
            table: configuration.runTable,
            lease: configuration.lease
        )
        return try await runOnce(RunStatements(rules: rules), isolation: isolation, body)
    }

    func runOnce<Result>(
        _ statements: RunStatements,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (ClaimedRun) async throws -> Result
    ) async throws -> RunOutcome<Result> {
        let ledger = RunLedger(manager: self, statements: statements)
        // The holder of the lock may be about to claim the run, or about to leave it out.
        let limit = ContinuousClock.now + .seconds(2)
        while true {
            let outcome = try await withLockIfAvailable(statements.rules.key, isolation: isolation) { lock -> RunOutcome<Result> in
                switch try await ledger.claim(under: lock) {
                case .skipped(let skipped):
                    return .skipped(skipped)
                case .claimed(let run):
                    let value: Result
                    do {
                        value = try await body(run)
                    } catch {
                        await ledger.finish(run, isDone: false)
                        throw error
                    }
                    await ledger.finish(run, isDone: true)
                    return .ran(value)
                }
            }
            if let outcome { return outcome }
            let skipped = try await ledger.look()
            if skipped.nextDue != nil || ContinuousClock.now >= limit { return .skipped(skipped) }
            try await Task.sleep(for: .milliseconds(.random(in: 20...100)))
        }
    }

    /// Makes the table that ``runOnce(_:every:counting:guarantee:isolation:_:)`` needs, unless it exists.
    ///
    /// It takes the right to create tables in the schema, which a service's role mostly lacks: then have an administrator run
    /// `pglock schema | psql`, or a migration the statements of ``RunTable/definition``.
    ///
    /// - Throws: ``LockError``, with ``LockError/Code/statementFailed`` if the server refuses it; `CancellationError`.
    public func createRunTable() async throws {
        try await withTransaction { [table = configuration.runTable] transaction in
            try await transaction.ignoreDefaults()
            for sql in table.creation { try await transaction.execute(sql) }
        }
    }
}
