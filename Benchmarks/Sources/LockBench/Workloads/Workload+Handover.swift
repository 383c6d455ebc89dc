extension Workload {
    /// Two processes that hold the same lock in turn: on an idle machine, and with its cores kept awake.
    static let handover: [Workload] = [
        twoProcesses(
            "handover",
            "",
            .free,
            """
            One process holds the lock for 3 to 8 ms while the other waits for it. The time begins before the holder's call of release, and \
            ends after the other's call of acquire has returned; withLock's begins at the end of one body, and ends at the beginning of the \
            other. Both are read from CLOCK_MONOTONIC, which all processes of a machine share. p50 and p99 are of all handovers of a round. \
            The bare clients wait in pg_advisory_lock, by blocking calls of libpq. Redis has no queue: redis-py asks again every 100 ms, \
            unless it is told another interval. For the row with 100 ms the lock is held for up to 100 ms longer, so that the release \
            comes at any moment of the interval. etcd takes up to 100 ms until a waiting client notices releases, so there is also a row in \
            which the lock is held for longer.
            """,
            own + [
                .handover("lock-psycopg", "postgresql-lock, psycopg 3", .python(.lockPsycopgHandover, .postgres(.socket))),
                .handover(
                    "redis-py",
                    "redis-py's Lock, asks every 100 ms (default)",
                    .python(.redisHandover, .redis(.socket)),
                    holding: 0.003..<0.108
                ),
                redisOften,
                .handover("etcd", "etcd's lock, Python", .python(.etcdHandover, .etcd)),
                .handover("etcd-long", "etcd's lock, Python, held for 110 to 150 ms", .python(.etcdHandover, .etcd), holding: 0.11..<0.15),
            ]
        ),
        twoProcesses(
            "handover-awake",
            ", cores kept awake",
            .awake,
            "As the workload handover, with a spinner on each core, as in single-awake.",
            own + [redisOften]
        ),
    ]

    private static let own: [Contender] = [
        .handover("library", "swift-postgres-lock, acquire and release", .library(.handover)),
        .handover("scoped", "swift-postgres-lock, withLock", .library(.handoverScoped)),
        .handover("bare", "bare libpq, pg_advisory_lock", .peer(.bareHandover)),
    ]

    private static let redisOften = Contender.handover(
        "redis-py-1ms",
        "redis-py's Lock, asks every 1 ms",
        .python(.redisFastHandover, .redis(.socket))
    )

    private static func twoProcesses(
        _ name: String,
        _ place: String,
        _ surroundings: Surroundings,
        _ note: String,
        _ contenders: [Contender]
    ) -> Workload {
        Workload(
            name: name,
            title: "2 processes in turn\(place): from the release to the other's grant",
            note: note,
            surroundings: surroundings,
            reference: "bare",
            charted: [.median],
            contenders: contenders
        )
    }
}

extension Contender {
    /// The clients of a handover.
    enum Alternating: Sendable {
        case library(WorkerKind)
        case peer(WorkerKind)
        case python(PythonPeers.Peer, Target)
    }

    /// - Parameter holding: How long each process holds the lock, in seconds.
    static func handover(
        _ id: String,
        _ title: String,
        _ clients: Alternating,
        holding: Range<Double> = 0.003..<0.008
    ) -> Contender {
        let isOurs = if case .library = clients { true } else { false }
        let needs: [Need] = if case .python(_, let target) = clients { PythonPeers.needs(target) } else { [] }
        return Contender(id, title, metrics: [.median, .percentile99, .handovers], isOurs: isOurs, needs: needs) { stage in
            let command: [String]
            switch clients {
            case .library(let kind), .peer(let kind):
                let program = try Child.ownProgram
                command = stage.client(program, ["worker", kind.rawValue, "--url", try stage.url(.postgres(.socket))])
            case .python(let peer, let target):
                let python = try stage.require(stage.python)
                command = stage.client(python.program, peer.command + [try stage.url(target)])
            }
            // A round has at least 15 handovers.
            let seconds = max(stage.plan.seconds, holding.upperBound * 15)
            return try await Handover(command: command, seconds: seconds, holding: holding).measure()
        }
    }
}
