import Benchmark
import LibPQ

// Compares the executor on which the lock manager runs with the default executor, by the same work.
func executorBenchmarks() {
    Benchmark("executor.1000-tasks-call-a-pinned-actor") { benchmark in
        let counter = PinnedCounter()
        benchmark.startMeasurement()
        await withDiscardingTaskGroup { group in
            for _ in benchmark.scaledIterations { group.addTask { await counter.increment() } }
        }
        benchmark.stopMeasurement()
    }

    Benchmark("executor.1000-tasks-call-a-plain-actor") { benchmark in
        let counter = PlainCounter()
        benchmark.startMeasurement()
        await withDiscardingTaskGroup { group in
            for _ in benchmark.scaledIterations { group.addTask { await counter.increment() } }
        }
        benchmark.stopMeasurement()
    }

    Benchmark("executor.one-task-calls-a-pinned-actor") { benchmark in
        let counter = PinnedCounter()
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations { await counter.increment() }
        benchmark.stopMeasurement()
    }

    Benchmark("executor.one-task-enters-the-loop") { benchmark in
        let counter = PinnedCounter()
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations { await counter.enter() }
        benchmark.stopMeasurement()
    }

    Benchmark("executor.one-task-calls-a-plain-actor") { benchmark in
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

    /// Increments like the lock manager: without a hop if no other thread runs the loop.
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
