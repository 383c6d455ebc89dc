extension Workload {
    static func held(_ stage: Stage) -> Workload {
        Workload(
            name: "held",
            title: "1,000 tasks with a key each, while the process holds further locks",
            note: "Acquire and release in a loop, as in the first workload.",
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
