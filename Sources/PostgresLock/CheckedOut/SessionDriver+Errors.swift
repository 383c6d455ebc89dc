import LibPQ
import LockCore

// How operations on checked-out sessions fail, in words for people.
extension SessionDriver {
    // MARK: Losses

    /// The session is lost, and with it the locks on these keys.
    func lossError(_ failure: Failure, of keys: [LockKey]) -> LockError {
        let databaseName = lockDriver.databaseName
        guard let key = keys.first else {
            let loss = failure.kind == .shutDown ? failure : Failure(.connectionLost, failure.cause, sqlState: failure.sqlState)
            return LockError(loss, keys: [], databaseName: databaseName)
        }
        guard keys.count > 1 else { return lockDriver.lossError(failure, key: key) }
        return LockError(
            .lockLost,
            """
            The locks \(keys.listed) in \(databaseName) were lost together, because their session ended: \(failure.message.sentence) Others \
            may hold them now: stop, and check what was done.
            """,
            sqlState: failure.sqlState,
            keys: keys
        )
    }

    /// A failed statement has released the locks on these keys; `nil` if there are none.
    ///
    /// - Parameter isAll: Whether the transaction has no lock any more.
    func lossError(of keys: [LockKey], isAll: Bool, because cause: Engine.Outcome?) -> LockError? {
        guard let key = keys.first else { return nil }
        let databaseName = lockDriver.databaseName
        let cause = cause.map { lockDriver.error(for: $0, keys: []) }
        return LockError(
            .lockLost,
            isAll
                ? """
                The lock \(key) in \(databaseName) was released by PostgreSQL, since a statement of its transaction has failed, which can only be \
                rolled back now. Others may hold the lock: stop. A savepoint before a statement that may fail keeps the lock.
                """
                : """
                A statement of the transaction has failed, which releases at once what was locked since the latest savepoint: in \(databaseName) \
                \(keys.listed). Others may hold that: stop. A savepoint between a lock and a statement that may fail keeps the lock.
                """,
            sqlState: (cause as? LockError)?.sqlState,
            keys: keys,
            underlying: cause
        )
    }

    // MARK: Outcomes

    /// The error for an operation that has not ended as it should.
    ///
    /// - Parameter keys: What the operation was about.
    func error(for outcome: CheckedOutSession.Outcome, keys: [LockKey] = [], limit: WaitLimit.Length = .none) -> any Error {
        switch outcome {
        case .refused:
            return lockDriver.taken(keys)
        case .failed(let outcome):
            return lockDriver.error(for: outcome, keys: keys, limit: limit)
        case .atEnd:
            return hasEnded
        case .unusable(.rollbackOnly):
            return LockError(
                .statementFailed,
                """
                The transaction is rolled back, not committed: the body of a ConnectionLock on it has thrown, and that error was not \
                passed on. Pass it on, or turn the lock's rollsBackOnError off.
                """,
                sqlState: "25P02"
            )
        case .unusable(.aborted), .commitAnswered(tag: "ROLLBACK"):
            return LockError(
                .statementFailed,
                """
                The transaction is rolled back, not committed: one of its statements had failed, and that error was not passed on by the \
                body.
                """,
                sqlState: "25P02"
            )
        case .endedBySQL(let failure):
            return LockError(
                .invalidArgument,
                """
                The transaction was ended by SQL, and its locks with it. Leave that to withTransaction(locking:): it commits when the \
                body returns, and rolls back when the body throws.
                """,
                keys: heldKeys,
                underlying: failure.map { LockError($0, keys: [], databaseName: lockDriver.databaseName) }
            )
        case .begunBySQL:
            return LockError(
                .invalidArgument,
                """
                In a session each statement is a transaction of its own, so the one that was begun was rolled back. Use \
                withTransaction(locking:) for several statements in one.
                """
            )
        case .commitAnswered(let tag):
            return LockError(.statementFailed, "The server answered COMMIT by \(tag.isEmpty ? "nothing" : tag).")
        case .commitUnknown(let loss):
            return outcomeUnknown(loss, keys: first.map { [$0.key] } ?? [])
        case .unverified(let unverified, let failure):
            return LockError(failure, keys: unverified.map(name), databaseName: lockDriver.databaseName)
        case .done, .locked:
            return LockError.unfitting(keys)
        }
    }

    private func outcomeUnknown(_ loss: Failure, keys: [LockKey]) -> LockError {
        let databaseName = lockDriver.databaseName
        let limit = lockDriver.configuration.timeouts.commit
        let reason =
            loss.kind == .noAnswer
            ? "COMMIT was not answered within \(limit.shown) (timeouts.commit), so the connection to \(databaseName) was closed"
            : "The connection to \(databaseName) was lost during COMMIT (\(loss.message.clause))"
        return LockError(
            .commitOutcomeUnknown,
            "\(reason): the transaction may or may not have been committed. Look at the data before doing it again.",
            sqlState: loss.sqlState,
            keys: keys,
            underlying: LockError(loss, keys: keys, databaseName: databaseName)
        )
    }

    /// Adds the locks that the caller holds to an error of a wait, since they may be what others wait for.
    func naming(_ held: [LockKey], in error: any Error) -> any Error {
        guard let error = error as? LockError, [.deadlock, .timedOut, .noAnswer].contains(error.code), !held.isEmpty else { return error }
        return LockError(
            error.code,
            "\(error.message) Held meanwhile, and still: \(held.listed).",
            sqlState: error.sqlState,
            keys: error.keys + held,
            underlying: error.underlying,
            holders: error.holders
        )
    }

    /// The error for operations after the end of the scope.
    var hasEnded: LockError {
        LockError(.invalidArgument, "The \(scope.rawValue) has ended. Use it only inside the body that it was made for.")
    }

    func alreadyHeld(_ key: LockKey, _ mode: LockMode) -> LockError {
        LockError(
            .alreadyHeld,
            """
            The session holds the lock \(key) already (\(mode)), and PostgreSQL would grant it again at once: it would keep no other task out. \
            Only shared locks may be taken again, as shared. Use the lock that is held, or another key.
            """,
            keys: [key]
        )
    }
}
