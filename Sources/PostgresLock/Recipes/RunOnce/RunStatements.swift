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
                SELECT $1::text, \(rules.start("t.now")), \(RunRules.microseconds("t.now")), 'claimed', t.now, current_setting('application_name'),
                    $5::uuid, NULL, \(RunRules.interval("$2"))
                FROM (SELECT \(clock) AS now) t
                ON CONFLICT (name) DO UPDATE SET
                    interval_start = excluded.interval_start, run = greatest(r.run + 1, excluded.run), state = excluded.state,
                    claimed_at = excluded.claimed_at, claimed_by = excluded.claimed_by, claim_id = excluded.claim_id,
                    finished_at = NULL, every = excluded.every
                WHERE \(rules.isDue(now: "excluded.claimed_at", start: "excluded.interval_start"))
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
                    \(rules.isDue(now: "t.now", start: rules.start("t.now"))) AS is_due,
                    \(rules.nextDue) AS next_due,
                    r.claimed_at > t.now + r.every AND r.claimed_at > t.now + \(RunRules.interval("$2")) AS is_ahead,
                    r.every <> \(RunRules.interval("$2")) AND NOT \(rules.isOver("t.now")) AS has_other_interval,
                    \(RunRules.microseconds("timestamptz 'epoch' + r.every")) AS every
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
                        AND r.run < \(RunRules.microseconds(clock))
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
}
