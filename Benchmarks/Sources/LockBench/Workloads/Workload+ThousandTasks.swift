extension Workload {
    static let distinct = Workload(
        name: "distinct",
        title: "1,000 tasks, each with a key of its own",
        note: """
            Each task acquires and releases in a loop. pgbench uses random keys. asyncpg's pool resets every connection that is \
            returned to it (RESET ALL and more), unless that is disabled. The session with arrays is a plain loop over libpq: one \
            prepared statement locks 1,000 keys of a binary array, another unlocks them. With "only counted" the server returns the \
            number of granted locks instead of a row for each, which shows the server's own speed. \(RedisBenchmark.note)
            """,
        reference: "pgbench-16",
        charted: [.pairs, .client],
        contenders: [
            .worker(.distinct, "library", "swift-postgres-lock"),
            .worker(.arrays, "arrays", "one session, arrays of 1,000", isOurs: false),
            .worker(.countedArrays, "arrays-counted", "one session, arrays of 1,000, only counted", isOurs: false),
            .pgbench("pgbench-16", "pgbench, 16 clients", .onePair, clients: 16),
            .pgbench("pgbench-16-pipeline", "pgbench, 16 clients, pipelines of 1 pair", .pipeline, clients: 16),
            .pgbench("pgbench-1-deep", "pgbench, 1 client, pipelines of 50 pairs", .deepPipeline, clients: 1),
            .pgbench("pgbench-16-deep", "pgbench, 16 clients, pipelines of 50 pairs", .deepPipeline, clients: 16),
            .python("asyncpg", "asyncpg, pool of 16", .asyncpg, tasks: 1000),
            .python("asyncpg-no-reset", "asyncpg, pool of 16 without reset", .asyncpgWithoutReset, tasks: 1000),
            .python("lock-asyncpg", "postgresql-lock, asyncpg, pool of 16", .lockAsyncpg, tasks: 1000),
            .python(
                "lock-asyncpg-no-reset",
                "postgresql-lock, asyncpg, pool of 16 without reset",
                .lockAsyncpgWithoutReset,
                tasks: 1000
            ),
            .python("lock-psycopg", "postgresql-lock, psycopg 3, pool of 16", .lockPsycopg, tasks: 1000),
            .redisBenchmark("redis-16", "redis-benchmark, 16 clients", clients: 16, pipeline: 1),
            .redisBenchmark("redis-1-deep", "redis-benchmark, 1 client, pipelines of 50 commands", clients: 1, pipeline: 50),
            .python("redis-py", "redis-py's Lock, asyncio, pool of 16", .redisLock, .redis(.socket), tasks: 1000),
        ]
    )

    static let handoff = Workload(
        name: "handoff",
        title: "1,000 tasks of one process that want the same key",
        note: """
            The asynchronous mutexes exclude only tasks of the same process. They show the cost of a handoff without a server. Those "with work" also \
            keep a thread busy for so long at each handoff, half of it before the mutex is passed on, half before the task waits again. They show \
            what the runtime leaves of a rate when the next task's thread has to be woken meanwhile.
            """,
        reference: "library",
        charted: [.handoffs],
        contenders: [
            .worker(.handoff, "library", "swift-postgres-lock, default limit", metrics: [.handoffs, .client, .server]),
            .worker(.handoffUnlimited, "unlimited", "swift-postgres-lock, no limit", metrics: [.handoffs, .client, .server]),
            .worker(.mutex, "mutex", "asynchronous mutex in memory (lock, FIFO)", metrics: [.handoffs, .client], isOurs: false),
        ]
            + [1, 2, 4].map { work in
                .worker(
                    .mutex,
                    "mutex-\(work)",
                    "the same, with \(work) µs of work",
                    metrics: [.handoffs, .client],
                    isOurs: false,
                    ["--work", "\(work)"]
                )
            } + [
                .worker(
                    .actorMutex,
                    "actor-mutex",
                    "asynchronous mutex in memory (actor, FIFO)",
                    metrics: [.handoffs, .client],
                    isOurs: false
                )
            ]
    )

    static let held = Workload(
        name: "held",
        title: "1,000 tasks with a key each, while the process holds further locks",
        note: "Each task acquires and releases in a loop, as in the workload distinct.",
        reference: "held-1000",
        contenders: [1000, 10_000, 100_000].map { count in
            .worker(.distinct, "held-\(count)", "\(Numbers.grouped(count)) further locks held", ["--held", "\(count)"])
        }
    )
}
