import LockCore
import Testing

@Suite("Cancelling in the lock table")
struct LockTableCancelTests {
    @Test("a lock that the server grants after its request was cancelled is released")
    func whileTrying() {
        var script = TableScript()
        _ = script.request(1)
        #expect(script.cancel(1) == [])
        #expect(script.granted() == [.unlock(1, .exclusive, on: 1)])
        #expect(script.unlocked() == [])
        #expect(script.table.isEmpty)
    }

    @Test("a cancelled request leaves nothing behind when the server refuses")
    func whileTryingInVain() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.cancel(1)
        #expect(script.notGranted() == [])
        #expect(script.table.isEmpty)
    }

    @Test("the wait at the server ends only when no request wants the key any more")
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

    @Test("a lock that is granted while its wait is being ended is released")
    func grantedWhileEnding() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.notGranted()
        _ = script.cancel(1)
        #expect(script.granted() == [.unlock(1, .exclusive, on: 1)])
    }

    @Test("a request that comes while the wait is being ended gets the lock if it is granted yet")
    func comesWhileEnding() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.notGranted()
        _ = script.cancel(1)
        #expect(script.request(2) == [])
        #expect(script.granted() == [.grant(2)])
    }

    @Test("a request that comes while the wait is being ended is asked for anew if the wait brings no grant")
    func comesWhileEndingInVain() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.notGranted()
        _ = script.cancel(1)
        _ = script.request(2, .shared)
        #expect(script.notGranted() == [.tryLock(1, .shared)])
    }

    @Test("a wait ends when the front of the queue needs another mode")
    func otherMode() {
        var script = TableScript()
        _ = script.request(1, .exclusive)
        _ = script.request(2, .shared)
        _ = script.notGranted()
        #expect(script.cancel(1) == [.endWait(1)])
        #expect(script.granted() == [.unlock(1, .exclusive, on: 1)])
        #expect(script.unlocked() == [.tryLock(1, .shared)])
    }

    @Test("a cancellation has no effect on a held lock")
    func whileHeld() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.granted()
        #expect(script.cancel(1) == [])
        #expect(script.release(1) == [.unlock(1, .exclusive, on: 1)])
    }

    @Test("of several requests that are cancelled at once, none is granted in between", arguments: [[2, 3], [3, 2]] as [[RequestID]])
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

    @Test("100,000 waiting requests that are cancelled, from the last to the first, leave an empty queue")
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
