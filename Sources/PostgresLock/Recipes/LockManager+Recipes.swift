import LibPQ
import LockCore

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

    // MARK: Leadership

    /// Campaigns for the lead, runs the body as the leader, and lets go of the lead.
    ///
    /// ```swift
    /// try await locks.withLeadership(of: "scheduler") { term in
    ///     while !Task.isCancelled { try await work() }
    /// }
    /// ```
    ///
    /// At most one process of those that use the database leads an election at a time: the one that holds the lock on its name. Unlike
    /// ``withLock(_:mode:timeout:isolation:_:)``, a stand-by does not wait in the server's queue, where a wait holds a snapshot, but tries about
    /// twice a second. So it can stand by for months without harm, and the next leader leads within a second.
    ///
    /// The body runs as that of ``withLock(_:mode:timeout:isolation:_:)`` does, and is cancelled if the lead is lost. The lead is let go of once
    /// the body has returned, whatever has ended it and however long that takes.
    ///
    /// The leader can be asked to step down: by ``LeadershipTerm/stepDown()``, from another process by ``requestStepDown(of:timeout:)``, or from
    /// the shell by `pglock resign`. A process that campaigns again afterwards should pause for some seconds first. ``LeaderElection`` does.
    ///
    /// - Parameters:
    ///   - name: The election's name, the same in all processes, and that of the lock.
    ///   - handling: What a request to step down does to the body.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets the term.
    /// - Returns: What the body returns.
    /// - Throws: What the body throws, among others as it is cancelled; `CancellationError` if the task was cancelled while it stood by;
    ///   ``LockError``, among others with ``LockError/Code/cannotConnect`` if the server can't be reached, and ``LockError/Code/lockLost`` if
    ///   the lead was lost.
    @discardableResult
    public func withLeadership<Result>(
        of name: String,
        onStepDownRequest handling: StepDownHandling = .cancelBody,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (LeadershipTerm) async throws -> Result
    ) async throws -> Result {
        var campaign = LeadershipCampaign(locks: self, keys: try LeadershipKeys(name), handling: handling)
        campaign.endOnGracefulShutdown()
        return try await campaign.run(isolation: isolation, body)
    }

    /// Which session leads an election.
    ///
    /// It walks through all locks of the server, which takes it a millisecond or two for each thousand: don't call it in a loop.
    ///
    /// - Parameter name: The election's name.
    /// - Returns: `nil` if no session leads at present.
    /// - Throws: ``LockError``, among others if no connection is free within ``Configuration/Timeouts/nested``, or with the code
    ///   ``LockError/Code/noAnswer`` if the server has not answered by then; `CancellationError`.
    public func leader(of name: String) async throws -> Leader? {
        try await leader(of: try LeadershipKeys(name), timeout: configuration.timeouts.nested)
    }

    private func leader(of keys: LeadershipKeys, timeout: Duration) async throws -> Leader? {
        let lead = keys.lead.advisory.shown
        // A busy server is not given up because the caller's time is nearly over.
        let limit = max(timeout, .seconds(5))
        do {
            return try await withTransaction(timeout: timeout) { transaction in
                try await transaction.ignoreDefaults()
                try await transaction.execute("SET LOCAL statement_timeout = \(limit.whole(.milliseconds(1)))")
                let rows = try await transaction.query(
                    Leader.rows,
                    [.string("\(lead.high)"), .string("\(lead.low)"), .string("\(keys.shownTermClass)")]
                )
                return Leader(
                    try rows.map { row in
                        Leader.Row(processID: try row.decode(0), applicationName: try row.decode(1), termStart: try row.decode(2))
                    }
                )
            }
        } catch let error as LockError where error.sqlState == "57014" {
            let message = "The server did not say within \(limit.shown) which session leads \(keys.lead). Look what keeps it."
            throw LockError(.noAnswer, message, sqlState: error.sqlState, keys: [keys.lead], underlying: error)
        }
    }

    /// Asks the leader of an election to step down, in whichever process it is, and waits until it does not lead any more.
    ///
    /// The leader notices the request within about a second. Whether and when its body returns then is its own affair: see
    /// ``StepDownHandling``. The request is for this term only. It ends with the call, also if this process dies.
    ///
    /// - Parameters:
    ///   - name: The election's name.
    ///   - timeout: How long to wait.
    /// - Returns: The leader that has stepped down; `nil` if no session led.
    /// - Throws: ``LockError`` with the code ``LockError/Code/timedOut`` if the leader still leads when the time is over; with other codes if
    ///   the server can't be asked; `CancellationError`.
    @discardableResult
    public func requestStepDown(of name: String, timeout: Duration = .seconds(10)) async throws -> Leader? {
        let keys = try LeadershipKeys(name)
        let limit = ContinuousClock.now + timeout.bounded
        // Each step takes what is left of the time, but is no try, which the leader's own look would refuse.
        var remaining: Duration { max(limit - ContinuousClock.now, .milliseconds(100)) }
        guard let leader = try await leader(of: keys, timeout: remaining) else { return nil }
        try await withLock(keys.stepDown(of: leader.processID), mode: .shared, timeout: remaining) { _ in
            while true {
                let begin = ContinuousClock.now
                guard let present = try await self.leader(of: keys, timeout: remaining), present.isSameTerm(as: leader) else { return }
                guard ContinuousClock.now < limit else {
                    throw LockError(
                        .timedOut,
                        """
                        \(leader.name) (process \(leader.processID) of the server) was asked to let go of the lead \(keys.lead), but leads still. \
                        It may be about to end its work, or not heed requests. Give it more time, or end its process.
                        """,
                        keys: [keys.lead]
                    )
                }
                try await Task.sleep(for: LookPause.after(ContinuousClock.now - begin, least: .milliseconds(100), remaining: remaining))
            }
        }
        return leader
    }

    // MARK: Shares of work

    /// Divides work among the processes that are there, and works on this process's part of it.
    ///
    /// ```swift
    /// try await locks.withShares(of: "mailboxes", count: 64) { share, lock in
    ///     while !Task.isCancelled { try await deliver(share) }
    /// }
    /// ```
    ///
    /// The work is cut into a fixed number of shares. Each process that calls this is a member, and each share belongs to one of the members that
    /// are there at present. For each share that it gets, a member runs the body, under an exclusive lock: two members never work on one share as
    /// long as their sessions live. Members that come and go move as few shares as possible. A share moves when its body, which is cancelled, has
    /// returned. All bodies run at the same time, each in a task of its own.
    ///
    /// If the lock of a share is lost, its body is cancelled, and begun anew here or elsewhere. An outage of the server is no reason to end. A body
    /// that returns without having been cancelled keeps its share, and is not begun again before the share moves or is lost.
    ///
    /// Cancelling the calling task ends the membership in two steps: the other members notice that it leaves; then, after about a second, its bodies
    /// are cancelled. So its shares are without an owner for some milliseconds only. ``SharesService`` does the same at a graceful shutdown.
    /// <doc:SharingWork> says what happens when processes or servers fail.
    ///
    /// - Parameters:
    ///   - name: The work's name, the same in all processes.
    ///   - count: How many shares there are, from 1 to 10,000; the same in all processes. Ten for each process are divided evenly enough.
    ///   - body: Works on one share, from 0 to `count - 1`, until it is cancelled.
    /// - Throws: What a body throws without having been cancelled; then the membership ends as by a cancellation first. `CancellationError` if the
    ///   task was cancelled. ``LockError``, among others with ``LockError/Code/shareMismatch`` if another process counts on another number of shares.
    public nonisolated func withShares(
        of name: String,
        count: Int,
        _ body: @escaping @Sendable (_ share: Int, _ lock: HeldLock) async throws -> Void
    ) async throws {
        try await ShareMember(locks: self, keys: try ShareKeys(name, count: count), body: body).run()
    }

    // MARK: Semaphores

    /// A semaphore: at most `limit` holders at a time, of all processes that use the database.
    ///
    /// ```swift
    /// let stripe = try locks.semaphore("stripe", limit: 5)
    ///
    /// try await stripe.withPermit { _ in try await transfer() }
    /// ```
    ///
    /// Make one for a name and keep it: see ``DistributedSemaphore``.
    ///
    /// - Parameters:
    ///   - name: The semaphore's name, the same in all processes.
    ///   - limit: How many permits there are, from 1 to 1,000; the same in all processes.
    /// - Returns: The semaphore. Nothing is asked of the server yet.
    /// - Throws: ``LockError`` with the code ``LockError/Code/invalidArgument`` if the name is empty, or the limit too low or too high.
    public nonisolated func semaphore(_ name: String, limit: Int) throws -> DistributedSemaphore {
        try DistributedSemaphore(name, limit: limit, locks: self)
    }
}
