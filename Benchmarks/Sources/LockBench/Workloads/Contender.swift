/// A program that performs a workload, to be compared with others.
struct Contender: Sendable {
    let id: String
    let title: String
    let metrics: [Metric]
    /// Whether it is this library, not a program that it is compared with.
    let isOurs: Bool
    /// The number of rounds in which it takes part at most. Long measurements have fewer.
    let rounds: Int
    /// Measures once, and returns a value for each metric.
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
    /// This program, run as a worker that counts pairs of acquire and release.
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
            throw BenchError("The worker did not print its number of pairs and its time.")
        }
        return ["rate": pairs / seconds]
    }
}
