import Logging

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Claims runs of one job in the table, and records their ends.
struct RunLedger: Sendable {
    let manager: LockManager
    let statements: RunStatements

    /// How the claim of a run has ended.
    enum Claim {
        case claimed(ClaimedRun)
        case skipped(SkippedRun)
    }

    private var rules: RunRules { statements.rules }

    /// Claims the run if it is due, and returns when the claim is on the server's disk.
    ///
    /// - Parameter lock: The lock on the job's name.
    /// - Throws: ``LockError``. Then this call has claimed no run, or whether it has is not known, or the lock is lost.
    nonisolated(nonsending) func claim(under lock: HeldLock) async throws -> Claim {
        // Only an odd coincidence takes more than one attempt.
        var attempts = 5
        let id = UUID().uuidString
        while true {
            attempts -= 1
            do {
                switch try await attempt(id, lock) {
                case .claimed(let run):
                    // The commit may have taken longer than the lease: others may have the lock by now.
                    guard lock.isHeld else { throw lostLock(lock) }
                    return .claimed(run)
                case .skipped(let skipped) where skipped.nextDue != nil || attempts == 0:
                    return .skipped(skipped)
                case .skipped:
                    // It has become due since the claim was tried.
                    continue
                }
            } catch let error as LockError where error.code == .commitOutcomeUnknown && attempts > 0 && lock.isHeld {
                // The next attempt waits for the end of the transaction whose COMMIT was not answered, and finds its claim if there is one.
                continue
            }
        }
    }

    private nonisolated(nonsending) func attempt(_ id: String, _ lock: HeldLock) async throws -> Claim {
        try await withTransaction { transaction, _ in
            if let row = try await transaction.query(statements.claim(id)).first {
                return .claimed(claimed(try row.decode(0), try row.decode(1), try row.decode(2), lock))
            }
            guard let record = try await record(id, in: transaction) else { return .skipped(.unrecorded(isLocked: false)) }
            switch try record.verdict(rules, isLocked: false) {
            case .mine: return .claimed(claimed(record.run, record.intervalStart, record.claimedAt, lock))
            case .due(let skipped), .skipped(let skipped): return .skipped(skipped)
            }
        }
    }

    private func claimed(_ number: Int64, _ intervalStart: Date, _ claimedAt: Date, _ lock: HeldLock) -> ClaimedRun {
        ClaimedRun(name: rules.name, number: number, intervalStart: intervalStart, claimedAt: claimedAt, lock: lock)
    }

    private func lostLock(_ lock: HeldLock) -> LockError {
        lock.loss ?? LockError(.lockLost, "The lock \(rules.key) was lost while the run was being claimed.", keys: [rules.key])
    }

    /// What the table says while another holder has the lock.
    nonisolated(nonsending) func look() async throws -> SkippedRun {
        try await withTransaction { transaction, _ in
            guard let record = try await record(nil, in: transaction) else { return .unrecorded(isLocked: true) }
            switch try record.verdict(rules, isLocked: true) {
            case .mine: return .unrecorded(isLocked: true)
            case .due(let skipped), .skipped(let skipped): return skipped
            }
        }
    }

    private nonisolated(nonsending) func record(_ id: String?, in transaction: LockTransaction) async throws -> RunRecord? {
        try await transaction.query(statements.look(id)).first.map { try RunRecord($0) }
    }

    /// Records the end of a run, and removes old rows. Since the job has run, a failure is only logged. Not ended by cancellation.
    func finish(_ run: ClaimedRun, isDone: Bool) async {
        let failure = await Task { () -> String? in
            do {
                let (count, mayDelete) = try await withTransaction { transaction, mayDelete in
                    let statement = statements.finish(run.number, isDone ? "done" : "failed")
                    return (try await transaction.execute(statement.sql, statement.parameters), mayDelete)
                }
                guard count == 1 else { return "Another run of the job has been claimed since." }
                // In a transaction of its own: if it fails, the end of the run is recorded all the same.
                if mayDelete { try await withTransaction { transaction, _ in _ = try await transaction.execute(statements.prune.sql) } }
                return nil
            } catch {
                return (error as? LockError)?.message ?? "\(error)"
            }
        }.value
        guard let failure else { return }
        manager.driver.logger.warning(
            "the end of a run is not recorded, or old rows are not removed",
            metadata: [LogKey.key: "\(rules.key)", LogKey.reason: "\(failure)"]
        )
    }

    // MARK: Transactions

    private nonisolated(nonsending) func withTransaction<Result>(
        _ body: nonisolated(nonsending) (_ transaction: LockTransaction, _ mayDelete: Bool) async throws -> Result
    ) async throws -> Result {
        let configuration = manager.configuration
        do {
            return try await manager.withTransaction(timeout: configuration.timeouts.nested) { transaction in
                try await transaction.ignoreDefaults()
                let preparation = statements.preparation(rowLockLimit: configuration.answerLimit)
                let rows = try await transaction.query(preparation)
                try checkTable(persistence: try rows[0].decode(0))
                return try await body(transaction, try rows[0].decode(1, as: Bool?.self) ?? false)
            }
        } catch let error as LockError where error.code == .statementFailed {
            throw explained(error)
        }
    }

    /// - Parameter persistence: As `pg_class` says it; `nil` if there is no table.
    private func checkTable(persistence: String?) throws {
        switch persistence {
        case "p": return
        case nil: throw noTable("does not exist", "Make it once, by `pglock schema | psql` or createRunTable().")
        default: throw noTable("is temporary or unlogged, so a crash of the server empties it", "Make an ordinary table of it.")
        }
    }

    private func noTable(_ fault: String, _ advice: String, _ error: LockError? = nil) -> LockError {
        LockError(
            .noRunTable,
            "The table \(rules.table) in \(manager.driver.databaseName), which records the runs of jobs, \(fault). \(advice)",
            sqlState: error?.sqlState,
            underlying: error
        )
    }

    private func explained(_ error: LockError) -> LockError {
        switch error.sqlState {
        case "42703":
            noTable(
                "has other columns than it should",
                "\(error.message) Compare it with `pglock schema`, or set configuration.runTable to another name.",
                error
            )
        case "42501":
            LockError(
                .statementFailed,
                "\(error.message) Running a job takes the rights SELECT, INSERT and UPDATE on \(rules.table), and USAGE on its schema.",
                sqlState: error.sqlState,
                underlying: error
            )
        default: error
        }
    }
}

extension LockTransaction {
    fileprivate func query(_ statement: BodyStatement) async throws -> QueryRows {
        try await query(statement.sql, statement.parameters)
    }
}
