import Benchmark
import CoreMetrics
import Logging
import PostgresLock
import PostgresLockTesting

#if DistributedTracingSupport
    import Tracing
#endif

// What metrics and spans cost a lock, and what they cost while they are off: `make bench-observing`.
func lockBenchmarks() {
    let key = LockKey(number: 42)
    let configuration = Benchmark.Configuration(
        // 0 instructions where the system does not let programs count them.
        metrics: [.wallClock, .instructions, .throughput],
        maxDuration: .seconds(3)
    )
    for observer in Observer.allCases {
        // Both calls go to the server in memory, whose thread answers.
        Benchmark("lock.acquire-and-release.\(observer.rawValue)", configuration: configuration) { benchmark in
            let locks = try observer.makeManager()
            try await locks.acquire(key).release()
            benchmark.startMeasurement()
            for _ in benchmark.scaledIterations { try await locks.acquire(key).release() }
            benchmark.stopMeasurement()
            await locks.shutdown()
        }

        // The library's part alone: the process has the lock already, so no server is asked, and no thread is waited for.
        Benchmark("lock.share-in-memory.\(observer.rawValue)", configuration: configuration) { benchmark in
            let locks = try observer.makeManager()
            let held = try await locks.acquire(key, mode: .shared)
            benchmark.startMeasurement()
            for _ in benchmark.scaledIterations { try await locks.acquire(key, mode: .shared).release() }
            benchmark.stopMeasurement()
            try await held.release()
            await locks.shutdown()
        }
    }
}

/// What the calls of a manager are told to.
///
/// Given to the manager instead of bootstrapped, since a process can bootstrap only once.
private enum Observer: String, CaseIterable, Sendable {
    /// Nothing, as in a program without a backend.
    case nothing
    case metrics
    #if DistributedTracingSupport
        case spans
    #endif

    func makeManager() throws -> LockManager {
        var configuration = LockManager.Configuration()
        // Without a limit, as one would be reached in the middle of a measurement.
        configuration.handoff.maximumCount = 1_000_000_000
        configuration.handoff.maximumDuration = .seconds(86_400)
        switch self {
        case .nothing: break
        case .metrics: configuration.metrics.factory = DiscardingMetrics()
        #if DistributedTracingSupport
            case .spans: configuration.tracing.tracer = DiscardingTracer()
        #endif
        }
        var logger = Logger(label: "PostgresLockBenchmarks")
        logger.logLevel = .critical
        return try InMemoryLockServer().makeManager(configuration: configuration, logger: logger)
    }
}

/// A backend for metrics that keeps nothing. Unlike `NOOPMetricsHandler`, it does not turn metrics off.
private struct DiscardingMetrics: MetricsFactory {
    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler { NOOPMetricsHandler.instance }
    func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        NOOPMetricsHandler.instance
    }
    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler { NOOPMetricsHandler.instance }
    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        NOOPMetricsHandler.instance
    }
    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { NOOPMetricsHandler.instance }

    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    func destroyMeter(_ handler: any MeterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}
}

#if DistributedTracingSupport
    /// A backend for spans that keeps nothing. Unlike `NoOpTracer`, it does not turn spans off.
    private struct DiscardingTracer: Tracer {
        func startSpan<Instant: TracerInstant>(
            _ operationName: String,
            context: @autoclosure () -> ServiceContext,
            ofKind kind: SpanKind,
            at instant: @autoclosure () -> Instant,
            function: String,
            file fileID: String,
            line: UInt
        ) -> NoOpTracer.NoOpSpan {
            NoOpTracer.NoOpSpan(context: context())
        }

        func forceFlush() {}

        func extract<Carrier, Extract: Extractor>(_ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract)
        where Extract.Carrier == Carrier {}
        func inject<Carrier, Inject: Injector>(_ context: ServiceContext, into carrier: inout Carrier, using injector: Inject)
        where Inject.Carrier == Carrier {}
    }
#endif
