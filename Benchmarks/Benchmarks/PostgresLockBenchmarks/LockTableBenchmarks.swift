import Benchmark
import LockCore

func lockTableBenchmarks() {
    Benchmark("table.acquire-and-release.distinct-keys") { benchmark in
        var table = TableScript()
        benchmark.startMeasurement()
        for number in benchmark.scaledIterations {
            let id = table.acquire(number)
            table.grant(number)
            table.release(id)
            table.confirmUnlock(number)
        }
        benchmark.stopMeasurement()
        blackHole(table)
    }

    Benchmark("table.handoff-along-a-queue") { benchmark in
        var table = TableScript()
        let ids = (0...Benchmark.size).map { _ in table.acquire(1) }
        table.grant(1)
        benchmark.startMeasurement()
        for index in benchmark.scaledIterations {
            table.release(ids[index])
        }
        benchmark.stopMeasurement()
        blackHole(table)
    }

    Benchmark("table.cancel-in-a-queue") { benchmark in
        var table = TableScript()
        table.acquire(1)
        table.grant(1)
        let ids = (0..<Benchmark.size).map { _ in table.acquire(1) }
        benchmark.startMeasurement()
        for index in benchmark.scaledIterations {
            table.cancel(ids[index])
        }
        benchmark.stopMeasurement()
        blackHole(table)
    }
}

/// A lock table, with the answers of a server that grants every request.
private struct TableScript {
    private var table = LockTable(limit: .unlimited)
    private var ids = RequestIDs()
    private let now = Instant(nanoseconds: 0)
    private let session = ConnectionID(1)

    @discardableResult
    mutating func acquire(_ key: Int) -> RequestID {
        let id = ids.make()
        table.request(id, LockTable.Request(AdvisoryKey(Int64(key)), .exclusive), now: now)
        takeActions()
        return id
    }

    mutating func grant(_ key: Int) {
        table.granted(AdvisoryKey(Int64(key)), on: session, now: now)
        takeActions()
    }

    mutating func release(_ id: RequestID) {
        table.release(id, now: now)
        takeActions()
    }

    mutating func confirmUnlock(_ key: Int) {
        table.unlocked(AdvisoryKey(Int64(key)), on: session, now: now)
        takeActions()
    }

    mutating func cancel(_ id: RequestID) {
        table.cancel(id, now: now)
        takeActions()
    }

    private mutating func takeActions() {
        while let action = table.nextAction() { blackHole(action) }
    }
}
