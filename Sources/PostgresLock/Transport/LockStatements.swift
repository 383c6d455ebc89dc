import LibPQ
import LockCore

/// The SQL of advisory locks.
///
/// Every name and every operator is qualified, so that a search path can't put others in their place. `IN`, `NULLIF`, `BETWEEN`, `LIKE`,
/// `IS DISTINCT FROM` and the short form of `CASE` are not used, because PostgreSQL finds their operators by the search path, too.
enum LockStatements {
    static func statement(for batch: Engine.Batch) -> Statement {
        if let key = batch.onlyKey { return Statement(singleStatements[batch.kind.index], values(key)) }
        let keys = batch.keyArray
        let arrays: [Statement.Parameter] =
            switch batch.kind.space {
            case .int8: [.int8Array(keys.map(\.bits))]
            case .int4Pair: [.int4Array(keys.map(\.pair.first)), .int4Array(keys.map(\.pair.second))]
            }
        return Statement(arrayStatements[batch.kind.index], .list(arrays + [.int4(Int32(keys.count))]))
    }

    private static let singleStatements = Engine.Batch.Kind.all.map { kind in
        Statement.Template(
            name: StatementName(name(kind)),
            "SELECT \(function(kind))(\(kind.space == .int8 ? "$1" : "$1, $2"))",
            shape: .booleanRow
        )
    }

    /// Several keys per row. A key beyond the end of the array is NULL, for which no function is called.
    ///
    /// PostgreSQL evaluates the columns of a row from left to right, and the rows in their order.
    private static let arrayStatements = Engine.Batch.Kind.all.map { kind in
        let columns = (0..<Engine.Batch.keysPerRow).map { offset in
            let index = offset == 0 ? "i" : "i OPERATOR(pg_catalog.+) \(offset)"
            let arguments = kind.space == .int8 ? "$1[\(index)]" : "$1[\(index)], $2[\(index)]"
            return "\(function(kind))(\(arguments))"
        }
        let count = kind.space == .int8 ? "$2" : "$3"
        return Statement.Template(
            name: StatementName(name(kind) + "_array"),
            """
            SELECT \(columns.joined(separator: ", ")) \
            FROM pg_catalog.generate_series(1, \(count), \(Engine.Batch.keysPerRow)) i
            """,
            shape: .booleans
        )
    }

    private static func name(_ kind: Engine.Batch.Kind) -> String {
        "pglock_\(kind.verb)_\(kind.mode)_\(kind.space)"
    }

    private static func function(_ kind: Engine.Batch.Kind) -> String {
        "pg_catalog.pg_\(kind.verb == .tryLock ? "try_advisory_lock" : "advisory_unlock")\(suffix(kind.mode))"
    }

    /// Takes a key in the other mode, then releases it in the former mode, so that it is locked throughout.
    ///
    /// A change to shared never waits, since no other session can hold the key. A change to exclusive is only tried: two sessions that both wait
    /// for the other one's shared lock would be in a deadlock.
    static func changeMode(of key: AdvisoryKey, to mode: Mode) -> Statement { Statement(modeChanges[key.space, mode], values(key)) }

    private static let modeChanges = ForEachKind { space, mode in
        let arguments = placeholders(space)
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
        return Statement.Template(name: "pglock_change_\(mode)_\(space)", sql, shape: .booleans)
    }

    /// Waits in the server's queue for the key that ``prepareWait(for:limit:)`` has set.
    ///
    /// A block of PL/pgSQL catches the cancel or the timeout that ends the wait, so that no error gets into the server's log, and reports the
    /// outcome by a message: see `WaitOutcome`. A session's lock outlasts what the block does after the message, also if that fails. The text is the
    /// same for all keys, so that `pg_stat_statements` has one entry.
    static let wait = ForEachKind { space, mode in
        Statement(
            name: "pglock_wait_\(mode)_\(space)",
            """
            DO $pglock$ BEGIN PERFORM pg_catalog.pg_advisory_lock\(suffix(mode))(\(awaited(in: space))); \(say(.granted)) \
            EXCEPTION WHEN query_canceled THEN \(say(.cancelled)) WHEN lock_not_available THEN \(say(.timedOut)) END $pglock$
            """,
            shape: .waitOutcome(grantLasts: true)
        )
    }

    /// The same on a checked-out session, for the key that ``prepareWait(for:until:)`` has set: until the end of the transaction or the session.
    /// It has no name.
    ///
    /// The exception clause makes the block a subtransaction, whose end releases a transaction's lock, even if it was granted at the moment of the
    /// cancel. So for a session the block waits for a transaction's lock first, and then takes the session's, at once, where no exception is
    /// caught. A wait that reports that it was ended has taken nothing.
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
        return Statement("DO $pglock$ \(block) $pglock$", shape: .waitOutcome(grantLasts: false))
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
        "RAISE INFO SQLSTATE '\(outcome.rawValue)'\(outcome == .granted ? "" : " USING DETAIL = SQLERRM");"
    }

    /// Waits in the server's queue without PL/pgSQL. Such a wait is ended by an error, which also gets into the server's log.
    static func plainWait(for key: AdvisoryKey, _ mode: Mode) -> Statement { Statement(plainWaits[key.space, mode], values(key)) }

    private static let plainWaits = ForEachKind { space, mode in
        Statement.Template(
            name: "pglock_lock_\(mode)_\(space)",
            "SELECT pg_catalog.pg_advisory_lock\(suffix(mode))(\(placeholders(space))) IS NOT NULL",
            shape: .booleans
        )
    }

    /// Sets the key of the wait that follows, and its limit on the server.
    static func prepareWait(for key: AdvisoryKey?, limit: Duration?) -> Statement {
        // 0 is no limit.
        let value = limit.map { max(1, $0.whole(.milliseconds(1))) } ?? 0
        let number = key.map(number) ?? ""
        return Statement(waitPreparation, .list([text(value.description), text(number)]))
    }

    private static let waitPreparation = Statement.Template(
        name: "pglock_prepare_wait",
        """
        SELECT pg_catalog.set_config('lock_timeout', $1, false) IS NOT NULL, \
        pg_catalog.set_config('pglock.wait', $2, false) IS NOT NULL
        """,
        shape: .booleanRow
    )

    /// Sets the key of the wait that follows on a checked-out session. Changes no limits; in a transaction the setting ends with it.
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

    /// Releases all locks of the session. Unlike an unlock it writes no warning to the server's log if nothing was held.
    static let releaseAll = Statement(
        name: "pglock_release_all",
        "SELECT pg_catalog.pg_advisory_unlock_all() IS NOT NULL",
        shape: .booleans
    )

    /// Takes a lock until the end of the transaction or the session. It has no name: see ``SessionSettings/reset(mayDefer:ofClient:)``.
    static func lock(for key: AdvisoryKey, _ mode: Mode, until scope: CheckedOutSession.Scope, noWait: Bool) -> Statement {
        let function = "pg_\(noWait ? "try_" : "")advisory\(scope == .transaction ? "_xact" : "")_lock\(suffix(mode))"
        return Statement("SELECT pg_catalog.\(function)(\(placeholders(key.space)))", parameters: parameters(key), shape: .booleans)
    }

    /// ``statement(for:)`` without a name.
    static func unnamed(_ batch: Engine.Batch) -> Statement {
        let named = statement(for: batch)
        return Statement(named.sql, parameters: named.parameters, shape: named.shape)
    }

    /// Cancels what a session runs: only if the process still serves that session, and, with `onlyLockWaits`, only if it waits for a lock.
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

    /// What a session does now: see `Engine.BackendActivity`. Of another role's sessions all columns but the process are NULL.
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

    /// Whether a row `l` of `pg_locks` is an advisory lock that the session holds.
    static let isOwnAdvisoryLock = """
        l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted \
        AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d \
        WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
        """

    /// Which of these locks the session holds, however it has taken them: a row for each.
    ///
    /// `pg_locks` is read once, into a hash table in which each lock is looked up (a hashed subplan): for 10,000 locks that takes 50 ms.
    static func areHeld(_ locks: [CheckedOutSession.Lock]) -> Statement {
        let keys = locks.map(\.key.shown)
        return Statement(
            """
            SELECT ROW(w.high::pg_catalog.oid, w.low::pg_catalog.oid, w.space, w.shared) OPERATOR(pg_catalog.=) ANY (\
            SELECT l.classid, l.objid, l.objsubid::pg_catalog.int4, \
            CASE WHEN l.mode OPERATOR(pg_catalog.=) 'ShareLock' THEN 1 ELSE 0 END \
            FROM pg_catalog.pg_locks l WHERE \(isOwnAdvisoryLock)) \
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

    /// Which sessions harm others by waiting: see `Engine.Look`. A row for each session: whether it does, and whether any index build waits for
    /// other sessions.
    ///
    /// Of other roles' sessions a role sees only the process and the snapshot, also in the progress of index builds. That suffices to find out for
    /// whom a build waits, and whether a session's own snapshot is the oldest. If it is not, or if one that is taken now is as old because of an
    /// open transaction, a new wait would not help. (The snapshot of a VACUUM holds up no other session.) `pg_locks` shows the same, but takes
    /// 100 ms on a server with 100,000 locks, and this takes 0.5 ms.
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

    /// Which other sessions ask for the release of what these sessions hold: see ``ReleaseProtocol``.
    static func askRequests(_ sessions: [RawConnection.Session]) -> Statement {
        Statement(
            name: "pglock_requests",
            ReleaseProtocol.requests,
            parameters: [.int4Array(sessions.map(\.processID))],
            shape: .rows
        )
    }

    static func requests(_ reply: Reply) -> [[Engine.ReleaseRequest]]? {
        guard let result = reply.result, result.columnCount == 2 else { return nil }
        return (0..<result.rowCount).map { row in
            guard let names = result.text(row: row, column: 1), let processID = result.text(row: row, column: 0).flatMap({ Int32($0) })
            else { return [] }
            return names.split(separator: "\n").compactMap { ReleaseProtocol.request(in: $0, to: processID) }
        }
    }

    /// The number of locks in the server's lock table, of all sessions and databases. Locks of the fast path, and those that serializable
    /// transactions leave on what they read, are not in this table.
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

    static func suffix(_ mode: Mode) -> String {
        mode == .shared ? "_shared" : ""
    }

    private static func placeholders(_ space: AdvisoryKey.Space) -> String {
        space == .int8 ? "$1" : "$1, $2"
    }

    private static func parameters(_ key: AdvisoryKey) -> [Statement.Parameter] { values(key).parameters }

    private static func values(_ key: AdvisoryKey) -> Statement.Values {
        switch key.space {
        case .int8: .int8(key.bits)
        case .int4Pair: .int4Pair(key.pair.first, key.pair.second)
        }
    }
}
