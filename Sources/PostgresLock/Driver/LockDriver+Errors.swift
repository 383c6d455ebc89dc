import LibPQ
import LockCore

// The errors of calls, in words for people: they name the database and the keys.
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

    // MARK: Calls of the engine

    /// The error for locks that are taken, of a call that does not wait.
    nonisolated func taken(_ keys: [LockKey]) -> LockError {
        LockError.taken(keys, databaseName: databaseName, own: enclosed(keys))
    }

    /// Not inlined: its variables would be part of the memory of each task that waits for a lock.
    @inline(never)
    nonisolated func refuse(_ keys: [LockKey]) throws -> Never { throw taken(keys) }

    /// Those of the keys that scopes around this code hold, also if they belong to other tasks.
    private nonisolated func enclosed(_ keys: [LockKey]) -> [LockKey] {
        let enclosing = enclosing
        return keys.filter { key in
            enclosing.contains { scope in
                if case .session(let modes) = scope.kind { return modes[key] != nil }
                return scope.key == key
            }
        }
    }

    /// The error for a call that has not ended as it should.
    ///
    /// - Parameter keys: What the call was about.
    nonisolated func error(for outcome: Engine.Outcome, keys: [LockKey], limit: WaitLimit.Length = .none) -> any Error {
        switch outcome {
        case .ended(.cancelled), .settled(cause: .cancelled):
            return CancellationError()
        case .ended(.timedOut(let failure)), .settled(cause: .timedOut(let failure)):
            return LockError.timeout(
                failure,
                keys: keys,
                databaseName: databaseName,
                limit: limit.duration,
                isNested: limit.isDefault,
                own: enclosed(keys)
            )
        case .failed(let failure):
            return LockError(failure, keys: keys, databaseName: databaseName)
        case .granted, .refused, .released, .changed, .checkedOut, .ended(.renewed), .ended(.yielded), .settled(cause: .yielded),
            .settled(cause: .renewed), .settled(cause: nil):
            return LockError.unfitting(keys)
        }
    }
}
