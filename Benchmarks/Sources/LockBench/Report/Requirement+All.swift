extension Requirement {
    static let all: [Requirement] = distinct + single + awake + oneCore + handoff + handover + fleet + crowd + held + loss

    private static let distinct: [Requirement] = [
        value("distinct", "of the client's processor time for each pair", "library", .client, atMost: 4.5),
        ratio("distinct", "of pgbench, 16 clients", "library", to: "pgbench-16", atLeast: 6),
        ratio("distinct", "of postgresql-lock over asyncpg, pool of 16", "library", to: "lock-asyncpg", atLeast: 80),
        ratio("distinct", "of one session with arrays of 1,000", "library", to: "arrays", atLeast: 0.3),
        ratio("distinct", "of redis-benchmark, pipelines of 50", "library", to: "redis-1-deep", atLeast: 1),
    ]

    private static let single: [Requirement] = ["single", "single-tcp"].flatMap { workload in
        [
            ratio(workload, "of pgbench, 1 client", "library", to: "pgbench-1", atLeast: 1),
            ratio(workload, "of asyncpg, prepared", "library", to: "asyncpg", atLeast: 1),
        ]
    }

    private static let awake: [Requirement] = [
        ratio("single-awake", "of pgbench, 1 client (acquire and release)", "library", to: "pgbench-1", atLeast: 0.9),
        ratio("single-awake", "of pgbench's processor time (acquire and release)", "library", to: "pgbench-1", .client, atMost: 1.3),
        ratio("single-awake", "of pgbench, 1 client (withLock)", "scoped", to: "pgbench-1", atLeast: 0.8),
        ratio("single-awake", "of pgbench's processor time (withLock)", "scoped", to: "pgbench-1", .client, atMost: 1.6),
        ratio("single-awake", "of pgbench, 1 client (unlock not awaited)", "unawaited", to: "pgbench-1", atLeast: 1.2),
        ratio("single-awake", "of pgbench, 1 client (withLock, unlock not awaited)", "scoped-unawaited", to: "pgbench-1", atLeast: 1),
        ratio("single-awake", "of redis-py's Lock", "library", to: "redis-py", atLeast: 1),
        ratio("single-awake", "of redis-benchmark, 1 client", "library", to: "redis-1", atLeast: 0.8),
    ]

    private static let oneCore: [Requirement] = [("library", "acquire and release"), ("scoped", "withLock")].map { contender, title in
        ratio("single-one-core", "of pgbench's processor time (\(title))", contender, to: "pgbench-1", .client, atMost: 2)
    }

    /// Half as many again as before the path of a single lock was shortened.
    private static let handoff: [Requirement] = [
        value("handoff", "with the default limit", "library", .handoffs, atLeast: 273_000),
        value("handoff", "without a limit", "unlimited", .handoffs, atLeast: 378_000),
    ]

    private static let handover: [Requirement] = [
        ratio("handover", "of the p50 of two bare clients", "library", to: "bare", .median, atMost: 1.5),
        ratio("handover", "of the p50 of redis-py's Lock", "library", to: "redis-py", .median, atMost: 1),
        ratio("handover", "of the p50 of redis-py's Lock that asks every 1 ms", "library", to: "redis-py-1ms", .median, atMost: 1),
        ratio("handover", "of the p50 of etcd's lock, held for longer", "library", to: "etcd-long", .median, atMost: 1),
        ratio("handover-awake", "of the p50 of two bare clients", "library", to: "bare", .median, atMost: 1.5),
    ]

    private static let fleet: [Requirement] = [
        value("fleet", "the smaller share of two processes", "two", .smallerShare, atLeast: 45),
        ratio("fleet", "of one process's grants, by two together", "two", to: "alone", atLeast: 1 / 1.5),
    ]

    private static let crowd: [Requirement] = [("one-key", "one key"), ("many-keys", "100,000 keys")].flatMap { contender, title in
        [
            value("crowd", "for each waiting task (\(title))", contender, .memory, atMost: 1024),
            value("crowd", "until all are cancelled (\(title))", contender, .cancelling, atMost: 2),
            value("crowd", "left on the server (\(title))", contender, .left, atMost: 0),
        ]
    }

    private static let held: [Requirement] = [
        ratio("held", "of the rate with 1,000 further locks, with 100,000", "held-100000", to: "held-1000", atLeast: 0.5)
    ]

    private static let loss: [Requirement] = [
        value("loss", "until the body of a lost lock is cancelled", "library", .noticing, atMost: 50)
    ]
}
