import Foundation

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
            title: "100,000 tasks that wait for locks that another process holds, and are cancelled",
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

extension Workload {
    static func fleet(_ stage: Stage) -> Workload {
        Workload(
            name: "fleet",
            title: "Processes of 100 tasks each that want the same key",
            note: "With the default limits: 256 handoffs or 50 ms, then the other process gets its turn.",
            contenders: [
                Contender("alone", "1 process", metrics: [.grants], isOurs: true, rounds: 3) {
                    ["rate": try await grants(processes: 1, stage).reduce(0, +)]
                },
                Contender("two", "2 processes", metrics: [.grants, .smallerShare], isOurs: true, rounds: 3) {
                    let rates = try await grants(processes: 2, stage)
                    let total = rates.reduce(0, +)
                    guard total > 0 else { throw BenchError("No process was granted the lock.") }
                    return ["rate": total, "share": (rates.min() ?? 0) / total * 100]
                },
            ]
        )
    }

    /// Each process's grants per second. All begin at the same moment, which lies far enough ahead to be ready for it.
    private static func grants(processes: Int, _ stage: Stage) async throws -> [Double] {
        let start = Date().timeIntervalSince1970 + 1
        let arguments = [
            "--url", stage.url(.socket), "--seconds", "\(stage.plan.fleetSeconds)", "--start", "\(start)", "--tasks", "100",
        ]
        return try await withThrowingTaskGroup { group in
            for _ in 0..<processes {
                group.addTask { try Contender.rate(try await Child.worker(.handoff, arguments))["rate"] ?? 0 }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }
}

extension Workload {
    static func loss(_ stage: Stage) -> Workload {
        let url = stage.url(.socket)
        return Workload(
            name: "loss",
            title: "A holder whose backend is ended by pg_terminate_backend, while another process waits for the lock",
            note: """
                Counted from when the order to end the backend is given, so its round trip and the backend's own end are part of it; the \
                median of \(LossWorker.repetitions) times. The next one is another manager, with connections of its own.
                """,
            contenders: [
                Contender("library", "withLock", metrics: [.noticing, .succeeding], isOurs: true, rounds: 5) {
                    try await Child.worker(.loss, ["--url", url])
                }
            ]
        )
    }
}
