import LockCore
import Testing

@Suite("Cancelling in the lock table")
struct LockTableCancelTests {
    @Test("gives back what the server grants to nobody")
    func whileTrying() {
        var script = TableScript()
        _ = script.request(1)
        #expect(script.cancel(1) == [])
        #expect(script.granted() == [.unlock(1, .exclusive, on: 1)])
        #expect(script.unlocked() == [])
        #expect(script.table.isEmpty)
    }

    @Test("leaves nothing behind when the server refuses")
    func whileTryingInVain() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.cancel(1)
        #expect(script.notGranted() == [])
        #expect(script.table.isEmpty)
    }

    @Test("ends the server's wait only when nobody wants the key any more")
    func whileWaiting() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.request(2)
        _ = script.notGranted()
        #expect(script.cancel(1) == [])
        #expect(script.cancel(2) == [.endWait(1)])
        #expect(script.cancel(2) == [])
        #expect(script.notGranted() == [])
        #expect(script.table.isEmpty)
    }

    @Test("gives back what was granted while the wait was being ended")
    func grantedWhileEnding() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.notGranted()
        _ = script.cancel(1)
        #expect(script.granted() == [.unlock(1, .exclusive, on: 1)])
    }

    @Test("lets whoever comes while the wait is being ended have what it yet brings")
    func comesWhileEnding() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.notGranted()
        _ = script.cancel(1)
        #expect(script.request(2) == [])
        #expect(script.granted() == [.grant(2)])
    }

    @Test("asks anew for whoever comes while the wait is being ended in vain")
    func comesWhileEndingInVain() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.notGranted()
        _ = script.cancel(1)
        _ = script.request(2, .shared)
        #expect(script.notGranted() == [.tryLock(1, .shared)])
    }

    @Test("ends a wait when the front needs another mode")
    func otherMode() {
        var script = TableScript()
        _ = script.request(1, .exclusive)
        _ = script.request(2, .shared)
        _ = script.notGranted()
        #expect(script.cancel(1) == [.endWait(1)])
        #expect(script.granted() == [.unlock(1, .exclusive, on: 1)])
        #expect(script.unlocked() == [.tryLock(1, .shared)])
    }

    @Test("has no effect on what is held")
    func whileHeld() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.granted()
        #expect(script.cancel(1) == [])
        #expect(script.release(1) == [.unlock(1, .exclusive, on: 1)])
    }

    @Test("several at once never serves one of them in between", arguments: [[2, 3], [3, 2]] as [[RequestID]])
    func severalAtOnce(ids: [RequestID]) {
        var script = TableScript()
        _ = script.request(1, .shared)
        _ = script.granted()
        _ = script.request(2, .exclusive)
        _ = script.request(3, .shared)
        #expect(script.cancel(ids[0], ids[1]) == [])
        #expect(script.release(1) == [.unlock(1, .shared, on: 1)])
        _ = script.unlocked()
        #expect(script.table.isEmpty)
    }

    @Test("100,000 waiters, from the last to the first, leaves the queue as short as it was")
    func many() {
        var script = TableScript()
        _ = script.request(0)
        _ = script.granted()
        let ids = (1...100_000).map { RequestID($0) }
        for id in ids { _ = script.request(id) }
        // Quadratic work would take hours here, so that no clock is needed to notice it.
        for id in ids.reversed() { _ = script.cancel(id) }
        #expect(script.table.queued.isEmpty)
        #expect(script.release(0) == [.unlock(1, .exclusive, on: 1)])
    }
}
