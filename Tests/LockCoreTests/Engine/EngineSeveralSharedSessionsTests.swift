import LockCore
import Testing

@Suite("Several shared sessions")
struct EngineSeveralSharedSessionsTests {
    private static func script(_ sharedSessions: Int, maximumConnections: Int = 8) -> EngineScript {
        EngineScript(maximumConnections: maximumConnections) { $0.maximumSharedSessions = sharedSessions }
    }

    @Test("are opened when the ones that are there have something to do")
    func opening() {
        var script = Self.script(2)
        #expect(script.acquire(1, .exclusive, 1) == [.connect(1, .shared)])
        #expect(script.acquire(2, .exclusive, 2) == [], "the first is on its way")
        #expect(script.connected(1) == [.submit(1, .tryLock(1, 2))])
        #expect(script.acquire(3, .exclusive, 3) == [.connect(2, .shared)])
        #expect(script.connected(2) == [.submit(2, .tryLock(3))])
        #expect(script.acquire(4, .exclusive, 4) == [], "two are allowed")
    }

    @Test("get what is tried on the one that holds less, and what is released where it is held")
    func spreading() {
        var script = Self.script(2)
        script.acquire(1, .exclusive, 1)
        script.acquire(2, .exclusive, 2)
        script.connected(1)
        script.acquire(3, .exclusive, 3)
        script.connected(2)
        script.answered(1, true, true)
        script.answered(2, true)
        #expect(script.acquire(4, .exclusive, 4) == [.submit(2, .tryLock(4))])
        #expect(script.release(1) == [.submit(1, .unlock(1))])
        script.answered(2, true)
        #expect(script.release(3) == [.submit(2, .unlock(3))])
    }

    @Test("keep their locks when another one is lost, and take over what it was trying")
    func loss() {
        var script = Self.script(2)
        script.acquire(1, .exclusive, 1)
        script.connected(1)
        script.acquire(2, .exclusive, 2)
        script.connected(2)
        script.answered(2, true)
        #expect(script.lost(1) == [.close(1), .submit(2, .tryLock(1))])
        #expect(script.answered(2, true) == [.resolve(1, .granted)])
        #expect(script.lost(2) == [.close(2), .lose(1, .lost), .lose(2, .lost)])
    }

    @Test("leave a place to those who wait")
    func slots() {
        var script = Self.script(2, maximumConnections: 3)
        script.acquire(1, .exclusive, 1)
        script.connected(1)
        #expect(script.answered(1, false) == [.connect(2, .waiting)])
        script.connected(2)
        script.acquire(2, .exclusive, 2)
        #expect(script.acquire(3, .exclusive, 3) == [.connect(3, .shared)])
        script.connected(3)
        #expect(script.answered(3, false) == [], "three connections are allowed")
    }
}
