extension Workload {
    static func single(_ stage: Stage) -> Workload {
        Workload(
            name: "single",
            title: "One task that acquires and releases in turn, uncontended",
            note: """
                Each pair takes two round trips, so the latency determines the rate. Statements are prepared, except those of \
                postgresql-lock, which sends another text for each key.
                """,
            contenders: Transport.allCases.flatMap { contenders(stage, $0) }
        )
    }

    private static func contenders(_ stage: Stage, _ transport: Transport) -> [Contender] {
        let url = stage.url(transport)
        let seconds = stage.plan.seconds
        let suffix = "-\(transport.rawValue)"
        let place = " (\(transport.title))"
        var contenders: [Contender] = [
            .worker(.single, id: "library" + suffix, "swift-postgres-lock, acquire" + place, url: url, seconds: seconds),
            .worker(.singleScoped, id: "scoped" + suffix, "swift-postgres-lock, withLock" + place, url: url, seconds: seconds),
        ]
        if let pgbench = stage.pgbench {
            contenders += [
                pgbench.contender("pgbench-1" + suffix, "pgbench, 1 client" + place, .onePair, clients: 1, transport, stage: stage),
                pgbench.contender(
                    "pgbench-1-pipeline" + suffix,
                    "pgbench, 1 client, pipelines of 1 pair" + place,
                    .pipeline,
                    clients: 1,
                    transport,
                    stage: stage
                ),
            ]
        }
        if let python = stage.python {
            contenders += [
                python.contender("asyncpg" + suffix, "asyncpg, prepared" + place, .asyncpg, tasks: 1, transport, stage: stage),
                python.contender(
                    "lock-asyncpg" + suffix,
                    "postgresql-lock, asyncpg" + place,
                    .lockAsyncpg,
                    tasks: 1,
                    transport,
                    stage: stage
                ),
                python.contender(
                    "lock-psycopg" + suffix,
                    "postgresql-lock, psycopg 3" + place,
                    .lockPsycopg,
                    tasks: 1,
                    transport,
                    stage: stage
                ),
            ]
        }
        return contenders
    }
}
