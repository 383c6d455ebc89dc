import LockCore
import Testing

@Suite("Records for fencing tokens")
struct EngineFencingTests {
    private static let position = WALPosition(timeline: 1, location: 100)

    /// Connection 1 holds the keys of the requests, connection 2 writes records, and has been asked for the first.
    private static func writing(_ requests: ClosedRange<Int>) -> EngineScript {
        var script = EngineScript { $0.isFencing = true }
        let keys = requests.map { ($0, AdvisoryKey(Int64($0))) }
        script.on { engine, now in
            for (id, key) in keys { engine.acquire(RequestID(UInt64(id)), LockTable.Request(key, .exclusive), now: now) }
        }
        script.connected(1)
        var left = requests.count
        while left > 0 {
            script.answered(1, rows: Array(repeating: true, count: min(left, 1000)))
            left -= 1000
        }
        return script
    }

    @Test("a record whose session is lost while it is written is written again, on a new session")
    func lostWhileWriting() {
        var script = Self.writing(1...2)
        #expect(script.connected(2).contains(.submit(2, .position)))
        guard let id = script.lost(2).connecting ?? script.passToNextWake().connecting else {
            Issue.record("There is no new session to write over.")
            return
        }
        #expect(script.connected(id).contains(.submit(id, .position)))
        var actions = script.on { $0.answered(id, .position(Self.position), now: $1) }
        actions += script.answered(1)
        #expect(actions.contains(.giveToken(1, Self.position, index: 0)))
        #expect(actions.contains(.giveToken(2, Self.position, index: 0)))
        #expect(actions.contains(.resolve(1, .granted)))
        #expect(actions.contains(.resolve(2, .granted)))
    }

    @Test("a record that can't be written fails many thousand calls without looking at each for each", .timeLimit(.minutes(10)))
    func manyFailures() {
        let count = 20_000
        var script = Self.writing(1...count)
        script.connected(2)
        let failure = Failure(.statement, "No space left on device.")
        let actions = script.on { $0.answered(2, .failed(failure), now: $1) }
        #expect(actions.failures.count == count)
    }

    @Test("many thousand calls that go away before their records are written cost no more than their number", .timeLimit(.minutes(10)))
    func manyCancelled() {
        let count = 20_000
        var script = Self.writing(1...count)
        // Quadratic work would take minutes here.
        script.on { engine, now in
            for id in 1...count { engine.cancel(RequestID(UInt64(id)), now: now) }
        }
        #expect(script.waitingCount == 0)
    }
}
