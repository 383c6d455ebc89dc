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
            name: "handon",
            title: "1,000 tasks of one process that want the same key",
            note: "The asynchronous mutexes work in memory only; they are what tasks of one process could use if there were no others.",
            contenders: [
                contender(.handoff, "library", "swift-postgres-lock, default limit", isOurs: true),
                contender(.handoffUnlimited, "unlimited", "swift-postgres-lock, no limit", isOurs: true),
                contender(.mutex, "mutex", "asynchronous mutex in memory (lock, FIFO)", isOurs: false),
                contender(.actorMutex, "actor-mutex", "asynchronous mutex in memory (actor, FIFO)", isOurs: false),
            ]
        )
    }
}
