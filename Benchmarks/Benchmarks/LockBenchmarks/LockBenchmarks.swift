import Benchmark

// What is ours alone, without a server. Each iteration does its work a thousand times, and what is shown is for one.
let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        // What this package counts truly without its traits, which replace malloc.
        metrics: [.wallClock, .throughput, .objectAllocCount, .peakMemoryResident, .threads],
        warmupIterations: 10,
        scalingFactor: .kilo,
        maxDuration: .seconds(1),
        maxIterations: 10_000
    )
    lockTableBenchmarks()
    engineBenchmarks()
    statementBenchmarks()
    executorBenchmarks()
}

extension Benchmark {
    /// How many locks an iteration takes.
    static let size = BenchmarkScalingFactor.kilo.rawValue
}
