import LockCore
import Testing

/// Connection 1, the shared session, holds the key 1 in shared mode, and the time for joining it without a question is over.
@Suite("Sessions that ask whether others may join a shared lock")
struct EngineJoiningTests {
    private static func late(maximumConnections: Int = 8) -> EngineScript {
        var script = EngineScript.holding(.shared, maximumConnections: maximumConnections)
        script.pass(.milliseconds(51))
        return script
    }

    @Test("another session waits in the server's queue, gives back what it gets, and can wait for another key then")
    func asked() {
        var script = Self.late()
        #expect(script.acquire(2, .shared).connecting == 2)
        #expect(script.connected(2) == [.submit(2, .wait(1, .shared, limit: nil))])
        #expect(script.answered(2, true) == [.submit(2, .unlock(1, mode: .shared)), .resolve(2, .granted)])
        #expect(script.engine.session(of: 2) == 1)
        #expect(script.answered(2, true) == [])
        script.acquire(3, .exclusive, 2)
        #expect(script.answered(1, false) == [.submit(2, .wait(2, .exclusive, limit: nil))])
        script.release(1)
        #expect(script.release(2) == [.submit(1, .unlock(1, mode: .shared))])
    }

    @Test("where there is no session for the question, the key is not tried on the one that holds it, but once that has released it")
    func withoutSession() {
        var script = Self.late(maximumConnections: 2)
        #expect(script.on { $0.checkOut(9, now: $1) }.connecting == 2)
        #expect(script.connected(2) == [.resolve(9, .checkedOut(2))])
        script.acquire(2, .shared)
        var tried: Set<AdvisoryKey> = []
        for _ in 0..<5 { tried.formUnion(script.passToNextWake().keys) }
        #expect(tried == [])
        #expect(script.release(1) == [.submit(1, .unlock(1, mode: .shared))])
        #expect(script.answered(1, true) == [.resolve(1, .released)])
        for _ in 0..<5 where tried.isEmpty { tried = script.passToNextWake().keys }
        #expect(tried == [1])
        #expect(script.answered(1, true) == [.resolve(2, .granted)])
    }

    @Test("what is given back takes no token from the holders")
    func tokens() {
        let position = WALPosition(timeline: 1, location: 100)
        var script = EngineScript { $0.isFencing = true }
        script.acquire(1, .shared)
        script.connected(1)
        script.answered(1, true)
        script.connected(2)
        script.on { $0.answered(2, .position(position), now: $1) }
        #expect(script.answered(1).contains(.resolve(1, .granted)))
        script.pass(.milliseconds(51))
        #expect(script.acquire(2, .shared).connecting == 3)
        script.connected(3)
        let actions = script.answered(3, true)
        #expect(actions.contains(.submit(3, .unlock(1, mode: .shared))))
        #expect(actions.contains(.giveToken(2, position, index: 1)))
        #expect(actions.contains(.resolve(2, .granted)))
    }
}
