import LockCore
import Testing

@Suite("Requests that do not wait, in the lock table")
struct LockTableTryTests {
    @Test("requests that do not wait get the lock when it is free", arguments: Mode.allCases)
    func free(mode: Mode) {
        var script = TableScript()
        #expect(script.request(1, mode, noWait: true) == [.tryLock(1, mode)])
        #expect(script.granted() == [.grant(1)])
    }

    @Test("requests that do not wait are refused when the server refuses", arguments: Mode.allCases)
    func refused(mode: Mode) {
        var script = TableScript()
        _ = script.request(1, mode, noWait: true)
        #expect(script.notGranted() == [.refuse(1)])
        #expect(script.table.isEmpty)
    }

    @Test("requests that do not wait are refused together, while a waiting request goes on waiting")
    func refusedAmongWaits() {
        var script = TableScript()
        _ = script.request(1, .shared)
        _ = script.request(2, .shared, noWait: true)
        _ = script.request(3, .shared, noWait: true)
        #expect(script.notGranted() == [.refuse(2), .refuse(3), .waitLock(1, .shared)])
    }

    @Test("a request that does not wait never queues behind a conflicting one", arguments: Mode.allCases)
    func conflicting(mode: Mode) {
        var script = TableScript()
        _ = script.request(1, .exclusive)
        #expect(script.request(2, mode, noWait: true) == [.refuse(2)])
        _ = script.granted()
        #expect(script.request(3, mode, noWait: true) == [.refuse(3)])
        _ = script.request(4, .shared)
        #expect(script.request(5, mode, noWait: true) == [.refuse(5)])
    }

    @Test("a request that does not wait joins shared holders, unless an exclusive request waits")
    func joining() {
        var script = TableScript()
        _ = script.request(1, .shared)
        _ = script.granted()
        #expect(script.request(2, .shared, noWait: true) == [.grant(2)])
        #expect(script.request(3, .exclusive, noWait: true) == [.refuse(3)])
        _ = script.request(4, .exclusive)
        #expect(script.request(5, .shared, noWait: true) == [.refuse(5)])
    }

    @Test("requests that do not wait are refused while the process waits for the lock at the server")
    func whileWaiting() {
        var script = TableScript()
        _ = script.request(1, .shared)
        _ = script.notGranted()
        #expect(script.request(2, .shared, noWait: true) == [.refuse(2)])
    }

    @Test(
        "a request that does not wait is kept until an unwanted wait has ended, since the lock may be free by now",
        arguments: Mode.allCases
    )
    func whileEnding(mode: Mode) {
        var script = TableScript()
        _ = script.request(1)
        _ = script.notGranted()
        #expect(script.cancel(1) == [.endWait(1)])
        #expect(script.request(2, mode, noWait: true) == [])
        #expect(script.notGranted() == [.tryLock(1, mode)])
        #expect(script.granted() == [.grant(2)])
    }

    @Test("a request that does not wait gets the lock if an unwanted wait was granted after all")
    func grantedWhileEnding() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.notGranted()
        _ = script.cancel(1)
        _ = script.request(2, noWait: true)
        #expect(script.granted() == [.grant(2)])
    }

    @Test("a request that does not wait is kept until an unlock has ended, since the lock is about to be free")
    func whileUnlocking() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.granted()
        _ = script.release(1)
        #expect(script.request(2, noWait: true) == [])
        #expect(script.unlocked() == [.released(1), .tryLock(1, .exclusive)])
        #expect(script.granted() == [.grant(2)])
    }

    @Test("requests that do not wait are asked anew when the connection was lost before the answer")
    func waitCancelled() {
        var script = TableScript()
        _ = script.request(1, noWait: true)
        #expect(script.waitCancelled() == [.tryLock(1, .exclusive)])
    }
}
