import LockCore
import Testing

@Suite("Shared holders that come late, in the lock table")
struct LockTableJoiningTests {
    /// Request 1 holds the key 1, shared, on session 1, and the time for joining it is over.
    private static func script() -> TableScript {
        var script = TableScript(limit: HandoffLimit(count: 0, duration: .milliseconds(50)))
        _ = script.request(1, .shared)
        _ = script.granted()
        script.pass(.milliseconds(51))
        return script
    }

    @Test("shared holders join without the server for a limited time, and do not count as handoffs")
    func inTime() {
        var script = TableScript(limit: HandoffLimit(count: 0, duration: .milliseconds(50)))
        _ = script.request(1, .shared)
        _ = script.granted()
        #expect(script.request(2, .shared) == [.grant(2)])
        script.pass(.milliseconds(51))
        #expect(script.request(3, .shared) == [.waitToJoin(1)])
    }

    @Test("after that time, requests join once the server grants another session the lock, and the time begins anew")
    func late() {
        var script = Self.script()
        #expect(script.request(2, .shared) == [.waitToJoin(1)])
        #expect(script.request(3, .shared) == [])
        #expect(script.granted(on: 2) == [.giveBack(1, .shared, on: 2), .grant(2), .grant(3)])
        #expect(script.unlocked(on: 2) == [])
        script.pass(.milliseconds(50))
        #expect(script.request(4, .shared) == [.grant(4)])
        script.pass(.milliseconds(1))
        #expect(script.request(5, .shared) == [.waitToJoin(1)])
    }

    @Test("requests that do not wait join at once, and the server is asked, until its answer takes too long")
    func tries() {
        var script = Self.script()
        #expect(script.request(2, .shared, noWait: true) == [.grant(2), .waitToJoin(1)])
        script.pass(.milliseconds(50))
        #expect(script.request(3, .shared, noWait: true) == [.grant(3)])
        #expect(script.request(4, .shared) == [])
        #expect(script.request(5, .shared, noWait: true) == [.grant(5)])
        script.pass(.milliseconds(1))
        #expect(script.request(6, .shared, noWait: true) == [.refuse(6)])
        #expect(script.granted(on: 2) == [.giveBack(1, .shared, on: 2), .grant(4)])
        #expect(script.request(7, .shared, noWait: true) == [.grant(7)])
    }

    @Test("a request that does not wait does not pass one that wants the key alone")
    func tryBehindExclusive() {
        var script = Self.script()
        #expect(script.request(2, .exclusive) == [])
        #expect(script.request(3, .shared, noWait: true) == [.refuse(3)])
        #expect(script.request(4, .shared) == [])
    }

    @Test("the question ends with the requests that wait for its answer")
    func cancelled() {
        var script = Self.script()
        #expect(script.request(2, .shared) == [.waitToJoin(1)])
        #expect(script.cancel(2) == [.endWait(1)])
        // Asked again only once that has ended.
        #expect(script.request(3, .shared) == [])
        #expect(script.notGranted() == [.waitToJoin(1)])
        #expect(script.granted(on: 2) == [.giveBack(1, .shared, on: 2), .grant(3)])
    }

    @Test("a question for those that have joined goes on while they hold the lock")
    func afterTry() {
        var script = Self.script()
        #expect(script.request(2, .shared, noWait: true) == [.grant(2), .waitToJoin(1)])
        #expect(script.release(1) == [.released(1)])
        #expect(script.release(2) == [.unlock(1, .shared, on: 1), .endWait(1)])
        #expect(script.unlocked() == [.released(2)])
        #expect(script.notGranted() == [])
        #expect(script.table.isEmpty)
    }

    @Test("when the last holder releases, the requests go on waiting in the server's queue")
    func succession() {
        var script = Self.script()
        _ = script.request(2, .shared)
        #expect(script.release(1) == [.unlock(1, .shared, on: 1)])
        #expect(script.unlocked() == [.released(1), .waitLock(1, .shared)])
        #expect(script.granted(on: 2) == [.grant(2)])
        #expect(script.release(2) == [.unlock(1, .shared, on: 2)])
    }

    @Test("what is granted while the former lock is being released is kept")
    func grantedMeanwhile() {
        var script = Self.script()
        _ = script.request(2, .shared)
        _ = script.release(1)
        #expect(script.granted(on: 2) == [])
        #expect(script.unlocked() == [.released(1), .grant(2)])
        #expect(script.release(2) == [.unlock(1, .shared, on: 2)])
    }

    @Test("what is granted meanwhile and lost with its session is asked for again")
    func grantedAndLost() {
        var script = Self.script()
        _ = script.request(2, .shared)
        _ = script.release(1)
        _ = script.granted(on: 2)
        #expect(script.lost(2) == [])
        #expect(script.unlocked() == [.released(1), .tryLock(1, .shared)])
    }

    @Test("when the session that holds the lock is lost, the requests go on waiting")
    func lost() {
        var script = Self.script()
        _ = script.request(2, .shared)
        #expect(script.lost() == [.lose([1], .lost), .waitLock(1, .shared)])
        #expect(script.granted(on: 2) == [.grant(2)])
    }

    @Test("a question that can't be answered fails those that wait for it, and no holder")
    func failed() {
        var script = Self.script()
        _ = script.request(2, .shared)
        #expect(script.failed(1, .full) == [.fail(2, .full)])
        #expect(script.request(3, .shared) == [.waitToJoin(1)])
        #expect(script.waitCancelled() == [.waitToJoin(1)])
        #expect(script.release(1) == [.unlock(1, .shared, on: 1)])
    }

    @Test("a request that does not wait makes the question end, since a wait would say nothing to it")
    func tryAtSuccession() {
        var script = Self.script()
        _ = script.request(2, .shared)
        _ = script.release(1)
        #expect(script.request(3, .shared, noWait: true) == [])
        #expect(script.unlocked() == [.released(1), .endWait(1)])
        #expect(script.notGranted() == [.tryLock(1, .shared)])
        #expect(script.granted() == [.grant(2), .grant(3)])
    }

    @Test("a question is ended when the mode of the lock has changed")
    func changed() {
        var script = Self.script()
        script.table.change(9, of: 1, to: .exclusive, now: script.now)
        _ = script.table.takeActions()
        #expect(script.request(2, .shared) == [])
        script.table.modeChanged(1, true, now: script.now)
        #expect(script.table.takeActions() == [.changed(9, true)])
    }

    @Test("requests for any of several keys join, too")
    func anyOfSeveral() {
        var script = Self.script()
        script.table.requestAny(2, LockTable.Choice([1, 2], .shared, noWait: true), now: script.now)
        #expect(script.table.takeActions() == [.choose(2, 1), .grant(2), .waitToJoin(1)])
    }
}
