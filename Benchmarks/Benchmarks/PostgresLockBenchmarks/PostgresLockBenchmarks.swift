import Benchmark

// What is ours alone, without a server. Each iteration does its work a thousand times, and what is shown is for one.
let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        // Allocations of objects are counted in a run of their own (see the Makefile): counting takes as long again.
        metrics: [.wallClock, .throughput, .peakMemoryResident, .threads],
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
