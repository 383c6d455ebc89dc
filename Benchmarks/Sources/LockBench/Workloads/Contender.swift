/// One way to do a workload.
struct Contender: Sendable {
    let id: String
    let title: String
    let metrics: [Metric]
    /// Whether it is this library, and not what it is compared to.
    let isOurs: Bool
    /// In how many rounds it takes part; those that take long do so in fewer.
    let rounds: Int
    /// Measures once; returns a value for each metric.
    let measure: @Sendable () async throws -> [String: Double]

    init(
        _ id: String,
        _ title: String,
        metrics: [Metric] = [.pairs],
        isOurs: Bool = false,
        rounds: Int = .max,
        measure: @escaping @Sendable () async throws -> [String: Double]
    ) {
        self.id = id
        self.title = title
        self.metrics = metrics
        self.isOurs = isOurs
        self.rounds = rounds
        self.measure = measure
    }
}

extension Contender {
    /// This program as a worker, which counts pairs.
    static func worker(
        _ kind: WorkerKind,
        id: String,
        _ title: String,
        metric: Metric = .pairs,
        isOurs: Bool = true,
        url: String,
        seconds: Double,
        _ arguments: [String] = []
    ) -> Contender {
        Contender(id, title, metrics: [metric], isOurs: isOurs) {
            try await rate(Child.worker(kind, ["--url", url, "--seconds", "\(seconds)"] + arguments))
        }
    }

    static func rate(_ values: [String: Double]) throws -> [String: Double] {
        guard let pairs = values["pairs"], let seconds = values["seconds"], seconds > 0 else {
            throw BenchError("The worker did not say how many pairs it did in which time.")
        }
        return ["rate": pairs / seconds]
    }
}
