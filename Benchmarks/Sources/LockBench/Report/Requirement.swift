/// A goal of this library, which is checked against the results of one run.
struct Requirement: Sendable {
    let workload: String
    /// The contenders whose numbers decide.
    let contenders: [String]
    let text: String
    let goal: Double
    var isMinimum = true
    var unit = "×"
    let measure: @Sendable (Report) -> Double?

    func verdict(_ report: Report) -> Verdict {
        let rows = report.workloads.first { $0.name == workload }?.rows ?? []
        return Verdict(
            workload: workload,
            text: text,
            value: measure(report),
            goal: goal,
            isMinimum: isMinimum,
            unit: unit,
            isDisturbed: rows.contains { contenders.contains($0.contender) && $0.isFlagged }
        )
    }

    /// A ratio of two contenders' rates.
    private static func ratio(_ workload: String, _ text: String, _ ours: String, to theirs: String, atLeast goal: Double) -> Requirement {
        Requirement(workload: workload, contenders: [ours, theirs], text: text, goal: goal) { report in
            guard let ours = report.median(workload, ours), let theirs = report.median(workload, theirs), theirs > 0 else { return nil }
            return ours / theirs
        }
    }

    static let all: [Requirement] = distinct + single + handoff + fleet + crowd + held + loss

    private static let distinct: [Requirement] = [
        ratio("distinct", "of pgbench, 16 clients", "library", to: "pgbench-16", atLeast: 5),
        ratio("distinct", "of postgresql-lock over asyncpg, pool of 16", "library", to: "lock-asyncpg", atLeast: 60),
        ratio("distinct", "of one session with arrays of 1,000", "library", to: "arrays", atLeast: 0.5),
    ]

    private static let single: [Requirement] = Transport.allCases.flatMap { transport in
        let suffix = "-\(transport.rawValue)"
        return [
            ratio("single", "of pgbench, 1 client (\(transport.title))", "library" + suffix, to: "pgbench-1" + suffix, atLeast: 0.9),
            ratio("single", "of asyncpg, prepared (\(transport.title))", "library" + suffix, to: "asyncpg" + suffix, atLeast: 1),
        ]
    }

    private static let handoff: [Requirement] = [("library", "default limit"), ("unlimited", "no limit")].map { contender, title in
        Requirement(
            workload: "handoff",
            contenders: [contender, "mutex", "actor-mutex"],
            text: "of 500,000/s, or of half the faster mutex in memory if that is less (\(title))",
            goal: 1
        ) { report in
            guard let ours = report.median("handoff", contender) else { return nil }
            let mutexes = ["mutex", "actor-mutex"].compactMap { report.median("handoff", $0) }
            return ours / min(500_000, mutexes.max().map { $0 / 2 } ?? .infinity)
        }
    }

    private static let fleet: [Requirement] = [
        Requirement(workload: "fleet", contenders: ["two"], text: "the smaller share of two processes", goal: 45, unit: "%") {
            $0.median("fleet", "two", "share")
        },
        ratio("fleet", "of one process's grants, by two together", "two", to: "alone", atLeast: 1 / 1.5),
    ]

    private static let crowd: [Requirement] = [("one-key", "one key"), ("many-keys", "100,000 keys")].flatMap { contender, title in
        [
            Requirement(
                workload: "crowd",
                contenders: [contender],
                text: "per waiting task (\(title))",
                goal: 1024,
                isMinimum: false,
                unit: "B"
            ) {
                $0.median("crowd", contender, "bytes")
            },
            Requirement(
                workload: "crowd",
                contenders: [contender],
                text: "until all are cancelled (\(title))",
                goal: 2,
                isMinimum: false,
                unit: "s"
            ) {
                $0.median("crowd", contender, "cancel")
            },
            Requirement(
                workload: "crowd",
                contenders: [contender],
                text: "left on the server (\(title))",
                goal: 0,
                isMinimum: false,
                unit: ""
            ) {
                $0.median("crowd", contender, "left")
            },
        ]
    }

    private static let loss: [Requirement] = [
        Requirement(
            workload: "loss",
            contenders: ["library"],
            text: "until the body of a lost lock is cancelled",
            goal: 50,
            isMinimum: false,
            unit: "ms"
        ) {
            $0.median("loss", "library", "noticing")
        }
    ]

    private static let held: [Requirement] = [
        ratio("held", "of the rate with 1,000 further locks, with 100,000", "held-100000", to: "held-1000", atLeast: 0.5)
    ]
}
