import LockCore
import LockServerModel
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

    @Test("a session that writes records is not closed as unused in the turn in which a lock is granted")
    func grantedWhenUnused() {
        var script = EngineScript {
            $0.isFencing = true
            $0.idleTimeout = .seconds(1)
        }
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        #expect(script.connected(2) == [.submit(2, .position)])
        script.on { $0.answered(2, .position(Self.position), now: $1) }
        script.answered(1)
        script.acquire(2, .exclusive, 2)
        script.now = script.now.advanced(by: .seconds(2))
        let actions = script.on { engine, now in
            engine.answered(1, Engine.Answer([true], failure: nil, to: .tryLock(2)), now: now)
            engine.advance(to: now)
        }
        #expect(actions.contains(.submit(2, .position)))
        #expect(!actions.contains(.close(2)))
        // Otherwise it is.
        script.on { $0.answered(2, .position(Self.position), now: $1) }
        #expect(script.pass(.seconds(2)).contains(.close(2)))
    }

    @Test("a shutdown ends a call that waits for the token of a held lock")
    func shutdown() {
        var script = Self.writing(1...1)
        script.connected(2)
        script.on { $0.answered(2, .position(Self.position), now: $1) }
        script.answered(1)
        script.on { $0.requestToken(9, of: 1, now: $1) }
        #expect(script.on { $0.shutdown(now: $1) }.contains(.resolve(9, .failed(.closing))))
        #expect(script.on { $0.requestToken(10, of: 1, now: $1) } == [.resolve(10, .failed(.closing))])
        script.release(1)
        #expect(script.answered(1, true) == [.resolve(1, .released)])
        // Its record was under way.
        #expect(script.on { $0.answered(2, .position(Self.position), now: $1) }.contains(.terminated))
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
