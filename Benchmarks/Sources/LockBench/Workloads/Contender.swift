/// A program that performs a workload, to be compared with others.
struct Contender: Sendable {
    let id: String
    let title: String
    let metrics: [Metric]
    /// Whether it is this library, not a program that it is compared with.
    let isOurs: Bool
    /// The number of rounds in which it takes part at most. Long measurements have fewer.
    let rounds: Int
    /// What it needs besides the PostgreSQL server.
    let needs: [Need]
    /// Measures once, and returns a value for each metric.
    let measure: @Sendable (Stage) async throws -> [String: Double]

    init(
        _ id: String,
        _ title: String,
        metrics: [Metric] = [.pairs, .client, .server],
        isOurs: Bool = false,
        rounds: Int = .max,
        needs: [Need] = [],
        measure: @escaping @Sendable (Stage) async throws -> [String: Double]
    ) {
        self.id = id
        self.title = title
        self.metrics = metrics
        self.isOurs = isOurs
        self.rounds = rounds
        self.needs = needs
        self.measure = measure
    }
}

extension Contender {
    /// This program, run as a worker that counts pairs of acquire and release.
    static func worker(
        _ kind: WorkerKind,
        _ id: String,
        _ title: String,
        metrics: [Metric] = [.pairs, .client, .server],
        isOurs: Bool = true,
        transport: Transport = .socket,
        _ arguments: [String] = []
    ) -> Contender {
        Contender(id, title, metrics: metrics, isOurs: isOurs) { stage in
            let target = Target.postgres(transport)
            let all = ["--url", try stage.url(target), "--seconds", "\(stage.plan.seconds)"] + arguments
            return try Costs(worker: try await stage.worker(kind, all, target: target)).metrics
        }
    }
}
