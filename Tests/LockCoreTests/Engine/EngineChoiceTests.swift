import LockCore
import Testing

@Suite("Requests for any one of several keys")
struct EngineChoiceTests {
    /// The shared session, which is connection 1, is open, and holds the key 9 for request 9.
    private func connected(_ configure: (inout Engine.Configuration) -> Void = { _ in }) -> EngineScript {
        var script = EngineScript(configure)
        script.acquire(9, .exclusive, 9)
        script.connected(1)
        script.answered(1, true)
        return script
    }

    private func sorted(_ tries: [LockTable.ChoiceTry]) -> [[AdvisoryKey]] { tries.map { $0.keys.sorted() } }

    @Test("one statement asks for all the keys, and takes one")
    func statement() {
        var script = connected()
        let tries = script.acquireAny(1, of: 1, 2, 3).choiceTries
        #expect(sorted(tries) == [[1, 2, 3]])
        #expect(tries.map(\.count) == [1])
        #expect(script.took(1, 2) == [.choose(1, 2), .resolve(1, .granted)])
        #expect(script.heldKeys.sorted() == [2, 9])
        #expect(script.release(1) == [.submit(1, .unlock(2))])
        #expect(script.answered(1, true) == [.resolve(1, .released)])
    }

    @Test("a key that is named twice is asked for once")
    func duplicates() {
        var script = connected()
        #expect(sorted(script.acquireAny(1, of: 2, 1, 2).choiceTries) == [[1, 2]])
    }

    @Test("keys that the process holds, asks for or gives back are left out")
    func leftOut() {
        var script = connected()
        script.acquire(1, .exclusive, 1)
        script.acquire(2, .exclusive, 2)
        #expect(script.acquireAny(3, of: 1, 2, 9).choiceTries == [])
        #expect(script.answered(1, true) == [.resolve(1, .granted), .submit(1, .tryLock(2))])
        script.answered(1, false)
        #expect(script.release(9) == [.choose(3, 9), .resolve(3, .granted), .resolve(9, .released)])
    }

    @Test("a key that a transaction of the process shares is asked for by requests to share it, and only by these")
    func sharedByTransaction() {
        var script = connected()
        #expect(script.acquire(1, .shared, 4, scope: .transaction) == [.resolve(1, .granted)])
        #expect(script.acquireAny(2, of: 4, noWait: true) == [.resolve(2, .refused)])
        #expect(sorted(script.acquireAny(3, of: 4, mode: .shared, noWait: true).choiceTries) == [[4]])
        #expect(script.took(1) == [.resolve(3, .refused)])
        #expect(sorted(script.acquireAny(4, of: 4, mode: .shared).choiceTries) == [[4]])
        #expect(script.took(1, 4) == [.choose(4, 4), .resolve(4, .granted)])
        #expect(script.release(1) == [.resolve(1, .released)])
        #expect(script.release(4) == [.submit(1, .unlock(4, mode: .shared))])
        #expect(script.answered(1, true) == [.resolve(4, .released)])
    }

    @Test("several requests for the same keys share a statement, which takes a key for each")
    func shared() {
        var script = connected()
        script.acquire(8, .exclusive, 8)
        script.acquireAny(1, of: 1, 2, 3)
        script.acquireAny(2, of: 3, 2, 1)
        let tries = script.answered(1, true).choiceTries
        #expect(sorted(tries) == [[1, 2, 3]])
        #expect(tries.map(\.count) == [2])
        let actions = script.took(1, 1, 3)
        #expect(actions.contains(.resolve(1, .granted)) && actions.contains(.resolve(2, .granted)))
    }

    @Test("what is taken for a request that was cancelled meanwhile is released")
    func cancelled() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        #expect(script.cancel(1) == [.resolve(1, .ended(.cancelled))])
        #expect(script.took(1, 1) == [.submit(1, .unlock(1))])
        script.answered(1, true)
        script.release(9)
        script.answered(1, true)
        #expect(script.isQuiet)
    }

    @Test("what is taken for a request that was cancelled meanwhile goes to another one that wants it")
    func passedOn() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        script.acquireAny(2, of: 2, 3)
        script.cancel(1)
        #expect(script.took(1, 2).contains(.resolve(2, .granted)))
    }

    @Test("a request that has got a key in memory gets no second one from the server")
    func neverTwo() {
        var script = connected()
        script.acquireAny(1, of: 1, 9)
        #expect(script.release(9) == [.choose(1, 9), .resolve(1, .granted), .resolve(9, .released)])
        #expect(script.took(1, 1) == [.submit(1, .unlock(1))])
    }

    @Test("a request for one of the keys alone waits for the answer, and gets what is left")
    func singleBehind() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        #expect(script.acquire(2, .exclusive, 1) == [])
        #expect(script.took(1, 2) == [.choose(1, 2), .resolve(1, .granted), .submit(1, .tryLock(1))])
    }

    @Test("a request for one of the keys alone does not get what was taken for a request for any of them")
    func singleBehindGrant() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        script.acquire(2, .exclusive, 1)
        #expect(script.took(1, 1) == [.choose(1, 1), .resolve(1, .granted)])
        #expect(script.release(1) == [.resolve(2, .granted), .resolve(1, .released)])
    }

    @Test("a released lock goes to a request for that key alone first")
    func singleFirst() {
        var script = connected()
        script.acquireAny(1, of: 9)
        script.acquire(2, .exclusive, 9)
        #expect(script.release(9) == [.resolve(2, .granted), .resolve(9, .released)])
        #expect(script.release(2) == [.choose(1, 9), .resolve(1, .granted), .resolve(2, .released)])
    }

    @Test("beyond the handoff limit the lock goes back to the server, and is asked for behind the unlock")
    func handoffLimit() {
        var script = connected { $0.handoff = HandoffLimit(count: 0, duration: .zero) }
        script.acquireAny(1, of: 9)
        #expect(script.release(9) == [.submit(1, .unlock(9))])
        #expect(sorted(script.answered(1, true).choiceTries) == [[9]])
    }

    @Test("shared requests join a shared lock of the process")
    func joined() {
        var script = EngineScript()
        script.acquire(1, .shared)
        script.connected(1)
        script.answered(1, true)
        #expect(script.acquireAny(2, of: 1, 2, mode: .shared) == [.choose(2, 1), .resolve(2, .granted)])
        #expect(sorted(script.acquireAny(3, of: 1, 2).choiceTries) == [[2]])
    }

    // MARK: While none is free

    @Test("while none is free, all are tried again at growing intervals")
    func polled() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        #expect(script.took(1) == [])
        for _ in 1...3 {
            let before = script.now
            #expect(sorted(script.passToNextWake().choiceTries) == [[1, 2]])
            #expect(before.duration(to: script.now) <= .milliseconds(80))
            #expect(script.took(1) == [])
        }
        script.passToNextWake()
        #expect(script.took(1, 1).contains(.resolve(1, .granted)))
    }

    @Test("the pauses of a request with a pause of its own do not grow")
    func hurried() {
        var script = connected()
        script.acquireAny(1, of: 1, 2, pollPause: .milliseconds(5))
        for _ in 1...20 {
            script.took(1)
            let before = script.now
            while script.passToNextWake().choiceTries.isEmpty {}
            #expect(before.duration(to: script.now) <= .milliseconds(5))
        }
    }

    @Test("requests that came first get the keys that become free")
    func order() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        script.took(1)
        script.acquireAny(2, of: 1, 2)
        #expect(script.took(1, 2) == [.choose(1, 2), .resolve(1, .granted)])
    }

    // MARK: Without waiting

    @Test("a request that does not wait is refused once the server has refused all its keys")
    func refused() {
        var script = connected()
        script.acquireAny(1, of: 1, 2, noWait: true)
        #expect(script.took(1) == [.resolve(1, .refused)])
        #expect(script.acquireAny(2, of: 9, noWait: true) == [.resolve(2, .refused)])
    }

    @Test("a request that does not wait waits for the answer about a key that is being tried")
    func refusedLate() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        #expect(script.acquireAny(2, of: 1, 2, noWait: true) == [])
        let actions = script.took(1, 2)
        #expect(actions.choiceTries.isEmpty || sorted(actions.choiceTries) == [[1]])
        #expect(!script.took(1, 1).contains(.resolve(2, .refused)))
    }

    // MARK: Deadlines

    @Test("a lock is called taken at the deadline only if the server has refused each key")
    func timedOut() {
        var script = connected()
        script.acquireAny(1, of: 1, 2, within: .seconds(1))
        script.took(1)
        #expect(script.pass(.seconds(1)).contains(.resolve(1, .ended(.timedOut(nil)))))
        script.took(1)
        script.acquireAny(2, of: 1, 2, within: .seconds(1))
        #expect(script.pass(.seconds(1)).contains(.resolve(2, .ended(.timedOut(.unanswered)))))
    }

    // MARK: Errors and losses

    @Test("after an error the session releases what it holds of the keys, and the request fails behind that")
    func failed() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        let actions = script.took(1, failure: .full)
        guard case .submit(1, .releaseHeld(let keys, .exclusive, count: 1, because: .full)) = actions.first else {
            Issue.record("\(actions)")
            return
        }
        #expect(keys.sorted() == [1, 2])
        #expect(script.on { $0.answered(1, .done, now: $1) } == [.resolve(1, .failed(.full))])
    }

    @Test("a key that was taken before an error is given out")
    func takenBeforeError() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        let actions = script.took(1, 1, failure: .full)
        #expect(actions.contains(.choose(1, 1)))
        #expect(actions.contains(.resolve(1, .granted)))
    }

    @Test("a statement that was cancelled from outside is sent again")
    func struck() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        script.took(1, failure: .cancelledByServer)
        #expect(sorted(script.on { $0.answered(1, .done, now: $1) }.choiceTries) == [[1, 2]])
    }

    @Test("if it can't be found out what is held, the session is given up")
    func doubtful() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        script.took(1, failure: .cancelledByServer)
        #expect(script.on { $0.answered(1, .failed(.full), now: $1) }.contains(.close(1)))
    }

    @Test("keys whose try was lost with its session are tried again on another one")
    func lost() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        script.lost(1)
        var id: ConnectionID?
        for _ in 0..<10 where id == nil { id = script.passToNextWake().connecting }
        #expect(sorted(script.connected(id ?? 0).choiceTries) == [[1, 2]])
    }

    @Test("an answer that names more keys than were asked for ends the session")
    func unexpected() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        #expect(script.took(1, 1, 2).contains(.close(1)))
    }

    @Test("a request fails if no shared session can be opened")
    func notOpened() {
        var script = EngineScript()
        script.acquireAny(1, of: 1, 2)
        #expect(script.connectFailed(1, .wrongPassword).failures == [1: .authentication])
    }

    // MARK: Room

    @Test("a request counts as one key, however many it is for")
    func countsOne() {
        var script = EngineScript { $0.capacity = .keys(2) }
        script.acquire(9, .exclusive, 9)
        script.connected(1)
        script.answered(1, true)
        #expect(script.acquireAny(1, of: 1, 2, 3, 4).choiceTries.count == 1)
        script.took(1, 3)
        #expect(script.acquireAny(2, of: 1, 2, 4).failures == [2: .capacity])
    }

    @Test("a request that was tried before goes on waiting where there is no room")
    func noRoom() {
        var script = EngineScript { $0.capacity = .keys(2) }
        script.acquire(9, .exclusive, 9)
        script.connected(1)
        script.answered(1, true)
        script.acquireAny(1, of: 1, 2)
        script.took(1)
        script.acquire(3, .exclusive, 3)
        script.answered(1, true)
        #expect(script.passToNextWake() == [])
        script.release(3)
        script.answered(1, true)
        var tries: [LockTable.ChoiceTry] = []
        for _ in 0..<5 where tries.isEmpty { tries = script.passToNextWake().choiceTries }
        #expect(sorted(tries) == [[1, 2]])
    }

    @Test("after a shutdown nothing is left of a request that was under way")
    func shutDown() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        #expect(script.on { $0.shutdown(now: $1) }.failures == [1: .shutDown])
        #expect(script.took(1, 1) == [.submit(1, .unlock(1))])
        script.answered(1, true)
        script.release(9)
        #expect(script.answered(1, true).contains(.terminated))
    }
}
