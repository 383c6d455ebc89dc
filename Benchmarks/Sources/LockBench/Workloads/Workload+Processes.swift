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
                Further memory is the resident memory per task beyond that of a task which waits for a bare continuation, measured in \
                another process immediately before. The pool's limit is 8 connections.
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
            note: "With the default limits: after 256 handoffs or 50 ms the other process gets the lock.",
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

    /// The grants per second of each process. All processes begin at the same time, one second after this call.
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
                The times begin with the request to end the backend, so they include its round trip and the backend's exit. Each is the \
                median of \(LossWorker.repetitions) repetitions. The next holder is another manager with its own connections.
                """,
            contenders: [
                Contender("library", "withLock", metrics: [.noticing, .succeeding], isOurs: true, rounds: 5) {
                    try await Child.worker(.loss, ["--url", url])
                }
            ]
        )
    }
}
