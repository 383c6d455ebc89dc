import Benchmark
import LibPQ

// The same work on the executor to which the lock manager is pinned, and on the default one.
func executorBenchmarks() {
    Benchmark("executor: 1,000 tasks call a pinned actor") { benchmark in
        let counter = PinnedCounter()
        benchmark.startMeasurement()
        await withDiscardingTaskGroup { group in
            for _ in benchmark.scaledIterations { group.addTask { await counter.increment() } }
        }
        benchmark.stopMeasurement()
    }

    Benchmark("executor: 1,000 tasks call a plain actor") { benchmark in
        let counter = PlainCounter()
        benchmark.startMeasurement()
        await withDiscardingTaskGroup { group in
            for _ in benchmark.scaledIterations { group.addTask { await counter.increment() } }
        }
        benchmark.stopMeasurement()
    }

    Benchmark("executor: one task calls a pinned actor in turn") { benchmark in
        let counter = PinnedCounter()
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations { await counter.increment() }
        benchmark.stopMeasurement()
    }

    Benchmark("executor: one task enters the loop in turn") { benchmark in
        let counter = PinnedCounter()
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations { await counter.enter() }
        benchmark.stopMeasurement()
    }

    Benchmark("executor: one task calls a plain actor in turn") { benchmark in
        let counter = PlainCounter()
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations { await counter.increment() }
        benchmark.stopMeasurement()
    }
}

private actor PinnedCounter {
    private let loop = EventLoop(label: "lock-benchmarks")
    private var count = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    func increment() {
        count += 1
    }

    /// As the lock manager does it: without a hop, if nobody else is at work.
    nonisolated func enter() async {
        await withUnsafeContinuation { continuation in
            loop.enter {
                self.assumeIsolated { $0.count += 1 }
                continuation.resume()
            }
        }
    }
}

private actor PlainCounter {
    private var count = 0

    func increment() {
        count += 1
    }
}
