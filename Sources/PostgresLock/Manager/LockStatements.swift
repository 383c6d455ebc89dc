import LibPQ
import LockCore

/// The SQL of advisory locks. Every name is qualified, so that no search path can put something else in its place.
enum LockStatements {
    static func statement(for batch: Engine.Batch) -> Statement {
        let kind = batch.kind
        let function = "pg_catalog.pg_\(kind.verb == .tryLock ? "try_advisory_lock" : "advisory_unlock")\(suffix(kind.mode))"
        let name = "pglock_\(kind.verb)_\(kind.mode)_\(kind.space)"
        if batch.keys.count == 1, let key = batch.keys.first {
            return Statement(
                name: name,
                "SELECT \(function)(\(placeholders(key)))",
                parameters: parameters(key),
                shape: .booleans
            )
        }
        switch kind.space {
        case .int8:
            return Statement(
                name: name + "_array",
                "SELECT \(function)(k) FROM pg_catalog.unnest($1) k",
                parameters: [.int8Array(batch.keys.lazy.map(\.bits))],
                shape: .booleans
            )
        case .int4Pair:
            return Statement(
                name: name + "_array",
                "SELECT \(function)(k.a, k.b) FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) k (a, b)",
                parameters: [
                    .int4Array(batch.keys.lazy.map(\.pair.first)), .int4Array(batch.keys.lazy.map(\.pair.second)),
                ],
                shape: .booleans
            )
        }
    }

    /// Waits in the server's queue.
    static func wait(for key: AdvisoryKey, _ mode: Mode) -> Statement {
        Statement(
            name: "pglock_lock_\(mode)_\(key.space)",
            "SELECT pg_catalog.pg_advisory_lock\(suffix(mode))(\(placeholders(key)))",
            parameters: parameters(key),
            shape: .booleans
        )
    }

    /// Sets the server-side backstop of the waits that follow.
    static func lockTimeout(_ limit: Duration?) -> Statement {
        let milliseconds = limit.map { Int64(($0 / .milliseconds(1)).rounded(.up)) } ?? 0
        // Beyond what the server's setting can hold there is no need for a backstop.
        let value = milliseconds > Int64(Int32.max) ? 0 : milliseconds
        return Statement(
            name: "pglock_lock_timeout",
            "SELECT pg_catalog.set_config('lock_timeout', $1, false) IS NOT NULL",
            parameters: [.init(type: 25, bytes: Array("\(value)".utf8), isBinary: false)],
            shape: .booleans
        )
    }

    /// Takes a lock until the end of the transaction, or of the session. Without a name: see ``SessionSettings/reset``.
    static func lock(for key: AdvisoryKey, _ mode: Mode, until borrower: Loan.Borrower, isTry: Bool) -> Statement {
        let function = "pg_\(isTry ? "try_" : "")advisory\(borrower == .transaction ? "_xact" : "")_lock\(suffix(mode))"
        return Statement("SELECT pg_catalog.\(function)(\(placeholders(key)))", parameters: parameters(key), shape: .booleans)
    }

    /// Releases what a session holds: a statement per mode and key space, answered by a Boolean per key. Without names.
    static func unlocks(_ keys: [(key: AdvisoryKey, mode: Mode)]) -> [(keys: [AdvisoryKey], statement: Statement)] {
        var batches: [(kind: Engine.Batch.Kind, keys: [AdvisoryKey])] = []
        for (key, mode) in keys.sorted(by: { $0.key < $1.key }) {
            let kind = Engine.Batch.Kind(.unlock, mode, key.space)
            if let place = batches.firstIndex(where: { $0.kind == kind }) {
                batches[place].keys.append(key)
            } else {
                batches.append((kind, [key]))
            }
        }
        return batches.map { kind, keys in
            let named = statement(for: Engine.Batch(kind, keys))
            return (keys, Statement(named.sql, parameters: named.parameters, shape: named.shape))
        }
    }

    /// Cancels what a session runs, but only if it is that very session, and, if so wished, waits for a lock just now.
    static func cancel(_ session: RawConnection.Session, onlyLockWaits: Bool) -> Statement {
        Statement(
            name: onlyLockWaits ? "pglock_cancel_wait" : "pglock_cancel",
            """
            SELECT pg_catalog.pg_cancel_backend(a.pid) FROM pg_catalog.pg_stat_get_activity($1) a \
            WHERE a.backend_start = $2 AND a.\(onlyLockWaits ? "wait_event_type = 'Lock'" : "state = 'active'")
            """,
            parameters: [.int4(session.processID), .timestamptz(session.backendStart)],
            shape: .booleans
        )
    }

    static func command(_ sql: String) -> Statement {
        Statement(sql, shape: .rows)
    }

    private static func suffix(_ mode: Mode) -> String {
        mode == .shared ? "_shared" : ""
    }

    private static func placeholders(_ key: AdvisoryKey) -> String {
        key.space == .int8 ? "$1" : "$1, $2"
    }

    private static func parameters(_ key: AdvisoryKey) -> [Statement.Parameter] {
        switch key.space {
        case .int8: [.int8(key.bits)]
        case .int4Pair: [.int4(key.pair.first), .int4(key.pair.second)]
        }
    }
}
