import Benchmark

// Benchmarks of the library's parts without a server. Each iteration does its work 1,000 times; the results are for one.
let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        // Allocations of objects are counted in a separate run (see the Makefile), because counting doubles the time.
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
    /// The number of locks that an iteration takes.
    static let size = BenchmarkScalingFactor.kilo.rawValue
}
