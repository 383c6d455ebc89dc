import LockCore
import Testing

@Suite("Sessions that have not come to their end")
struct EngineClosingTests {
    @Test("a closed session keeps its slot in a full pool until it has ended at the server")
    func full() {
        var script = EngineScript.holding(maximumConnections: 2)
        script.endsAtOnce = false
        #expect(script.on { $0.checkOut(2, now: $1) } == [.connect(2, .checkedOut)])
        script.connected(2)
        script.on { $0.checkOut(3, now: $1) }
        #expect(script.on { $0.giveBack(2, isClean: false, now: $1) } == [.close(2)])
        #expect(script.sessionCount == 2)
        #expect(script.on { engine, _ in engine.ended(2) } == [.connect(3, .checkedOut)])
        #expect(script.sessionCount == 2)
        #expect(script.connected(3) == [.resolve(3, .checkedOut(3))])
    }

    @Test("a lost session keeps its slot in a full pool until it has ended at the server")
    func lost() {
        var script = EngineScript.holding(maximumConnections: 2)
        script.endsAtOnce = false
        script.on { $0.checkOut(2, now: $1) }
        script.connected(2)
        #expect(script.lost(1).contains(.close(1)))
        // The lock that was held on it is asked for anew, and others need the one that is left.
        script.acquire(3)
        #expect(script.pass(.seconds(1)) == [])
        #expect(script.on { engine, _ in engine.ended(1) } == [.connect(3, .shared)])
    }

    @Test("where the pool has room, the next connection is opened at once")
    func room() {
        var script = EngineScript.holding(maximumConnections: 3)
        script.endsAtOnce = false
        script.on { $0.checkOut(2, now: $1) }
        script.connected(2)
        script.on { $0.checkOut(3, now: $1) }
        #expect(script.on { $0.giveBack(2, isClean: false, now: $1) } == [.close(2), .connect(3, .checkedOut)])
    }

    @Test("a connection that is not wanted any more before there was room is not opened")
    func unwanted() {
        var script = EngineScript.holding(maximumConnections: 2)
        script.endsAtOnce = false
        script.on { $0.checkOut(2, now: $1) }
        script.connected(2)
        script.on { $0.checkOut(3, now: $1) }
        script.on { $0.giveBack(2, isClean: false, now: $1) }
        script.on { $0.shutdown(now: $1) }
        #expect(script.sessionCount == 2)
        #expect(script.on { engine, _ in engine.ended(2) } == [])
        #expect(script.sessionCount == 1)
    }
}
