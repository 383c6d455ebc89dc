import LockCore
import Testing

@Suite("The engine's shared session")
struct EngineSharedSessionTests {
    @Test("a shared session takes many keys in one statement, one round at a time")
    func batches() {
        var script = EngineScript()
        script.acquire(1)
        script.acquire(2, .exclusive, 2)
        script.acquire(3, .shared, 3)
        #expect(script.connected(1) == [.submit(1, .tryLock(3, mode: .shared)), .submit(1, .tryLock(1, 2))])
        #expect(script.acquire(4, .exclusive, 4) == [])
        #expect(script.answered(1, true) == [.resolve(3, .granted)])
        #expect(
            script.answered(1, true, true)
                == [.resolve(1, .granted), .resolve(2, .granted), .submit(1, .tryLock(4))]
        )
    }

    @Test("a shared session verifies what a failed batch holds, and fails only the keys that could not be tried")
    func failedBatch() {
        var script = EngineScript()
        // One key more than three rows.
        let row = Engine.Batch.keysPerRow
        let ids = (1...3 * UInt64(row) + 1).map { RequestID($0) }
        for id in ids { script.acquire(id, .exclusive, AdvisoryKey(Int64(id.rawValue))) }
        script.connected(1)
        let unknown = ids[row..<2 * row]
        let keys = unknown.map { AdvisoryKey(Int64($0.rawValue)) }
        #expect(
            script.answered(1, rows: Array(repeating: true, count: row), failure: .full)
                == ids[..<row].map { .resolve($0, .granted) } + ids[(2 * row)...].map { .resolve($0, .failed(.full)) }
                + [.submit(1, .batch(.init(.init(.unlock, .exclusive, .int8), keys)))]
        )
        // Some were held after all, and are now given back.
        #expect(
            script.answered(1, rows: (0..<row).map { $0 < 3 }) == unknown.map { .resolve($0, .failed(.full)) }
        )
    }

    @Test("the next shared session asks anew for all that was under way when the last one was lost")
    func lost() {
        var script = EngineScript()
        script.acquire(1)
        script.connected(1)
        script.acquire(2, .exclusive, 2)
        #expect(script.lost(1) == [.close(1)])
        #expect(script.passToNextWake() == [.connect(2, .shared)])
        #expect(script.connected(2).keys == [1, 2])
    }

    @Test("the keys that an answer left out are asked for anew")
    func shortAnswer() {
        var script = EngineScript()
        for number: Int64 in 1...3 { script.acquire(RequestID(UInt64(number)), .exclusive, AdvisoryKey(number)) }
        script.connected(1)
        let actions = script.answered(1, true)
        #expect(actions.contains(.close(1)))
        #expect(actions.contains { if case .lose([1], _) = $0 { true } else { false } })
        #expect(script.passToNextWake() == [.connect(2, .shared)])
        #expect(script.connected(2).keys == [2, 3])
    }

    @Test("a shared session is closed when it stays silent")
    func silent() {
        var script = EngineScript()
        script.acquire(1, within: .seconds(60))
        script.connected(1)
        #expect(script.pass(.seconds(29)) == [])
        #expect(script.pass(.seconds(1)) == [.close(1)])
    }

    @Test("a shared session is closed when other SQL has released one of its locks")
    func foreignUnlock() {
        var script = EngineScript.holding()
        script.acquire(2, .exclusive, 2)
        script.answered(1, true)
        script.release(1)
        let actions = script.answered(1, false)
        #expect(actions.contains(.close(1)))
        #expect(actions.contains { if case .lose([2], _) = $0 { true } else { false } })
        #expect(actions.contains { if case .resolve(1, .failed) = $0 { true } else { false } })
    }
}
