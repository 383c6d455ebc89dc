import LockCore
import Testing

@Suite("The engine's growth in a lock table that other clients fill too")
struct EngineGrowthTests {
    /// Of 32 locks managers keep to 16. This one holds 2, as many as it may have without asking.
    private func scriptAtThreshold(_ configure: (inout Engine.Configuration) -> Void = { _ in }) -> EngineScript {
        var script = EngineScript {
            $0.capacity = .fraction(0.5)
            configure(&$0)
        }
        script.acquire(keys: 1...2)
        #expect(script.connected(1, lockTableSize: 32) == [.submit(1, .tryLock(1, 2))])
        #expect(script.answered(1, true, true).keys.isEmpty)
        return script
    }

    /// Holds this many keys, those from 1 on.
    private func script(holding count: Int64) -> EngineScript {
        var script = scriptAtThreshold()
        script.acquire(keys: 3...count)
        for held in 2..<Int(count) {
            if held > 2 { #expect(script.pass(.seconds(1)) == [.submit(1, .countLocks)]) }
            #expect(script.counted(held) == [.submit(1, .tryLock(AdvisoryKey(Int64(held + 1))))])
            script.answered(1, true)
        }
        return script
    }

    @Test("a manager that grows beyond a few keys asks how many locks there are in all, and keeps its tries until that is answered")
    func asks() {
        var script = scriptAtThreshold()
        #expect(script.acquire(keys: 3...5) == [.submit(1, .countLocks)])
        // An eighth of the room at a time.
        #expect(script.counted(2) == [.submit(1, .tryLock(3))])
        #expect(script.answered(1, true) == [.resolve(3, .granted)])
        // Not at once, since the server has to look through all its locks.
        #expect(script.pass(.milliseconds(5)) == [])
        #expect(script.passToNextWake() == [.submit(1, .countLocks)])
        #expect(script.counted(3) == [.submit(1, .tryLock(4))])
    }

    @Test("the step is an eighth of the room, but no more than a manager may have without asking", arguments: [0, 800])
    func step(others: Int) {
        var script = EngineScript { $0.capacity = .fraction(1) }
        script.acquire(keys: 1...500)
        let first = script.connected(1, lockTableSize: 1600)
        #expect(first.keys.count == 100)
        #expect(first.last == .submit(1, .countLocks))
        script.answered(1, rows: Array(repeating: true, count: 100))
        let room = 1600 - 100 - others
        #expect(script.counted(100 + others).keys.count == min(100, room / 8))
    }

    @Test("where other clients have taken the room, a new key is refused until the server says that there is room again")
    func othersTakeTheRoom() throws {
        var script = scriptAtThreshold()
        #expect(script.acquire(3, .exclusive, 3) == [.submit(1, .countLocks)])
        let actions = script.counted(16)
        #expect(actions.failures == [3: .capacity])
        let failure = try #require(actions.compactMap { if case .resolve(_, .failed(let failure)) = $0 { failure } else { nil } }.first)
        guard case .full(let fullness) = failure.cause else { throw Unexpected(failure) }
        #expect(fullness.isAll && fullness.count == 16)
        // It was asked just now.
        #expect(script.acquire(4, .exclusive, 4, noWait: true).failures == [4: .capacity])
        script.release(1)
        script.answered(1, true)
        #expect(script.acquire(5, .exclusive, 1) == [.submit(1, .tryLock(1))])
        script.answered(1, true)
        script.pass(.seconds(1))
        #expect(script.acquire(6, .exclusive, 6) == [.submit(1, .countLocks)])
        #expect(script.counted(3) == [.submit(1, .tryLock(6))])
    }

    @Test("a manager that does not grow does not ask, however many keys it holds and however often it takes and releases one")
    func steady() {
        var script = script(holding: 6)
        for number: UInt64 in 10...100 {
            script.release(number == 10 ? 6 : RequestID(number - 1))
            script.answered(1, true)
            script.pass(.milliseconds(300))
            #expect(script.acquire(RequestID(number), .exclusive, 6) == [.submit(1, .tryLock(6))])
            script.answered(1, true)
        }
    }

    @Test(
        "what was released can be taken again without asking only for a second or two, since other clients may take it",
        arguments: [Duration.milliseconds(100), .milliseconds(1100), .seconds(3)]
    )
    func lapses(pause: Duration) {
        var script = script(holding: 8)
        for id: UInt64 in 3...8 { script.release(RequestID(id)) }
        // The first release goes out by itself, the others together.
        for count in [1, 5] { script.answered(1, rows: Array(repeating: true, count: count)) }
        script.pass(pause)
        let actions = script.acquire(keys: 11...16)
        if pause < .seconds(2) {
            #expect(actions == [.submit(1, .tryLock(11, 12, 13, 14, 15, 16))])
        } else {
            #expect(actions == [.submit(1, .tryLock(11, 12)), .submit(1, .countLocks)])
        }
    }

    @Test("a try that is held back is sent as soon as the manager has released another key")
    func releaseMakesRoom() {
        var script = scriptAtThreshold()
        script.acquire(keys: 3...4)
        #expect(script.counted(15) == [.submit(1, .tryLock(3))])
        script.answered(1, true)
        #expect(script.release(1).last == .submit(1, .tryLock(4)))
    }

    @Test("a call whose deadline comes while its key is held back does not learn that the lock is taken, and the key is not tried any more")
    func deadline() {
        var script = scriptAtThreshold()
        script.acquire(3, .exclusive, 3, within: .milliseconds(1))
        script.acquire(4, .exclusive, 4)
        #expect(script.pass(.milliseconds(1)) == [.resolve(3, .ended(.timedOut(.unanswered)))])
        #expect(script.counted(2) == [.submit(1, .tryLock(4))])
    }

    @Test("keys that other sessions have are polled also while tries are held back")
    func polls() {
        var script = EngineScript(maximumConnections: 2) { $0.capacity = .fraction(0.5) }
        script.acquire(keys: 1...2)
        script.connected(1, lockTableSize: 32)
        script.answered(1, false, false)
        script.acquire(keys: 3...4)
        script.answered(1, true, true)
        #expect(script.acquire(keys: 5...12) == [.submit(1, .countLocks)])
        script.counted(15)
        script.answered(1, true)
        var polled: Set<AdvisoryKey> = []
        for _ in 0..<8 where polled.isEmpty {
            let actions = script.passToNextWake()
            polled = actions.keys.intersection([1, 2])
            if actions.contains(.submit(1, .countLocks)), polled.isEmpty {
                script.counted(15)
                script.answered(1, true)
            }
        }
        #expect(!polled.isEmpty)
    }

    @Test("a manager that is shut down waits for no answer on behalf of tries that are held back")
    func shutdown() {
        var script = scriptAtThreshold()
        script.acquire(keys: 3...4)
        #expect(script.on { $0.shutdown(now: $1) }.failures == [3: .shutDown, 4: .shutDown])
        #expect(script.counted(2) == [])
        script.release(1)
        script.release(2)
        script.answered(1, true)
        #expect(script.answered(1, true).last == .terminated)
    }

    @Test("what is still to be tried when a manager is shut down is not held back")
    func shutdownAtOnce() {
        var script = scriptAtThreshold()
        let actions = script.on {
            $0.acquire(3, .init(3, .exclusive), now: $1)
            $0.shutdown(now: $1)
        }
        #expect(actions.failures == [3: .shutDown])
        #expect(!actions.contains(.submit(1, .countLocks)))
    }

    // MARK: No answer

    @Test("a count that fails stops no locking: for a minute only the manager's own keys count")
    func countFails() {
        var script = scriptAtThreshold()
        #expect(script.acquire(3, .exclusive, 3) == [.submit(1, .countLocks)])
        #expect(script.answered(1, failure: Failure(.statement, "permission denied")) == [.submit(1, .tryLock(3))])
        script.answered(1, true)
        #expect(script.acquire(4, .exclusive, 4) == [.submit(1, .tryLock(4))])
        script.answered(1, true)
        script.pass(.seconds(61))
        script.answered(1)
        #expect(script.acquire(5, .exclusive, 5).contains(.submit(1, .countLocks)))
    }

    @Test("a count that was refused behind another statement's error is asked for again")
    func countPutBack() {
        var script = scriptAtThreshold()
        #expect(script.acquire(3, .exclusive, 3) == [.submit(1, .countLocks)])
        #expect(script.answered(1, failure: Failure(.transactionAborted, "Aborted.", sqlState: "25P02")) == [.submit(1, .countLocks)])
        #expect(script.counted(2) == [.submit(1, .tryLock(3))])
    }

    @Test("a count that was lost with its connection is asked for again once, then only the manager's own keys count")
    func countLost() {
        var script = scriptAtThreshold()
        script.acquire(keys: 3...5)
        for round in 1...2 {
            script.lost(ConnectionID(round))
            script.passToNextWake()
            let actions = script.connected(ConnectionID(round + 1))
            #expect(actions.contains(.submit(ConnectionID(round + 1), .countLocks)) == (round == 1))
            #expect(actions.keys == (round == 1 ? [3, 4] : [3, 4, 5]))
        }
    }

    @Test("while the session that was asked is silent, another one is asked")
    func silence() {
        var script = scriptAtThreshold { $0.overdueAfter = .seconds(2) }
        #expect(script.acquire(3, .exclusive, 3) == [.submit(1, .countLocks)])
        #expect(script.pass(.seconds(2)).connecting == 2)
        #expect(script.connected(2) == [.submit(2, .countLocks)])
        #expect(script.counted(2, on: 2) == [.submit(2, .tryLock(3))])
        // The first answer comes late, and says nothing any more.
        #expect(script.counted(16).failures == [:])
    }

    @Test("a number of keys is kept to without asking")
    func numberAsksNothing() {
        var script = EngineScript { $0.capacity = .keys(3) }
        script.acquire(keys: 1...3)
        #expect(script.connected(1, lockTableSize: 4) == [.submit(1, .tryLock(1, 2, 3))])
    }
}

extension EngineScript {
    /// Asks for each of these keys, by a request of the same number.
    @discardableResult
    fileprivate mutating func acquire(keys: ClosedRange<Int64>) -> [Engine.Action] {
        on { engine, now in
            for number in keys { engine.acquire(RequestID(UInt64(number)), .init(AdvisoryKey(number), .exclusive), now: now) }
        }
    }

    @discardableResult
    fileprivate mutating func connected(_ id: ConnectionID, lockTableSize: Int) -> [Engine.Action] {
        on { $0.connected(id, lockTableSize: lockTableSize, now: $1) }
    }

    /// The server says how many locks there are.
    @discardableResult
    fileprivate mutating func counted(_ count: Int, on id: ConnectionID = 1) -> [Engine.Action] {
        on { $0.answered(id, .lockCount(count), now: $1) }
    }
}
