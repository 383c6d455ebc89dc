import LockCore

/// A lock table with a clock that the test sets; each event returns the actions that it caused.
struct TableScript {
    var table: LockTable
    var now = Instant(nanoseconds: 0)

    init(limit: HandoffLimit = .unlimited) {
        table = LockTable(limit: limit)
    }

    mutating func request(
        _ id: RequestID,
        _ mode: Mode = .exclusive,
        _ key: AdvisoryKey = 1,
        scope: LockTable.Scope = .session,
        noWait: Bool = false,
        at place: QueuePlace = .last,
        enclosing: RequestID? = nil
    ) -> [LockTable.Action] {
        table.request(
            id,
            LockTable.Request(key, mode, scope: scope, noWait: noWait, place: place),
            enclosing: enclosing,
            now: now
        )
        return table.takeActions()
    }

    mutating func cancel(_ ids: RequestID...) -> [LockTable.Action] {
        table.cancel(ids, now: now)
        return table.takeActions()
    }

    mutating func release(_ id: RequestID) -> [LockTable.Action] {
        table.release(id, now: now)
        return table.takeActions()
    }

    mutating func granted(_ key: AdvisoryKey = 1, on connection: ConnectionID = 1) -> [LockTable.Action] {
        table.granted(key, on: connection, now: now)
        return table.takeActions()
    }

    mutating func notGranted(_ key: AdvisoryKey = 1) -> [LockTable.Action] {
        table.notGranted(key, now: now)
        return table.takeActions()
    }

    mutating func waitCancelled(_ key: AdvisoryKey = 1) -> [LockTable.Action] {
        table.waitCancelled(key, now: now)
        return table.takeActions()
    }

    mutating func failed(_ key: AdvisoryKey = 1, _ failure: Failure) -> [LockTable.Action] {
        table.failed(key, failure, now: now)
        return table.takeActions()
    }

    mutating func unlocked(_ key: AdvisoryKey = 1, on connection: ConnectionID = 1, failure: Failure? = nil) -> [LockTable.Action] {
        table.unlocked(key, on: connection, failure: failure, now: now)
        return table.takeActions()
    }

    mutating func lost(_ connection: ConnectionID = 1, _ failure: Failure = .lost) -> [LockTable.Action] {
        table.lost(connection, failure, now: now)
        return table.takeActions()
    }

    mutating func pass(_ duration: Duration) {
        now = now.advanced(by: duration)
    }
}
