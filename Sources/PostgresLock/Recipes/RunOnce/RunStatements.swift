import LibPQ

/// The SQL that decides whether a job is due, and records its runs. It runs in a transaction that finds
/// PostgreSQL's own functions only.
struct RunStatements {
    let rules: RunRules
    /// What the statements take for the time. Tests of many days put a table of their own in its place.
    var clock = "statement_timestamp()"

    /// A claim has to outlast a crash of the server, so its commit waits for the disk. A wait for the row ends after a time.
    ///
    /// Returns what the table is: `NULL` if there is none, `p` if it outlasts a crash; and whether rows may be deleted.
    func preparation(rowLockLimit: Duration) -> BodyStatement {
        BodyStatement(
            sql: """
                SELECT relpersistence, has_table_privilege(oid, 'DELETE') FROM (
                    SELECT set_config('lock_timeout', $2, true), set_config(
                        'synchronous_commit',
                        CASE WHEN current_setting('synchronous_commit') IN ('on', 'remote_apply')
                            THEN current_setting('synchronous_commit') ELSE 'on' END,
                        true
                    )
                ) settings LEFT JOIN pg_class ON oid = to_regclass($1)
                """,
            parameters: [.string(rules.table.quoted), .string("\(max(1, rowLockLimit.whole(.milliseconds(1))))ms")]
        )
    }

    /// Claims the run if it is due. Returns the claim then, and no row otherwise.
    ///
    /// Why it is not due can't be told by the same statement: it does not see a row that was committed after its beginning.
    func claim(_ id: String) -> BodyStatement {
        BodyStatement(
            sql: """
                INSERT INTO \(rules.table.quoted) AS r
                    (name, interval_start, run, state, claimed_at, claimed_by, claim_id, finished_at, every)
                SELECT $1::text, \(start("t.now")), \(Self.microseconds("t.now")), 'claimed', t.now, current_setting('application_name'),
                    $5::uuid, NULL, \(Self.interval("$2"))
                FROM (SELECT \(clock) AS now) t
                ON CONFLICT (name) DO UPDATE SET
                    interval_start = excluded.interval_start, run = greatest(r.run + 1, excluded.run), state = excluded.state,
                    claimed_at = excluded.claimed_at, claimed_by = excluded.claimed_by, claim_id = excluded.claim_id,
                    finished_at = NULL, every = excluded.every
                WHERE \(isDue(now: "excluded.claimed_at", start: "excluded.interval_start"))
                RETURNING r.run, r.interval_start, r.claimed_at
                """,
            parameters: parameters + [.string(id)]
        )
    }

    /// The last run: see ``RunRecord``.
    ///
    /// - Parameter id: Of a claim whose commit was not answered, if there is one.
    func look(_ id: String?) -> BodyStatement {
        BodyStatement(
            sql: """
                SELECT coalesce(r.claim_id = $5::uuid, false) AS is_mine, r.run, r.interval_start, r.claimed_at, r.claimed_by, r.finished_at,
                    \(isDue(now: "t.now", start: start("t.now"))) AS is_due,
                    \(nextDue) AS next_due,
                    r.claimed_at > t.now + r.every AND r.claimed_at > t.now + \(Self.interval("$2")) AS is_ahead,
                    r.every <> \(Self.interval("$2")) AND NOT \(isOver("t.now")) AS has_other_interval,
                    \(Self.microseconds("timestamptz 'epoch' + r.every")) AS every
                FROM \(rules.table.quoted) r, (SELECT \(clock) AS now) t WHERE r.name = $1
                """,
            parameters: parameters + [id.map { .string($0) } ?? .null]
        )
    }

    /// Records the end of a run, unless another one has begun since.
    func finish(_ run: Int64, _ state: String) -> BodyStatement {
        BodyStatement(
            sql: """
                UPDATE \(rules.table.quoted) r SET state = $3, finished_at = \(clock)
                WHERE r.name = $1 AND r.run = $2::int8 AND r.state = 'claimed'
                """,
            parameters: [.string(rules.name), .int(Int(run)), .string(state)]
        )
    }

    /// Removes the rows of jobs that have not run for their interval and a month more. Such a job is due in any case, and its numbers go on,
    /// since they are made of the time. A row whose number is ahead of the time stays.
    var prune: BodyStatement {
        BodyStatement(
            sql: """
                DELETE FROM \(rules.table.quoted) WHERE ctid = ANY (ARRAY(
                    SELECT r.ctid FROM \(rules.table.quoted) r WHERE r.claimed_at + r.every + interval '30 days' < \(clock)
                        AND r.run < \(Self.microseconds(clock))
                    LIMIT 100 FOR UPDATE SKIP LOCKED
                ))
                """
        )
    }

    // MARK: Parts

    /// `$1` to `$4`.
    private var parameters: [SQLParameter] {
        let repetition = rules.repetition.map { SQLParameter.int(Int($0.microseconds)) } ?? .null
        return [.string(rules.name), .int(Int(rules.interval.microseconds)), .int(Int(rules.pause.microseconds)), repetition]
    }

    private static func interval(_ microseconds: String) -> String { "(\(microseconds)::int8 * interval '1 microsecond')" }

    /// Since 1970. The product is a whole number, but for the last bits of a floating-point number, which servers before version 14 have.
    private static func microseconds(_ time: String) -> String { "round((extract(epoch FROM \(time)) * 1000000)::numeric)::int8" }

    /// When the interval has begun that lasts at a time.
    private func start(_ now: String) -> String {
        guard rules.isAligned else { return now }
        let time = Self.microseconds(now)
        return "timestamptz 'epoch' + (\(time) - \(time) % $2::int8) * interval '1 microsecond'"
    }

    /// Whether the row `r` lets a run begin.
    private func isDue(now: String, start: String) -> String {
        """
        ((r.every = \(Self.interval("$2")) OR \(isOver(now))) AND (
            (r.interval_start < \(start) AND r.claimed_at + \(Self.interval("$3")) <= \(now))
            OR coalesce(r.state <> 'done' AND r.claimed_at + \(Self.interval("$4")) <= \(now), false)
        ))
        """
    }

    /// Whether the interval has passed that the last run had, but for the time by which runs of one schedule may vary.
    private func isOver(_ now: String) -> String { "r.claimed_at + r.every * 0.9 <= \(now)" }

    private var nextDue: String {
        let regular =
            "greatest(r.interval_start + \(rules.isAligned ? Self.interval("$2") : Self.interval("$3")), r.claimed_at + \(Self.interval("$3")))"
        return "CASE WHEN r.state <> 'done' THEN least(\(regular), r.claimed_at + \(Self.interval("$4"))) ELSE \(regular) END"
    }
}
