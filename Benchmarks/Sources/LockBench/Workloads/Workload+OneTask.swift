extension Workload {
    /// One task that acquires and releases in turn: over each transport, and in other surroundings.
    static let single: [Workload] = [
        one(
            "single",
            "over a Unix socket",
            """
            On an idle machine: the client and the server wait for each other, so each wait puts a core to sleep, and waking it takes \
            longer than the lock. \(statements) \(RedisBenchmark.note)
            """,
            contenders: own(.socket) + peers(.socket) + others(.socket)
        ),
        one(
            "single-tcp",
            "over TCP, 127.0.0.1",
            "As the workload single, over TCP. \(EtcdServer.note)",
            contenders: own(.tcp) + peers(.tcp) + others(.tcp) + [.python("etcd", "etcd's lock, Python", .etcdLock, .etcd, tasks: 1)]
        ),
        one(
            "single-awake",
            "over a Unix socket, cores kept awake",
            """
            A process of the scheduling class SCHED_IDLE spins on each core, so that no core sleeps, as on a machine that also does other \
            work. The spinners run only while nothing else wants the core.
            """,
            .awake,
            contenders: own(.socket) + [plainPgbench(.socket), pipelinedPgbench(.socket)] + others(.socket)
        ),
        one(
            "single-one-core",
            "over a Unix socket, client and server on one core",
            "The client and the server are bound to the same core, so no other core has to be woken.",
            .oneCore,
            contenders: own(.socket) + [plainPgbench(.socket)]
        ),
        one(
            "single-two-cores",
            "over a Unix socket, client and server on different cores",
            "The client is bound to one core and the server to another, so each wait ends with waking the other core.",
            .twoCores,
            contenders: own(.socket) + [plainPgbench(.socket)]
        ),
    ]

    private static let statements = """
        Each pair takes two round trips, unless the unlock is not awaited: then (awaitsRelease is off) the task takes two keys in turn, and \
        asks for one behind the unlock of the other. Statements are prepared, except those of postgresql-lock, which sends another text for \
        each key. The bare client is a loop of blocking calls of libpq.
        """

    private static func one(
        _ name: String,
        _ place: String,
        _ note: String,
        _ surroundings: Surroundings = .free,
        contenders: [Contender]
    ) -> Workload {
        Workload(
            name: name,
            title: "One task in turn, \(place)",
            note: note,
            surroundings: surroundings,
            reference: "pgbench-1",
            charted: [.pairs, .client],
            contenders: contenders
        )
    }

    /// This library, and what it is built on. Rows of configurations that change the path of a single lock belong here: they then take part
    /// in all surroundings.
    private static func own(_ transport: Transport) -> [Contender] {
        [
            .worker(.single, "library", "swift-postgres-lock, acquire and release", transport: transport),
            .worker(.singleScoped, "scoped", "swift-postgres-lock, withLock", transport: transport),
            .worker(.singleUnawaited, "unawaited", "swift-postgres-lock, acquire, unlock not awaited", transport: transport),
            .worker(.singleScopedUnawaited, "scoped-unawaited", "swift-postgres-lock, withLock, unlock not awaited", transport: transport),
            .worker(.bare, "bare", "bare libpq", isOurs: false, transport: transport),
        ]
    }

    private static func plainPgbench(_ transport: Transport) -> Contender {
        .pgbench("pgbench-1", "pgbench, 1 client", .onePair, clients: 1, transport)
    }

    private static func pipelinedPgbench(_ transport: Transport) -> Contender {
        .pgbench("pgbench-1-pipeline", "pgbench, 1 client, pipelines of 1 pair", .pipeline, clients: 1, transport)
    }

    private static func peers(_ transport: Transport) -> [Contender] {
        [
            plainPgbench(transport),
            pipelinedPgbench(transport),
            .python("asyncpg", "asyncpg, prepared", .asyncpg, .postgres(transport), tasks: 1),
            .python("lock-asyncpg", "postgresql-lock, asyncpg", .lockAsyncpg, .postgres(transport), tasks: 1),
            .python("lock-psycopg", "postgresql-lock, psycopg 3", .lockPsycopg, .postgres(transport), tasks: 1),
        ]
    }

    /// Locks of another product.
    private static func others(_ transport: Transport) -> [Contender] {
        [
            .redisBenchmark("redis-1", "redis-benchmark, 1 client", clients: 1, pipeline: 1, transport),
            .python("redis-py", "redis-py's Lock", .redisLock, .redis(transport), tasks: 1),
        ]
    }
}
