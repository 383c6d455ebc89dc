extension Workload {
    static let crowdSize = 100_000

    static func crowd(_ stage: Stage) -> Workload {
        let url = stage.url(.socket)
        func contender(_ kind: WorkerKind, _ id: String, _ title: String) -> Contender {
            Contender(id, title, metrics: [.memory, .cancelling, .left], isOurs: true, rounds: 3) {
                let bare = try await Child.worker(.suspended, ["--tasks", "\(crowdSize)"])
                var values = try await Child.worker(kind, ["--url", url, "--tasks", "\(crowdSize)"])
                guard let all = values["bytes"], let task = bare["bytes"] else { throw BenchError("No memory was measured.") }
                values["bytes"] = all - task
                return values
            }
        }
        return Workload(
            name: "crowd",
            title: "100,000 tasks that wait for locks which somebody else holds, and are cancelled",
            note: """
                Further memory is resident memory beyond that of as many tasks which wait for a bare continuation, measured in a fresh process right \
                before, divided by their number. The pool's limit is 8 connections.
                """,
            contenders: [
                Contender("bare", "tasks that wait for nothing", metrics: [.taskMemory], rounds: 3) {
                    try await Child.worker(.suspended, ["--tasks", "\(crowdSize)"])
                },
                contender(.crowdOneKey, "one-key", "all for one key"),
                contender(.crowdManyKeys, "many-keys", "each for a key of its own"),
            ]
        )
    }
}
