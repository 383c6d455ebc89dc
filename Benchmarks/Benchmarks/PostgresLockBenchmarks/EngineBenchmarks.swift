import Benchmark
import LockCore

func engineBenchmarks() {
    Benchmark("engine.acquire-and-release.batches-of-1000") { benchmark in
        var engine = EngineScript()
        benchmark.startMeasurement()
        let ids = benchmark.scaledIterations.map { engine.acquire($0) }
        engine.exchange()
        for id in ids { engine.release(id) }
        engine.exchange()
        benchmark.stopMeasurement()
        engine.exchange()
    }

    Benchmark("engine.acquire-and-release.one-by-one") { benchmark in
        var engine = EngineScript()
        benchmark.startMeasurement()
        for number in benchmark.scaledIterations {
            let id = engine.acquire(number)
            engine.exchange()
            engine.release(id)
            engine.exchange()
        }
        benchmark.stopMeasurement()
        engine.exchange()
    }

    Benchmark("engine.handoff-among-1000-callers") { benchmark in
        var engine = EngineScript()
        let ids = (0...Benchmark.size).map { _ in engine.acquire(1) }
        engine.exchange()
        benchmark.startMeasurement()
        for index in benchmark.scaledIterations { engine.release(ids[index]) }
        benchmark.stopMeasurement()
        engine.exchange()
    }
}

/// An engine with a connected shared session, whose server grants every request at once.
private struct EngineScript: ~Copyable {
    private var engine: Engine
    private var ids = RequestIDs()
    private let now = Instant(nanoseconds: 0)
    private let deadline = Instant(nanoseconds: 5_000_000_000)

    init() {
        var configuration = Engine.Configuration()
        configuration.handoff = .unlimited
        engine = Engine(configuration: configuration)
        let id = acquire(0)
        exchange()
        release(id)
        exchange()
    }

    /// Requests a lock with a deadline, as most callers do.
    mutating func acquire(_ key: Int) -> RequestID {
        let id = ids.make()
        engine.acquire(id, LockTable.Request(AdvisoryKey(Int64(key)), .exclusive), deadline: deadline, now: now)
        return id
    }

    mutating func release(_ id: RequestID) {
        engine.release(id, now: now)
    }

    /// Ends the turn and answers the engine's actions until there are none left.
    mutating func exchange() {
        while true {
            _ = engine.endTurn(now: now)
            var isQuiet = true
            while let action = engine.nextAction() {
                isQuiet = false
                switch action {
                case .connect(let id, _):
                    engine.connected(id, now: now)
                case .submit(let id, .batch(let batch)):
                    let rows: OneOrMore = batch.onlyKey == nil ? .list([Bool](repeating: true, count: batch.keys.count)) : .one(true)
                    engine.answered(id, .keys(rows, failure: nil), now: now)
                default:
                    blackHole(action)
                }
            }
            if isQuiet { return }
        }
    }
}
