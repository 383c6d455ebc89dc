import LockCore
import Testing

@Suite("Changing the mode of a held lock")
struct EngineModeTests {
    private static let refused: [Bool] = []

    @Test("a downgrade is one statement, and lets shared requests of the process in", arguments: [0, 16])
    func downgrade(handoff: Int) {
        var script = EngineScript {
            $0.handoff = HandoffLimit(count: handoff, duration: .milliseconds(50))
        }
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        // Held for so long that no request could join any more.
        script.pass(.seconds(1))
        script.acquire(2, .shared)
        script.acquire(3, .shared)
        script.acquire(4, .exclusive)
        #expect(script.change(9, of: 1, to: .shared) == [.submit(1, .changeMode(1, to: .shared))])
        #expect(script.acquire(5, .shared) == [], "no request is granted before the server has answered")
        #expect(script.answered(1, true) == [.resolve(9, .changed(true)), .resolve(2, .granted), .resolve(3, .granted)])
        script.release(1)
        script.release(2)
        #expect(script.release(3) == [.submit(1, .unlock(1, mode: .shared))])
    }

    @Test("a downgrade of what is shared, and an upgrade of what is exclusive, have nothing to do")
    func idle() {
        var script = EngineScript.holding(.shared)
        #expect(script.change(9, of: 1, to: .shared) == [.resolve(9, .changed(true))])
        script = .holding()
        #expect(script.change(9, of: 1, to: .exclusive) == [.resolve(9, .changed(true))])
    }

    @Test("an upgrade is tried once, and excludes other holders if it works")
    func upgrade() {
        var script = EngineScript.holding(.shared)
        #expect(script.change(9, of: 1, to: .exclusive) == [.submit(1, .changeMode(1, to: .exclusive))])
        #expect(script.acquire(2, .shared) == [])
        #expect(script.answered(1, rows: Self.refused) == [.resolve(9, .changed(false)), .resolve(2, .granted)])
        script.release(2)
        script.change(10, of: 1, to: .exclusive)
        script.acquire(3, .shared)
        #expect(script.answered(1, true) == [.resolve(10, .changed(true))])
        #expect(script.release(1) == [.submit(1, .unlock(1))])
        #expect(script.answered(1, true).contains(.resolve(1, .released)))
    }

    @Test("an upgrade is refused without a word to the server while the process itself shares the lock")
    func upgradeAmongOurselves() {
        var script = EngineScript.holding(.shared)
        script.acquire(2, .shared)
        #expect(script.change(9, of: 1, to: .exclusive) == [.resolve(9, .changed(false))])
        script.release(2)
        #expect(script.change(10, of: 1, to: .exclusive) == [.submit(1, .changeMode(1, to: .exclusive))])
    }

    @Test("no request joins a lock while it is being upgraded, not even from inside a scope that shares it")
    func joining() {
        var script = EngineScript.holding(.shared)
        script.change(9, of: 1, to: .exclusive)
        #expect(script.on { $0.acquire(2, .init(1, .shared), enclosing: 1, now: $1) } == [])
        #expect(script.answered(1, true) == [.resolve(9, .changed(true))])
    }

    @Test("no cancellation ends a change, and no second one begins before the first has ended")
    func once() {
        var script = EngineScript.holding()
        script.change(9, of: 1, to: .shared)
        #expect(script.cancel(9) == [])
        #expect(script.change(10, of: 1, to: .shared).failures == [10: .notHeld])
        #expect(script.answered(1, true) == [.resolve(9, .changed(true))])
    }

    @Test("a holder that waited for its lock changes the mode on its own connection")
    func onWaitingSession() {
        var script = EngineScript.waiting()
        script.answered(2, true)
        #expect(script.change(9, of: 1, to: .shared) == [.submit(2, .changeMode(1, to: .shared))])
        #expect(script.answered(2, true) == [.resolve(9, .changed(true))])
        #expect(script.release(1) == [.submit(2, .unlock(1, mode: .shared))])
        #expect(script.answered(2, true) == [.resolve(1, .released)])
        #expect(script.isQuiet)
    }

    @Test("a connection that is lost during the change takes the lock with it", arguments: Mode.allCases)
    func lost(mode: Mode) {
        var script = EngineScript.holding(mode)
        script.change(9, of: 1, to: mode == .shared ? .exclusive : .shared)
        #expect(script.lost(1) == [.close(1), .lose([1], .lost), .resolve(9, .failed(.lost))])
        #expect(script.change(10, of: 1, to: .shared).failures == [10: .notHeld])
        #expect(script.isQuiet)
    }

    @Test("a change that fails leaves open what is held, so the session is ended", arguments: Mode.allCases)
    func failed(mode: Mode) {
        var script = EngineScript.holding(mode)
        script.change(9, of: 1, to: mode == .shared ? .exclusive : .shared)
        let actions = script.answered(1, failure: .cancelledByServer)
        #expect(actions == [.close(1), .lose([1], .cancelledByServer), .resolve(9, .failed(.cancelledByServer))])
    }

    @Test("an unlock that does not find the old mode means that other SQL has released it")
    func foreign() {
        var script = EngineScript.holding()
        script.change(9, of: 1, to: .shared)
        #expect(script.answered(1, false).contains(.close(1)))
    }
}
