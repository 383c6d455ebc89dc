import Benchmark

// Benchmarks of the library's parts without a PostgreSQL server. Each iteration does its work 1,000 times; the results are for one.
//
// The names have no spaces, because a benchmark's name is also that of its file of thresholds: `benchmark thresholds update` writes spaces
// as underscores, and `check` looks for the name as it is. They have at least 16 letters, like the target's name (see Package.swift).
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
    lockBenchmarks()
}

extension Benchmark {
    /// The number of locks that an iteration takes.
    static let size = BenchmarkScalingFactor.kilo.rawValue
}
