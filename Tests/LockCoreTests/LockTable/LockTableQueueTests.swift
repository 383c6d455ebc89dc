import LockCore
import Testing

@Suite("The lock table's queue")
struct LockTableQueueTests {
    @Test("the server is asked once for a key, however many requests want it")
    func oneServerRequest() {
        var script = TableScript()
        #expect(script.request(1) == [.tryLock(1, .exclusive)])
        #expect(script.request(2) == [])
        #expect(script.request(3, .shared) == [])
        #expect(script.request(4, .exclusive, 2) == [.tryLock(2, .exclusive)])
        #expect(script.notGranted() == [.waitLock(1, .exclusive)])
        #expect(script.request(5) == [])
    }

    @Test("requests for a key are granted in order of arrival")
    func inOrder() {
        var script = TableScript()
        for id: RequestID in [1, 2, 3] { _ = script.request(id) }
        #expect(script.granted() == [.grant(1)])
        #expect(script.release(1) == [.grant(2), .released(1)])
        #expect(script.release(2) == [.grant(3), .released(2)])
        #expect(script.release(3) == [.unlock(1, .exclusive, on: 1)])
        #expect(script.unlocked() == [.released(3)])
        #expect(script.table.isEmpty)
    }

    @Test("a request with a place stands in front of those with later places, and behind all others", arguments: [false, true])
    func places(isWaitedFor: Bool) {
        var script = TableScript()
        let first = QueuePlace.first
        let (second, third) = (first.next, first.next.next)
        _ = script.request(1)
        // The server waits for the key, and not for one of the requests.
        if isWaitedFor { #expect(script.notGranted() == [.waitLock(1, .exclusive)]) }
        #expect(script.request(2, at: third) == [])
        #expect(script.request(3, at: second) == [])
        #expect(script.request(4) == [])
        #expect(script.request(5, at: first) == [], "Behind one without a place.")
        #expect(script.request(6, at: third) == [])
        #expect(script.request(7, at: second) == [])
        var granted: [LockTable.Action] = script.granted()
        for id: RequestID in [1, 3, 2, 4, 5, 7] { granted += script.release(id) }
        #expect(granted.filter { if case .grant = $0 { true } else { false } } == [1, 3, 2, 4, 5, 7, 6].map { .grant($0) })
        #expect(script.release(6) == [.unlock(1, .exclusive, on: 1)])
        #expect(script.unlocked() == [.released(6)])
        #expect(script.table.isEmpty)
    }

    @Test("a request that comes to stand in front is what the server is asked for")
    func placeInFront() {
        var script = TableScript()
        #expect(script.request(1, .shared, at: .first.next) == [.tryLock(1, .shared)])
        #expect(script.notGranted() == [.waitLock(1, .shared)])
        #expect(script.request(2, .exclusive, at: .first) == [.endWait(1)])
        #expect(script.waitCancelled() == [.tryLock(1, .exclusive)])
    }

    @Test("adjacent shared requests are granted together")
    func sharedTogether() {
        var script = TableScript()
        #expect(script.request(1, .shared) == [.tryLock(1, .shared)])
        _ = script.request(2, .shared)
        #expect(script.granted() == [.grant(1), .grant(2)])
        #expect(script.request(3, .shared) == [.grant(3)])
        #expect(script.release(1) == [.released(1)])
        #expect(script.release(3) == [.released(3)])
        #expect(script.release(2) == [.unlock(1, .shared, on: 1)])
    }

    @Test("a shared request waits behind a waiting exclusive one")
    func sharedBehindExclusive() {
        var script = TableScript()
        _ = script.request(1, .shared)
        _ = script.granted()
        #expect(script.request(2, .exclusive) == [])
        #expect(script.request(3, .shared) == [])
        #expect(script.release(1) == [.unlock(1, .shared, on: 1)])
        #expect(script.unlocked() == [.released(1), .tryLock(1, .exclusive)])
        #expect(script.granted(on: 2) == [.grant(2)])
        #expect(script.release(2) == [.unlock(1, .exclusive, on: 2)])
        #expect(script.unlocked(on: 2) == [.released(2), .tryLock(1, .shared)])
        #expect(script.granted() == [.grant(3)])
    }

    @Test("shared requests are granted when the exclusive one between them is cancelled")
    func exclusiveGoesAway() {
        var script = TableScript()
        _ = script.request(1, .shared)
        _ = script.granted()
        _ = script.request(2, .exclusive)
        _ = script.request(3, .shared)
        #expect(script.cancel(2) == [.grant(3)])
    }

    @Test("a shared request joins the shared lock that encloses it, past a waiting exclusive one")
    func enclosing() {
        var script = TableScript(limit: HandoffLimit(count: 0, duration: .zero))
        _ = script.request(1, .shared)
        _ = script.granted()
        _ = script.request(2, .exclusive)
        script.pass(.seconds(1))
        #expect(script.request(3, .shared, enclosing: 1) == [.grant(3)])
        #expect(script.release(1) == [.released(1)])
        #expect(script.release(3) == [.unlock(1, .shared, on: 1)])
    }

    @Test("a request that is enclosed by no such lock is queued", arguments: [Mode.shared, .exclusive])
    func notEnclosing(mode: Mode) {
        var script = TableScript()
        _ = script.request(1, .shared)
        _ = script.granted()
        _ = script.request(2, .exclusive)
        // Another key, another mode, not granted, unknown.
        #expect(script.request(3, mode, 2, enclosing: 1) == [.tryLock(2, mode)])
        #expect(script.request(4, .exclusive, enclosing: 1) == [])
        #expect(script.request(5, mode, enclosing: 2) == [])
        #expect(script.request(6, mode, enclosing: 99) == [])
    }

    @Test("the release of a lost holder fails")
    func loss() {
        var script = TableScript()
        _ = script.request(1, .shared)
        _ = script.request(2, .shared)
        _ = script.granted(on: 7)
        _ = script.request(3, .exclusive)
        #expect(script.lost(8) == [])
        #expect(script.lost(7) == [.lose([1, 2], .lost), .tryLock(1, .exclusive)])
        #expect(script.release(1) == [.releaseFailed(1, Failure(.notHeld, .notHeld))])
        #expect(script.granted() == [.grant(3)])
    }

    @Test("the loss of a session ends the releases on it, and waiting requests are asked for again")
    func lossWhileReleasing() {
        var script = TableScript(limit: HandoffLimit(count: 0, duration: .zero))
        _ = script.request(1)
        _ = script.granted()
        _ = script.request(2)
        #expect(script.release(1) == [.unlock(1, .exclusive, on: 1)])
        #expect(script.lost() == [.releaseFailed(1, .lost), .tryLock(1, .exclusive)])
    }

    @Test("requests for a key that the server can't be asked for fail")
    func failure() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.request(2, .shared)
        #expect(script.failed(1, .full) == [.fail(1, .full), .fail(2, .full)])
        #expect(script.table.isEmpty)
        #expect(script.failed(1, .full) == [])
    }

    @Test("a key whose session was lost before the answer is asked for anew")
    func cancellation() {
        var script = TableScript()
        _ = script.request(1)
        #expect(script.waitCancelled() == [.tryLock(1, .exclusive)])
        #expect(script.notGranted() == [.waitLock(1, .exclusive)])
        #expect(script.waitCancelled() == [.tryLock(1, .exclusive)])
        #expect(script.granted() == [.grant(1)])
        #expect(script.waitCancelled() == [])
    }

    @Test("equal numbers in the two key spaces are different keys")
    func keySpaces() {
        var script = TableScript()
        #expect(script.request(1, .exclusive, AdvisoryKey(1)) == [.tryLock(AdvisoryKey(1), .exclusive)])
        #expect(script.request(2, .exclusive, AdvisoryKey(0, 1)) == [.tryLock(AdvisoryKey(0, 1), .exclusive)])
    }
}
