import Foundation

extension Workload {
    static func fleet(_ stage: Stage) -> Workload {
        Workload(
            name: "fleet",
            title: "Processes of 100 tasks each that want the same key",
            note: "With the default limits: 256 hand-ons or 50 ms, then the other process gets its turn.",
            contenders: [
                Contender("alone", "1 process", metrics: [.grants], isOurs: true, rounds: 3) {
                    ["rate": try await grants(processes: 1, stage).reduce(0, +)]
                },
                Contender("two", "2 processes", metrics: [.grants, .smallerShare], isOurs: true, rounds: 3) {
                    let rates = try await grants(processes: 2, stage)
                    let total = rates.reduce(0, +)
                    guard total > 0 else { throw BenchError("Nobody was granted anything.") }
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
