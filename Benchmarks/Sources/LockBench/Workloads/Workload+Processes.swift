import Foundation

extension Workload {
    private static let crowdSize = 100_000

    static let crowd = Workload(
        name: "crowd",
        title: "100,000 tasks that wait for locks that another process holds, and are cancelled",
        note: """
            Further memory is the resident memory per task beyond that of a task which waits for a bare continuation, measured in \
            another process immediately before. The pool's limit is 8 connections.
            """,
        charted: [.memory, .cancelling],
        contenders: [
            Contender("bare", "tasks that wait for nothing", metrics: [.taskMemory], rounds: 3) { stage in
                ["task": try await bareTaskMemory(stage)]
            },
            crowd(.crowdOneKey, "one-key", "all for one key"),
            crowd(.crowdManyKeys, "many-keys", "each for a key of its own"),
        ]
    )

    private static func crowd(_ kind: WorkerKind, _ id: String, _ title: String) -> Contender {
        Contender(id, title, metrics: [.memory, .cancelling, .left], isOurs: true, rounds: 3) { stage in
            let task = try await bareTaskMemory(stage)
            let url = try stage.url(.postgres(.socket))
            var values = try await stage.worker(kind, ["--url", url, "--tasks", "\(crowdSize)"])
            guard let all = values["bytes"] else { throw BenchError("No memory was measured.") }
            values["bytes"] = all - task
            return values
        }
    }

    private static func bareTaskMemory(_ stage: Stage) async throws -> Double {
        let values = try await stage.worker(.suspended, ["--tasks", "\(crowdSize)"])
        guard let bytes = values["bytes"] else { throw BenchError("No memory was measured.") }
        return bytes
    }
}

extension Workload {
    static let fleet = Workload(
        name: "fleet",
        title: "Processes of 100 tasks each that want the same key",
        note: "With the default limits: after 256 handoffs or 50 ms the other process gets the lock.",
        reference: "alone",
        charted: [.grants],
        contenders: [
            Contender("alone", "1 process", metrics: [.grants, .client, .server], isOurs: true, rounds: 3) { stage in
                Costs(concurrent: try await grants(processes: 1, stage)).metrics
            },
            Contender("two", "2 processes", metrics: [.grants, .client, .server, .smallerShare], isOurs: true, rounds: 3) { stage in
                let costs = try await grants(processes: 2, stage)
                let total = costs.reduce(0) { $0 + $1.rate }
                guard total > 0 else { throw BenchError("No process was granted the lock.") }
                return Costs(concurrent: costs).metrics.merging(["share": (costs.map(\.rate).min() ?? 0) / total * 100]) { $1 }
            },
        ]
    )

    /// The grants of each process. All processes begin at the same time, one second after this call.
    private static func grants(processes: Int, _ stage: Stage) async throws -> [Costs] {
        let start = Date().timeIntervalSince1970 + 1
        let target = Target.postgres(.socket)
        let arguments = [
            "--url", try stage.url(target), "--seconds", "\(stage.plan.fleetSeconds)", "--start", "\(start)", "--tasks", "100",
        ]
        return try await withThrowingTaskGroup { group in
            for _ in 0..<processes {
                group.addTask { try Costs(worker: try await stage.worker(.handoff, arguments, target: target)) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }
}

extension Workload {
    static let loss = Workload(
        name: "loss",
        title: "A holder whose backend is ended by pg_terminate_backend, while another process waits for the lock",
        note: """
            The times begin with the request to end the backend, so they include its round trip and the backend's exit. Each is the \
            median of \(LossWorker.repetitions) repetitions. The next holder is another manager with its own connections.
            """,
        charted: [.noticing],
        contenders: [
            Contender("library", "withLock", metrics: [.noticing, .succeeding], isOurs: true, rounds: 5) { stage in
                try await stage.worker(.loss, ["--url", try stage.url(.postgres(.socket))])
            }
        ]
    )
}
