import LockCore
import Testing

/// Several requests side by side: which of them share a statement, and what the answer to one says about the others.
@Suite("Requests for any one of several keys, several at a time")
struct EngineChoiceRoundTests {
    /// The shared session, which is connection 1, is open, and holds the key 9 for request 9.
    private func connected(_ configure: (inout Engine.Configuration) -> Void = { _ in }) -> EngineScript {
        var script = EngineScript(configure)
        script.acquire(9, .exclusive, 9)
        script.connected(1)
        script.answered(1, true)
        return script
    }

    private func sorted(_ tries: [LockTable.ChoiceTry]) -> [[AdvisoryKey]] { tries.map { $0.keys.sorted() } }

    // MARK: What shares a statement

    @Test("a request that shares a statement with another one needs room of its own")
    func sharedRoom() {
        var script = connected { $0.capacity = .keys(3) }
        script.acquire(8, .exclusive, 8)
        script.acquireAny(1, of: 1, 2)
        script.acquireAny(2, of: 1, 2)
        let actions = script.answered(1, true)
        #expect(actions.choiceTries.map(\.count) == [1])
        #expect(actions.failures == [2: .capacity])
    }

    @Test("requests for the same keys in different modes are tried one after the other, each in its own mode")
    func modes() throws {
        var script = connected()
        script.acquire(8, .exclusive, 8)
        script.acquireAny(1, of: 1, 2)
        script.acquireAny(2, of: 1, 2, mode: .shared)
        let tries = script.answered(1, true).choiceTries
        #expect(tries.map(\.mode) == [.exclusive])
        #expect(tries.map(\.count) == [1])
        let keys = try #require(tries.first).keys
        // The second one was not tried.
        let further = script.took(1, keys[0]).choiceTries
        #expect(further.map(\.mode) == [.shared])
        #expect(further.map(\.keys) == [[keys[1]]])
    }

    // MARK: What an answer says about others

    @Test("the keys behind the last one that was taken were not tried, and are not called taken")
    func notTried() throws {
        var script = connected()
        let tries = script.acquireAny(1, of: 1, 2, 3).choiceTries
        let keys = try #require(tries.first).keys
        #expect(script.acquireAny(2, of: 1, 2, 3, noWait: true) == [])
        let actions = script.took(1, keys[0])
        #expect(actions.contains(.resolve(1, .granted)))
        #expect(!actions.contains(.resolve(2, .refused)))
        #expect(sorted(actions.choiceTries) == [keys.dropFirst().sorted()])
    }

    @Test("keys that could not be had exclusively are tried for a shared request that does not wait")
    func refusedExclusively() {
        var script = connected()
        script.acquireAny(1, of: 1, 2, noWait: true)
        #expect(script.acquireAny(2, of: 1, 2, mode: .shared, noWait: true) == [])
        let actions = script.took(1)
        #expect(actions.contains(.resolve(1, .refused)))
        #expect(!actions.contains(.resolve(2, .refused)))
        #expect(sorted(actions.choiceTries) == [[1, 2]])
        #expect(actions.choiceTries.map(\.mode) == [.shared])
        #expect(script.took(1).contains(.resolve(2, .refused)))
    }

    @Test("an error fails the request that was tried, and not a new one that wants one of its keys")
    func failedAlone() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        script.acquireAny(2, of: 2, 3)
        script.took(1, failure: .full)
        let actions = script.on { $0.answered(1, .done, now: $1) }
        #expect(actions.failures == [1: .lockTableFull])
        #expect(sorted(actions.choiceTries) == [[2, 3]])
    }

    @Test("a lock that is taken shared goes to a request that shares it, not to an older one that wants it exclusively")
    func grantedByMode() {
        var script = connected()
        script.acquireAny(1, of: 1)
        script.took(1)
        script.acquireAny(2, of: 1, mode: .shared)
        #expect(script.took(1, 1) == [.choose(2, 1), .resolve(2, .granted)])
        #expect(script.release(2) == [.submit(1, .unlock(1, mode: .shared))])
        #expect(script.answered(1, true).choiceTries.map(\.mode) == [.exclusive])
    }

    // MARK: When they are tried again

    @Test("after a try that has failed, the next request is polled as any other")
    func polledAfterFailure() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        script.took(1, failure: .full)
        script.on { $0.answered(1, .done, now: $1) }
        #expect(sorted(script.acquireAny(2, of: 1, 2).choiceTries) == [[1, 2]])
        script.took(1)
        #expect(sorted(script.passToNextWake().choiceTries) == [[1, 2]])
    }

    @Test("when the last request is gone, the poll that was planned for it is forgotten")
    func forgottenPoll() {
        var script = connected()
        script.acquireAny(1, of: 1, 2)
        script.took(1)
        script.cancel(1)
        script.pass(.seconds(1))
        let wake = script.wake ?? .distantFuture
        #expect(wake > script.now, "The engine wants to be woken in the past.")
    }

    @Test("requests with a pause of their own that are gone do not slow down the next one")
    func hurriedBefore() {
        var script = connected()
        for number: UInt64 in 101...140 {
            script.acquireAny(RequestID(number), of: 1, 2, pollPause: .milliseconds(5))
            script.took(1)
            script.cancel(RequestID(number))
        }
        script.acquireAny(1, of: 1, 2, pollPause: .milliseconds(5))
        for _ in 1...5 {
            script.took(1)
            let before = script.now
            while script.passToNextWake().choiceTries.isEmpty {}
            #expect(before.duration(to: script.now) <= .milliseconds(5))
        }
    }

    @Test("a key that the process loses with its session is tried at once for the requests that want it")
    func lostKey() {
        var script = EngineScript.waiting()
        script.answered(2, true)
        #expect(script.acquireAny(2, of: 1) == [])
        let actions = script.lost(2)
        #expect(actions.contains(.lose([1], .lost)))
        #expect(sorted(actions.choiceTries) == [[1]])
    }

    // MARK: Room

    /// Connection 1 has not answered for long, and connection 2 was opened for request 10, which wants the key 10.
    private func replaced(capacity: Int, requests: ClosedRange<UInt64>) -> (script: EngineScript, tries: [LockTable.ChoiceTry]) {
        var script = connected { $0.capacity = .keys(capacity) }
        let keys: [AdvisoryKey] = [1, 2, 3, 4, 5, 6]
        let choice = LockTable.Choice(keys, .exclusive)
        let actions = script.on {
            for number in requests { $0.acquireAny(RequestID(number), choice, now: $1) }
        }
        #expect(script.pass(.seconds(3)) == [])
        #expect(script.acquire(10, .exclusive, 10) == [.connect(2, .shared)])
        return (script, actions.choiceTries)
    }

    @Test("what a silent session may take for a request counts, so the session that replaces it takes no more than there is room for")
    func roomBesideSilence() {
        let (silent, tries) = replaced(capacity: 2, requests: 1...1)
        #expect(tries.map(\.count) == [1])
        var script = silent
        let actions = script.connected(2)
        #expect(actions.failures == [10: .capacity])
        #expect(actions.keys == [])
    }

    @Test("the room is looked at also where only what a silent session may take leaves none")
    func lookAtRoomBesideSilence() {
        let (silent, tries) = replaced(capacity: 5, requests: 1...4)
        #expect(tries.map(\.count) == [4])
        var script = silent
        let actions = script.connected(2)
        #expect(actions.failures == [10: .capacity])
        #expect(actions.keys == [])
    }

    @Test("a request that does not wait is not refused by the answer to a question that was asked before it came")
    func askedBefore() {
        var script = connected()
        #expect(sorted(script.acquireAny(1, of: 1, 2, noWait: true).choiceTries) == [[1, 2]])
        #expect(script.acquireAny(2, of: 1, 2, noWait: true) == [])
        let actions = script.took(1)
        #expect(actions.contains(.resolve(1, .refused)))
        #expect(!actions.contains(.resolve(2, .refused)))
        #expect(sorted(actions.choiceTries) == [[1, 2]])
        #expect(script.took(1, 2) == [.choose(2, 2), .resolve(2, .granted)])
    }
}
