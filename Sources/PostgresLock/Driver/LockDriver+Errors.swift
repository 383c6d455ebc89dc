import LibPQ
import LockCore

// How calls fail, in words for people: the database and the keys by name.
extension LockDriver {
    // MARK: Losses

    nonisolated func lossError(_ failure: Failure, key: LockKey) -> LockError {
        let reason =
            switch failure.kind {
            case .shutDown: "the lock manager was shut down"
            case .suspect: "nothing proves any more that its session lives: \(failure.message.clause)"
            default: "its session ended: \(failure.message.clause)"
            }
        return LockError(
            .lockLost,
            "The lock \(key) in \(databaseName) was lost, because \(reason). Others may hold it now: stop, and check what was done.",
            sqlState: failure.sqlState,
            keys: [key]
        )
    }

    func ended(_ scope: CheckedOutSession.Scope) -> LockError {
        LockError(.invalidArgument, "The \(scope.rawValue) has ended. Use it only inside the body that it was made for.")
    }

    // MARK: Calls of the engine

    /// What is told of locks that a call without waiting could not have.
    nonisolated func taken(_ keys: [LockKey]) -> LockError {
        LockError.taken(keys, databaseName: databaseName, own: enclosed(keys))
    }

    /// Those of the keys that scopes around this code hold, whichever of their tasks this is.
    private nonisolated func enclosed(_ keys: [LockKey]) -> [LockKey] {
        let scopes = EnclosingLock.all.filter { $0.owner == ObjectIdentifier(self) && $0.state.isOpen }
        guard !scopes.isEmpty else { return [] }
        return keys.filter { key in
            scopes.contains { scope in
                if case .session(let modes) = scope.kind { return modes[key] != nil }
                return scope.key == key
            }
        }
    }

    nonisolated func error(for outcome: Engine.Outcome, keys: [LockKey], limit: Duration?, isNested: Bool = false) -> any Error {
        switch outcome {
        case .ended(.cancelled), .settled(cause: .cancelled):
            return CancellationError()
        case .ended(.timedOut(let failure)), .settled(cause: .timedOut(let failure)):
            return LockError.timeout(failure, keys: keys, databaseName: databaseName, limit: limit, isNested: isNested, own: enclosed(keys))
        case .failed(let failure):
            return LockError(failure, keys: keys, databaseName: databaseName)
        case .granted, .refused, .released, .changed, .checkedOut, .ended(.renewed), .ended(.yielded), .settled(cause: .yielded),
            .settled(cause: .renewed), .settled(cause: nil):
            return LockError(.connectionLost, "The call ended in a way that does not fit it.", keys: keys)
        }
    }

    /// Who waits in vain while holding other locks has to know which.
    func naming(_ held: [LockKey], in error: any Error) -> any Error {
        guard let error = error as? LockError, [.deadlock, .timedOut, .noAnswer].contains(error.code), !held.isEmpty else { return error }
        return LockError(
            error.code,
            "\(error.message) Held meanwhile, and still: \(held.listed).",
            sqlState: error.sqlState,
            keys: error.keys + held,
            underlying: error.underlying
        )
    }

    // MARK: Operations on checked-out sessions

    /// What an operation has ended by, if not as it should.
    ///
    /// - Parameter keys: What it was about.
    func error(
        for outcome: CheckedOutSession.Outcome,
        keys: [LockKey] = [],
        limit: WaitLimit = .none,
        on state: CheckedOutConnection
    ) -> any Error {
        switch outcome {
        case .refused:
            return taken(keys)
        case .failed(let outcome):
            return error(for: outcome, keys: keys, limit: limit.duration, isNested: limit.isDefault)
        case .atEnd:
            return ended(state.scope)
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
                keys: state.heldKeys,
                underlying: failure.map { LockError($0, keys: [], databaseName: databaseName) }
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
            return outcomeUnknown(loss, keys: state.lease.map { [$0.key] } ?? [])
        case .unverified(let unverified, let failure):
            return LockError(failure, keys: unverified.map(state.name), databaseName: databaseName)
        case .done, .locked:
            return LockError(.connectionLost, "The call ended in a way that does not fit it.", keys: keys)
        }
    }

    private func outcomeUnknown(_ loss: Failure, keys: [LockKey]) -> LockError {
        let reason =
            loss.kind == .noAnswer
            ? "COMMIT was not answered within \(configuration.timeouts.commit) (timeouts.commit), so the connection to \(databaseName) was closed"
            : "The connection to \(databaseName) was lost during COMMIT (\(loss.message.clause))"
        return LockError(
            .commitOutcomeUnknown,
            "\(reason): the transaction may or may not have been committed. Look at the data before doing it again.",
            sqlState: loss.sqlState,
            keys: keys,
            underlying: LockError(loss, keys: keys, databaseName: databaseName)
        )
    }
}

extension LockError {
    func caused(by error: any Error) -> LockError {
        LockError(code, message, sqlState: sqlState, keys: keys, underlying: error)
    }
}

extension [LockKey] {
    var listed: String { map(\.description).joined(separator: ", ") }
}
