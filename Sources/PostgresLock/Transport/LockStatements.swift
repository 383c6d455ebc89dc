import LibPQ
import LockCore

/// The SQL of advisory locks.
///
/// Every name and every operator is qualified, so that no search path can put something else in its place. `IN`, `NULLIF`,
/// `BETWEEN`, `LIKE`, `IS DISTINCT FROM` and the short form of `CASE` find their operators by the search path, too, so they are
/// not used.
enum LockStatements {
    static func statement(for batch: Engine.Batch) -> Statement {
        if batch.keys.count == 1, let key = batch.keys.first { return single(key, batch.kind) }
        switch batch.kind.space {
        case .int8:
            return Statement(
                name: arrayStatements[batch.kind.index].name,
                arrayStatements[batch.kind.index].sql,
                parameters: [.int8Array(batch.keys.lazy.map(\.bits)), .int4(Int32(batch.keys.count))],
                shape: .booleans
            )
        case .int4Pair:
            return Statement(
                name: arrayStatements[batch.kind.index].name,
                arrayStatements[batch.kind.index].sql,
                parameters: [
                    .int4Array(batch.keys.lazy.map(\.pair.first)), .int4Array(batch.keys.lazy.map(\.pair.second)),
                    .int4(Int32(batch.keys.count)),
                ],
                shape: .booleans
            )
        }
    }

    private static func single(_ key: AdvisoryKey, _ kind: Engine.Batch.Kind) -> Statement {
        let (name, sql) = singleStatements[kind.index]
        return Statement(name: name, sql, parameters: parameters(key), shape: .booleans)
    }

    private static let singleStatements = Engine.Batch.Kind.all.map { kind in
        (name: name(kind), sql: "SELECT \(function(kind))(\(kind.space == .int8 ? "$1" : "$1, $2"))")
    }

    /// Some keys per row, of which one that is beyond the end is NULL, and calls no function.
    ///
    /// The columns of a row are evaluated from left to right, and the rows in their order.
    private static let arrayStatements = Engine.Batch.Kind.all.map { kind in
        let columns = (0..<Engine.Batch.keysPerRow).map { offset in
            let index = offset == 0 ? "i" : "i OPERATOR(pg_catalog.+) \(offset)"
            let arguments = kind.space == .int8 ? "$1[\(index)]" : "$1[\(index)], $2[\(index)]"
            return "\(function(kind))(\(arguments))"
        }
        let count = kind.space == .int8 ? "$2" : "$3"
        return (
            name: name(kind) + "_array",
            sql: """
            SELECT \(columns.joined(separator: ", ")) \
            FROM pg_catalog.generate_series(1, \(count), \(Engine.Batch.keysPerRow)) i
            """
        )
    }

    private static func name(_ kind: Engine.Batch.Kind) -> String {
        "pglock_\(kind.verb)_\(kind.mode)_\(kind.space)"
    }

    private static func function(_ kind: Engine.Batch.Kind) -> String {
        "pg_catalog.pg_\(kind.verb == .tryLock ? "try_advisory_lock" : "advisory_unlock")\(suffix(kind.mode))"
    }

    /// Takes a key in the other mode, then lets go of the one that it was held in, without a gap in between.
    ///
    /// Shared instead of exclusive never waits, since the session itself holds all that could be in the way. Exclusive
    /// instead of shared is only tried: two who waited for each other to let go of theirs would wait for ever.
    static func changeMode(of key: AdvisoryKey, to mode: Mode) -> Statement {
        let arguments = placeholders(key)
        let sql =
            switch mode {
            case .shared:
                """
                SELECT CASE WHEN pg_catalog.pg_advisory_lock_shared(\(arguments)) IS NOT NULL \
                THEN pg_catalog.pg_advisory_unlock(\(arguments)) END
                """
            case .exclusive:
                """
                SELECT CASE WHEN pg_catalog.pg_try_advisory_lock(\(arguments)) \
                THEN pg_catalog.pg_advisory_unlock_shared(\(arguments)) END
                """
            }
        return Statement(
            name: "pglock_change_\(mode)_\(key.space)",
            sql,
            parameters: parameters(key),
            shape: .booleans
        )
    }

    /// Waits in the server's queue for the key that ``prepareWait(for:limit:)`` has left in a setting.
    ///
    /// A block of PL/pgSQL catches the cancel or the timeout that ends the wait, so that no error comes to the server's log, and says
    /// by a message what it came to: see `WaitOutcome`. Its text is the same for all keys, so that `pg_stat_statements` has one entry.
    static func wait(in space: AdvisoryKey.Space, _ mode: Mode) -> Statement {
        Statement(
            name: "pglock_wait_\(mode)_\(space)",
            """
            DO $pglock$ BEGIN PERFORM pg_catalog.pg_advisory_lock\(suffix(mode))(\(awaited(in: space))); \(say(.granted)) \
            EXCEPTION WHEN query_canceled THEN \(say(.cancelled)) WHEN lock_not_available THEN \(say(.timedOut)) END $pglock$
            """,
            parameters: [],
            shape: .waitOutcome
        )
    }

    /// The same on a checked-out connection, for the key that ``prepareWait(for:until:)`` has left: until the end of the transaction,
    /// or of the session. Without a name.
    ///
    /// The exception clause makes the block a subtransaction. A transaction's lock is released with it, also if it was granted in the
    /// moment of the cancel; so a session waits for such a lock first, and takes its own, at once, where no exception is caught. What
    /// has said that it was ended has taken nothing.
    static func wait(in space: AdvisoryKey.Space, _ mode: Mode, until scope: CheckedOutSession.Scope) -> Statement {
        let arguments = "\(suffix(mode))(\(awaited(in: space)))"
        let lock = "PERFORM pg_catalog.pg_advisory_xact_lock\(arguments);"
        let ended = """
            EXCEPTION WHEN query_canceled THEN \(say(.cancelled)) RETURN; WHEN lock_not_available THEN \(say(.timedOut)) RETURN; END
            """
        let block =
            switch scope {
            case .transaction: "BEGIN \(lock) \(say(.granted)) \(ended)"
            case .session: "BEGIN BEGIN \(lock) \(ended); PERFORM pg_catalog.pg_advisory_lock\(arguments); \(say(.granted)) END"
            }
        return Statement("DO $pglock$ \(block) $pglock$", shape: .waitOutcome)
    }

    /// The arguments of the function that waits.
    private static func awaited(in space: AdvisoryKey.Space) -> String {
        let setting = "pg_catalog.current_setting('pglock.wait')"
        return switch space {
        case .int8: "\(setting)::pg_catalog.int8"
        case .int4Pair: (1...2).map { "pg_catalog.split_part(\(setting), ',', \($0))::pg_catalog.int4" }.joined(separator: ", ")
        }
    }

    private static func say(_ outcome: WaitOutcome) -> String {
        let detail = outcome == .granted ? "" : ", DETAIL = SQLERRM"
        return "RAISE INFO USING ERRCODE = '\(outcome.rawValue)', MESSAGE = '\(WaitOutcome.message)'\(detail);"
    }

    /// Waits in the server's queue, where PL/pgSQL is not to be had. What ends such a wait is an error, also in the server's log.
    static func plainWait(for key: AdvisoryKey, _ mode: Mode) -> Statement {
        Statement(
            name: "pglock_lock_\(mode)_\(key.space)",
            "SELECT pg_catalog.pg_advisory_lock\(suffix(mode))(\(placeholders(key))) IS NOT NULL",
            parameters: parameters(key),
            shape: .booleans
        )
    }

    /// Sets the key of the wait that follows, and its server-side backstop.
    static func prepareWait(for key: AdvisoryKey?, limit: Duration?) -> Statement {
        // 0 would be no limit at all.
        let value = limit.map { max(1, $0.whole(.milliseconds(1))) } ?? 0
        let number = key.map(number) ?? ""
        return Statement(
            name: "pglock_prepare_wait",
            """
            SELECT pg_catalog.set_config('lock_timeout', $1, false) IS NOT NULL, \
            pg_catalog.set_config('pglock.wait', $2, false) IS NOT NULL
            """,
            parameters: [text(value.description), text(number)],
            shape: .booleans
        )
    }

    /// Sets the key of the wait that follows on a checked-out connection. Leaves the connection's limits alone, and nothing behind
    /// in a transaction.
    static func prepareWait(for key: AdvisoryKey, until scope: CheckedOutSession.Scope) -> Statement {
        Statement(
            "SELECT pg_catalog.set_config('pglock.wait', $1, \(scope == .transaction)) IS NOT NULL",
            parameters: [text(number(key))],
            shape: .booleans
        )
    }

    private static func number(_ key: AdvisoryKey) -> String {
        key.space == .int8 ? "\(key.bits)" : "\(key.pair.first),\(key.pair.second)"
    }

    private static func text(_ value: String) -> Statement.Parameter {
        .init(type: 25, bytes: Array(value.utf8), isBinary: false)
    }

    /// Lets go of all that a session holds. Unlike an unlock it writes no warning to the server's log where nothing was held.
    static let releaseAll = Statement(
        name: "pglock_release_all",
        "SELECT pg_catalog.pg_advisory_unlock_all() IS NOT NULL",
        parameters: [],
        shape: .booleans
    )

    /// Takes a lock until the end of the transaction, or of the session. Without a name: see ``SessionSettings/reset(mayDefer:)``.
    static func lock(for key: AdvisoryKey, _ mode: Mode, until scope: CheckedOutSession.Scope, noWait: Bool) -> Statement {
        let function = "pg_\(noWait ? "try_" : "")advisory\(scope == .transaction ? "_xact" : "")_lock\(suffix(mode))"
        return Statement("SELECT pg_catalog.\(function)(\(placeholders(key)))", parameters: parameters(key), shape: .booleans)
    }

    /// The same as ``statement(for:)``, without a name.
    static func unnamed(_ batch: Engine.Batch) -> Statement {
        let named = statement(for: batch)
        return Statement(named.sql, parameters: named.parameters, shape: named.shape)
    }

    /// Cancels what a session runs, but only if it is that very session, and, if so wished, waits for a lock just now.
    static func cancel(_ session: RawConnection.Session, onlyLockWaits: Bool) -> Statement {
        Statement(
            name: onlyLockWaits ? "pglock_cancel_wait" : "pglock_cancel",
            """
            SELECT pg_catalog.pg_cancel_backend(a.pid) FROM pg_catalog.pg_stat_get_activity($1) a \
            WHERE a.backend_start OPERATOR(pg_catalog.=) $2 \
            AND a.\(onlyLockWaits ? "wait_event_type OPERATOR(pg_catalog.=) 'Lock'" : "state OPERATOR(pg_catalog.=) 'active'")
            """,
            parameters: [.int4(session.processID), .timestamptz(session.backendStart)],
            shape: .booleans
        )
    }

    /// What that very session does right now: see `Engine.BackendActivity`. Of another role's sessions all is NULL but the process.
    static func askActivity(_ session: RawConnection.Session) -> Statement {
        Statement(
            name: "pglock_probe",
            """
            SELECT COALESCE(a.state OPERATOR(pg_catalog.<>) 'disabled', false), \
            COALESCE(a.state OPERATOR(pg_catalog.=) 'active', false), \
            COALESCE(a.state OPERATOR(pg_catalog.=) 'active' \
            AND (a.wait_event OPERATOR(pg_catalog.=) 'ClientWrite') IS NOT TRUE, false) \
            FROM pg_catalog.pg_stat_get_activity($1) a \
            WHERE a.backend_start OPERATOR(pg_catalog.=) $2 OR a.backend_start IS NULL
            """,
            parameters: [.int4(session.processID), .timestamptz(session.backendStart)],
            shape: .booleans
        )
    }

    /// Which of these locks the session holds, by whatever means: a row for each.
    ///
    /// `pg_locks` is read once, into a hash table in which each lock is looked up (a hashed subplan): 10,000 locks take 50 ms.
    static func areHeld(_ locks: [CheckedOutSession.Lock]) -> Statement {
        let keys = locks.map(\.key.shown)
        return Statement(
            """
            SELECT ROW(w.high::pg_catalog.oid, w.low::pg_catalog.oid, w.space, w.shared) OPERATOR(pg_catalog.=) ANY (\
            SELECT l.classid, l.objid, l.objsubid::pg_catalog.int4, \
            CASE WHEN l.mode OPERATOR(pg_catalog.=) 'ShareLock' THEN 1 ELSE 0 END \
            FROM pg_catalog.pg_locks l WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() \
            AND l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted \
            AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d \
            WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())) \
            FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4)) \
            WITH ORDINALITY w(high, low, space, shared, place) ORDER BY w.place
            """,
            parameters: [
                .int4Array(keys.map { Int32(bitPattern: $0.high) }), .int4Array(keys.map { Int32(bitPattern: $0.low) }),
                .int4Array(keys.map(\.space)), .int4Array(locks.map { $0.mode == .shared ? 1 : 0 }),
            ],
            shape: .booleans
        )
    }

    /// Which sessions harm others by waiting: see `Engine.Look`. Each row says that of one session, and whether any index build waits
    /// for other sessions.
    ///
    /// Of other roles' sessions only the process and the snapshot are to be seen, also in the progress of index builds: so every role
    /// can ask for whom a build waits, and whether its own snapshot is the oldest. If it is not, a new one would not help; nor
    /// would it where one that is taken now is as old, since a transaction is open. (That of a VACUUM is in the way of no other.) `pg_locks` would tell too, but takes 100 ms where the server has 100,000 locks, and this
    /// takes 0.5 ms.
    static func look(_ sessions: [(session: RawConnection.Session, oldestAge: Int32)]) -> Statement {
        Statement(
            name: "pglock_look",
            """
            SELECT COALESCE(w.pid OPERATOR(pg_catalog.=) ANY (b.pids) \
            OR pg_catalog.age(a.backend_xmin) OPERATOR(pg_catalog.>=) o.age \
            AND pg_catalog.age(a.backend_xmin) OPERATOR(pg_catalog.-) o.fresh OPERATOR(pg_catalog.>=) w.age, false), \
            COALESCE(b.isWaiting, false) \
            FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3)) WITH ORDINALITY w(pid, start, age, place) \
            LEFT JOIN LATERAL pg_catalog.pg_stat_get_activity(w.pid) a ON a.backend_start OPERATOR(pg_catalog.=) w.start \
            CROSS JOIN (SELECT pg_catalog.max(GREATEST(pg_catalog.age(s.backend_xmin), pg_catalog.age(s.backend_xid))) age, (\
            SELECT pg_catalog.age(c.backend_xmin) FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) c) fresh \
            FROM pg_catalog.pg_stat_get_activity(NULL) s WHERE (s.datid IS NULL OR s.datid OPERATOR(pg_catalog.=) (\
            SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())) \
            AND s.pid OPERATOR(pg_catalog.<>) ALL (SELECT v.pid FROM pg_catalog.pg_stat_get_progress_info('VACUUM') v)) o \
            CROSS JOIN (SELECT pg_catalog.array_agg(p.pid) pids, pg_catalog.count(p.pid) OPERATOR(pg_catalog.>) 0 isWaiting FROM (\
            SELECT s.pid FROM pg_catalog.pg_stat_get_progress_info('CREATE INDEX') s UNION ALL \
            SELECT s.pid FROM pg_catalog.pg_stat_get_activity(NULL) s WHERE s.wait_event OPERATOR(pg_catalog.=) 'virtualxid'\
            ) s CROSS JOIN LATERAL pg_catalog.unnest(pg_catalog.pg_blocking_pids(s.pid)) p(pid)) b \
            ORDER BY w.place
            """,
            parameters: [
                .int4Array(sessions.map(\.session.processID)), .timestamptzArray(sessions.map(\.session.backendStart)),
                .int4Array(sessions.map(\.oldestAge)),
            ],
            shape: .booleans
        )
    }

    /// How many locks of all sessions and databases are in the server's lock table. Those of the fast path are not in it, nor are those
    /// that serializable transactions leave where they read.
    static let countLocks = Statement(
        """
        SELECT pg_catalog.count(*) FROM pg_catalog.pg_lock_status() l \
        WHERE NOT l.fastpath AND l.mode OPERATOR(pg_catalog.<>) 'SIReadLock'
        """,
        shape: .rows
    )

    static func lockCount(_ reply: Reply) -> Int? {
        guard let result = reply.result, result.rowCount == 1, result.columnCount == 1 else { return nil }
        return result.text(row: 0, column: 0).flatMap { Int($0) }
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
