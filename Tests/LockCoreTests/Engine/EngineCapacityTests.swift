import LockCore
import Testing

@Suite("The engine's part of the server's lock table")
struct EngineCapacityTests {
    private func script(_ capacity: Engine.Capacity, maximumConnections: Int = 8) -> EngineScript {
        EngineScript(maximumConnections: maximumConnections) { $0.capacity = capacity }
    }

    @Test("the newest requests beyond the capacity are refused, and the others are asked for")
    func refusesNewest() {
        var script = script(.keys(3))
        for number: Int64 in 1...5 { script.acquire(RequestID(UInt64(number)), .exclusive, AdvisoryKey(number)) }
        let actions = script.on { $0.connected(1, lockTableSize: 6, now: $1) }
        #expect(actions.failures == [4: .capacity, 5: .capacity])
        #expect(actions.last == .submit(1, .tryLock(1, 2, 3)))
    }

    @Test("a refusal names the limit and where it comes from")
    func message() throws {
        var script = script(.fraction(0.5))
        for number: Int64 in 1...4 { script.acquire(RequestID(UInt64(number)), .exclusive, AdvisoryKey(number)) }
        let actions = script.on { $0.connected(1, lockTableSize: 6, now: $1) }
        let failure = try #require(actions.compactMap { if case .resolve(_, .failed(let failure)) = $0 { failure } else { nil } }.first)
        #expect(failure.cause == .full(.init(count: 3, isAll: false, capacity: .fraction(0.5), lockTableSize: 6)))
    }

    @Test("a try beyond it is refused as such, not as taken")
    func tries() {
        var script = script(.keys(1))
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        #expect(script.acquire(2, .exclusive, 2, noWait: true).failures == [2: .capacity])
    }

    @Test("a key counts once, however many hold it or wait for it")
    func sharedKey() {
        var script = script(.keys(1))
        script.acquire(1, .shared)
        script.connected(1)
        script.answered(1, true)
        #expect(script.acquire(2, .shared) == [.resolve(2, .granted)])
        #expect(script.acquire(3, .exclusive) == [])
        script.release(1)
        script.release(2)
        #expect(script.answered(1, true).keys == [1])
    }

    @Test("what is given back in the same round makes room for what is asked for")
    func releaseMakesRoom() {
        var script = script(.keys(1))
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        let actions = script.on {
            $0.release(1, now: $1)
            $0.acquire(2, .init(2, .exclusive), now: $1)
        }
        #expect(actions == [.submit(1, .unlock(1)), .submit(1, .tryLock(2))])
    }

    @Test("what fails or is refused by the server counts no more")
    func failureMakesRoom() {
        var script = script(.keys(1))
        script.acquire(1, noWait: true)
        script.connected(1)
        #expect(script.answered(1, false) == [.resolve(1, .refused)])
        script.acquire(2)
        // Until the failed try is verified to hold nothing, it counts.
        #expect(script.answered(1, failure: .full) == [.submit(1, .unlock(1))])
        #expect(script.acquire(3, .exclusive, 3) == [])
        let actions = script.answered(1, false)
        #expect(actions == [.resolve(2, .failed(.full)), .submit(1, .tryLock(3))])
    }

    @Test("what was held on a lost connection counts no more")
    func lossMakesRoom() {
        var script = script(.keys(1))
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        script.lost(1)
        script.acquire(2, .exclusive, 2)
        script.passToNextWake()
        #expect(script.connected(2) == [.submit(2, .tryLock(2))])
    }

    @Test("a wait counts while it lasts, and begins when there is room for it")
    func waits() {
        var script = script(.keys(2))
        script.acquire(1)
        script.acquire(2, .exclusive, 2)
        script.connected(1)
        // Key 2 is taken: its waiting session, once connected, takes the second slot.
        #expect(script.answered(1, true, false).connecting == 2)
        #expect(script.connected(2) == [.submit(2, .wait(2, .exclusive, limit: nil))])
        #expect(script.acquire(3, .exclusive, 3).failures == [3: .capacity])
        script.answered(2, true)
        script.release(2)
        script.answered(2, true)
        #expect(script.acquire(4, .exclusive, 4) == [.submit(1, .tryLock(4))])
    }

    @Test("contended keys are not refused because there is no room; a few may exceed it, and the others wait for it")
    func contendedKeysWait() {
        var script = script(.keys(1), maximumConnections: 2)
        for number: Int64 in 1...4 {
            script.acquire(RequestID(UInt64(number)), .exclusive, AdvisoryKey(number))
            script.connected(1)
            script.answered(1, false)
        }
        // Another key gets the slot before the waiting session is connected.
        #expect(script.acquire(5, .exclusive, 5) == [.submit(1, .tryLock(5))])
        script.answered(1, true)
        #expect(script.connected(2) == [.submit(2, .wait(1, .exclusive, limit: nil))])
        #expect(script.passToNextWake() == [.submit(1, .tryLock(2))])
        #expect(script.answered(1, true) == [.resolve(2, .granted)])
        for _ in 0..<5 { #expect(script.passToNextWake().keys.isEmpty) }
        script.release(5)
        script.answered(1, true)
        #expect(script.passToNextWake() == [.submit(1, .tryLock(3))])
    }

    @Test("no wait begins, and none gets a session, while much more is held than the server has room for since it was restarted")
    func noRoomToWait() {
        var script = EngineScript(maximumConnections: 3) { $0.capacity = .fraction(1) }
        for number: Int64 in 1...5 { script.acquire(RequestID(UInt64(number)), .exclusive, AdvisoryKey(number)) }
        script.on { $0.connected(1, lockTableSize: 600, now: $1) }
        #expect(script.answered(1, true, true, true, true, false).connecting == 2)
        #expect(script.on { $0.connected(2, lockTableSize: 1, now: $1) } == [])
        script.lost(2)
        for _ in 0..<5 { #expect(script.passToNextWake().isEmpty) }
        script.release(4)
        #expect(script.answered(1, true) == [.resolve(4, .released), .connect(3, .waiting)])
        #expect(script.connected(3) == [.submit(3, .wait(5, .exclusive, limit: nil))])
    }

    @Test("where there is no room to poll, a wait does not give its session to a transaction", arguments: [1, 3])
    func noRoomToYield(limit: Int) {
        var script = script(.keys(limit), maximumConnections: 2)
        script.acquire(1)
        script.connected(1)
        script.answered(1, false)
        script.connected(2)
        script.on { $0.checkOut(2, now: $1) }
        let mayYield = limit > 1
        #expect(script.pass(.milliseconds(500)).contains(.submit(1, .cancel(2, onlyLockWaits: true))) == mayYield)
    }

    @Test("a poll leaves room for new requests")
    func pollLeavesRoom() {
        var script = script(.keys(5), maximumConnections: 2)
        for number: Int64 in 1...5 { script.acquire(RequestID(UInt64(number)), .exclusive, AdvisoryKey(number)) }
        script.connected(1)
        script.answered(1, rows: Array(repeating: false, count: 5))
        script.connected(2)
        // One slot is the waiting session's, half of the rest is polled.
        #expect(script.passToNextWake() == [.submit(1, .tryLock(2, 3))])
        script.acquire(6, .exclusive, 6)
        script.acquire(7, .exclusive, 7)
        let actions = script.answered(1, false, false)
        #expect(actions == [.submit(1, .tryLock(6, 7))])
    }

    @Test("a poll in flight counts")
    func pollCounts() {
        var script = script(.keys(1), maximumConnections: 2)
        for number: Int64 in 1...2 {
            script.acquire(RequestID(UInt64(number)), .exclusive, AdvisoryKey(number))
            script.connected(1)
            script.answered(1, false)
        }
        #expect(script.passToNextWake() == [.submit(1, .tryLock(1))])
        script.answered(1, false)
        #expect(script.passToNextWake() == [.submit(1, .tryLock(2))])
        #expect(script.connected(2) == [.submit(2, .wait(1, .exclusive, limit: nil))])
        #expect(script.acquire(3, .exclusive, 3) == [])
        #expect(script.answered(1, false).failures == [3: .capacity])
    }

    @Test("keys of a poll that is sent again go on being polled when there is no room for them any more")
    func pollWithoutRoom() {
        var script = EngineScript(maximumConnections: 3) {
            $0.capacity = .fraction(1)
            $0.batchSize = 1
            $0.batchTransactionThreshold = 1
        }
        script.acquire(9, .exclusive, 9)
        script.on { $0.connected(1, lockTableSize: 60, now: $1) }
        script.answered(1, true)
        for number: Int64 in 1...3 { script.acquire(RequestID(UInt64(number)), .exclusive, AdvisoryKey(number)) }
        script.answered(1)
        for _ in 1...3 { script.answered(1, false) }
        #expect(script.passToNextWake().keys == [1, 2, 3])
        script.answered(1, failure: .full)
        for _ in 1...2 { script.answered(1, failure: Failure(.transactionAborted, "It is aborted.")) }
        // Meanwhile the server was restarted with a smaller table.
        #expect(script.on { $0.connected(2, lockTableSize: 1, now: $1) } == [])
        // The end of the transaction is answered, and the unlock that verifies that the key 1 is not held.
        script.answered(1)
        script.answered(1, false)
        var polled: Set<AdvisoryKey> = []
        for _ in 1...5 {
            let actions = script.passToNextWake()
            polled.formUnion(actions.keys)
            for case .submit(1, _) in actions { script.answered(1, false) }
        }
        #expect(polled.contains(3))
    }

    @Test("a request that has waited for a key that is asked for anew goes on waiting")
    func askedAnew() {
        var script = script(.keys(1), maximumConnections: 2)
        script.acquire(1)
        script.connected(1)
        script.answered(1, true)
        script.acquire(2, .shared)
        // Another key gets the slot, since the other mode needs a try of its own.
        script.on {
            $0.release(1, now: $1)
            $0.acquire(3, .init(3, .exclusive), now: $1)
        }
        let actions = script.answered(1, true)
        #expect(actions.failures == [:])
        script.answered(1, true)
        script.release(3)
        script.answered(1, true)
        #expect(script.waitingCount == 1)
        script.connected(2)
        #expect(script.answered(2, true) == [.resolve(2, .granted)])
    }

    @Test("there is no limit before the size of the table is known, nor without wish for one", arguments: [1, 2])
    func unlimited(round: Int) {
        var script = script(round == 1 ? .fraction(0.5) : .unlimited)
        for number: Int64 in 1...5 { script.acquire(RequestID(UInt64(number)), .exclusive, AdvisoryKey(number)) }
        let actions = script.on { $0.connected(1, lockTableSize: round == 1 ? nil : 2, now: $1) }
        #expect(actions == [.submit(1, .tryLock(1, 2, 3, 4, 5))])
    }
}
