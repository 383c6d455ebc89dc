extension Workload {
    static func distinct(_ stage: Stage) -> Workload {
        let url = stage.url(.socket)
        let seconds = stage.plan.seconds
        var contenders: [Contender] = [
            .worker(.distinct, id: "library", "swift-postgres-lock", url: url, seconds: seconds),
            .worker(
                .arrays,
                id: "arrays",
                "one session, arrays of 1,000",
                isOurs: false,
                url: url,
                seconds: seconds
            ),
            .worker(
                .countedArrays,
                id: "arrays-counted",
                "one session, arrays of 1,000, only counted",
                isOurs: false,
                url: url,
                seconds: seconds
            ),
        ]
        if let pgbench = stage.pgbench {
            contenders += [
                pgbench.contender("pgbench-16", "pgbench, 16 clients", .onePair, clients: 16, stage: stage),
                pgbench.contender(
                    "pgbench-16-pipeline",
                    "pgbench, 16 clients, pipelines of 1 pair",
                    .pipeline,
                    clients: 16,
                    stage: stage
                ),
                pgbench.contender(
                    "pgbench-1-deep",
                    "pgbench, 1 client, pipelines of 50 pairs",
                    .deepPipeline,
                    clients: 1,
                    stage: stage
                ),
                pgbench.contender(
                    "pgbench-16-deep",
                    "pgbench, 16 clients, pipelines of 50 pairs",
                    .deepPipeline,
                    clients: 16,
                    stage: stage
                ),
            ]
        }
        if let python = stage.python {
            contenders += [
                python.contender("asyncpg", "asyncpg, pool of 16", .asyncpg, tasks: 1000, stage: stage),
                python.contender("asyncpg-no-reset", "asyncpg, pool of 16 without reset", .asyncpgWithoutReset, tasks: 1000, stage: stage),
                python.contender("lock-asyncpg", "postgresql-lock, asyncpg, pool of 16", .lockAsyncpg, tasks: 1000, stage: stage),
                python.contender(
                    "lock-asyncpg-no-reset",
                    "postgresql-lock, asyncpg, pool of 16 without reset",
                    .lockAsyncpgWithoutReset,
                    tasks: 1000,
                    stage: stage
                ),
                python.contender("lock-psycopg", "postgresql-lock, psycopg 3, pool of 16", .lockPsycopg, tasks: 1000, stage: stage),
            ]
        }
        return Workload(
            name: "distinct",
            title: "1,000 tasks, each with a key of its own",
            note: """
                Each task acquires and releases in a loop. pgbench uses random keys. asyncpg's pool resets every connection that is \
                returned to it (RESET ALL and more), unless that is disabled. The session with arrays is a plain loop over libpq: one \
                prepared statement locks 1,000 keys of a binary array, another unlocks them. With "only counted" the server returns the \
                number of granted locks instead of a row for each, which shows the server's own speed.
                """,
            contenders: contenders
        )
    }
}

extension Workload {
    static func handoff(_ stage: Stage) -> Workload {
        func contender(_ kind: WorkerKind, _ id: String, _ title: String, isOurs: Bool) -> Contender {
            .worker(
                kind,
                id: id,
                title,
                metric: .handoffs,
                isOurs: isOurs,
                url: stage.url(.socket),
                seconds: stage.plan.seconds
            )
        }
        return Workload(
            name: "handoff",
            title: "1,000 tasks of one process that want the same key",
            note: "The asynchronous mutexes exclude only tasks of the same process. They show the cost of a handoff without a server.",
            contenders: [
                contender(.handoff, "library", "swift-postgres-lock, default limit", isOurs: true),
                contender(.handoffUnlimited, "unlimited", "swift-postgres-lock, no limit", isOurs: true),
                contender(.mutex, "mutex", "asynchronous mutex in memory (lock, FIFO)", isOurs: false),
                contender(.actorMutex, "actor-mutex", "asynchronous mutex in memory (actor, FIFO)", isOurs: false),
            ]
        )
    }
}

extension Workload {
    static func held(_ stage: Stage) -> Workload {
        Workload(
            name: "held",
            title: "1,000 tasks with a key each, while the process holds further locks",
            note: "Each task acquires and releases in a loop, as in the workload distinct.",
            contenders: [1000, 10_000, 100_000].map { count in
                .worker(
                    .distinct,
                    id: "held-\(count)",
                    "\(Numbers.grouped(count)) further locks held",
                    url: stage.url(.socket),
                    seconds: stage.plan.seconds,
                    ["--held", "\(count)"]
                )
            }
        )
    }
}
