import LockCore
import Testing

@Suite("Contended keys beyond the waiting sessions")
struct EnginePollingTests {
    /// The only waiting session waits for key 1; key 2 queues.
    private func crowded() -> EngineScript {
        var script = EngineScript.waiting(maximumConnections: 2)
        script.acquire(2, .exclusive, 2)
        script.answered(1, false)
        return script
    }

    @Test("contended keys beyond the waiting sessions are tried again on the shared session")
    func polled() {
        var script = crowded()
        #expect(script.passToNextWake() == [.submit(1, .tryLock(2))])
        #expect(script.answered(1, false) == [])
        #expect(script.passToNextWake() == [.submit(1, .tryLock(2))])
        #expect(script.answered(1, true) == [.resolve(2, .granted)])
        #expect(script.release(2) == [.submit(1, .unlock(2))])
    }

    @Test("a contended key gets the next free waiting session")
    func movesUp() {
        var script = crowded()
        script.answered(2, true)
        #expect(script.release(1) == [.submit(2, .unlock(1))])
        let actions = script.answered(2, true)
        #expect(actions == [.submit(2, .wait(2, .exclusive, limit: nil)), .resolve(1, .released)])
    }

    @Test("no second waiting session is opened for polled keys when the first one connects in the middle of a poll")
    func waitingSessionDuringPoll() {
        var script = EngineScript()
        script.acquire(1)
        script.connected(1)
        #expect(script.answered(1, false) == [.connect(2, .waiting)])
        #expect(script.passToNextWake() == [.submit(1, .tryLock(1))])
        #expect(script.connected(2) == [])
        #expect(script.answered(1, false) == [.submit(2, .wait(1, .exclusive, limit: nil))])
    }

    @Test("a polled key that is granted after its caller has gone is released")
    func cancelledPoll() {
        var script = crowded()
        script.passToNextWake()
        #expect(script.cancel(2) == [.resolve(2, .ended(.cancelled))])
        #expect(script.answered(1, true) == [.submit(1, .unlock(2))])
    }

    @Test("a queued key is forgotten at once when its caller goes, as long as it is not being tried")
    func cancelledInQueue() {
        var script = crowded()
        #expect(script.cancel(2) == [.resolve(2, .ended(.cancelled))])
        script.answered(2, true)
        script.release(1)
        script.answered(2, true)
        #expect(script.isQuiet)
    }

    @Test("polled keys fail when no shared session can be opened, and keys with waiting sessions do not")
    func notOpened() throws {
        var script = crowded()
        script.lost(1)
        var id: ConnectionID?
        for _ in 0..<10 where id == nil { id = script.passToNextWake().connecting }
        #expect(script.connectFailed(try #require(id), .wrongPassword).failures == [2: .authentication])
        script.answered(2, true)
        script.release(1)
        script.answered(2, true)
        #expect(script.isQuiet)
    }

    @Test("polled keys are forgotten when the shared session is lost while a failed poll is being verified")
    func lostVerification() {
        var script = crowded()
        script.passToNextWake()
        #expect(script.answered(1, failure: .full) == [.submit(1, .unlock(2))])
        #expect(script.lost(1) == [.close(1), .resolve(2, .failed(.full))])
        script.cancel(1)
        #expect(script.answered(2, failure: .cancelledByServer) == [])
        script.on { $0.cancelledOutOfBand(2, now: $1) }
        script.answered(2, false)
        #expect(script.isQuiet)
    }

    @Test("keys are polled on the next shared session when the one that polled is lost")
    func lostPoll() {
        var script = crowded()
        script.passToNextWake()
        #expect(script.lost(1) == [.close(1)])
        while script.wake != nil {
            if let id = script.passToNextWake().connecting {
                #expect(script.connected(id) == [.submit(id, .tryLock(2))])
                return
            }
        }
        Issue.record("The key was not asked for any more.")
    }

    /// Key 1 has the waiting session, the keys up to `count` are beyond it.
    private func crowd(_ count: Int, pollSize: Int) -> EngineScript {
        var script = EngineScript(maximumConnections: 2) { $0.pollSize = pollSize }
        for number in 1...count { script.acquire(RequestID(UInt64(number)), .exclusive, AdvisoryKey(Int64(number))) }
        script.connected(1)
        script.answered(1, rows: Array(repeating: false, count: count))
        script.connected(2)
        return script
    }

    @Test("contended keys are polled in parts, in turn")
    func parts() {
        var script = crowd(6, pollSize: 2)
        var parts: [Set<AdvisoryKey>] = []
        for _ in 1...5 {
            parts.append(script.passToNextWake().keys)
            script.answered(1, false, false)
        }
        #expect(parts == [[2, 3], [4, 5], [6, 2], [3, 4], [5, 6]])
    }

    @Test("contended keys are not polled again before the last poll is answered")
    func oneAtATime() {
        var script = crowd(3, pollSize: 10)
        #expect(script.passToNextWake() == [.submit(1, .tryLock(2, 3))])
        #expect(script.pass(.seconds(9)) == [])
        #expect(script.answered(1, false, false) == [])
        #expect(script.passToNextWake() == [.submit(1, .tryLock(2, 3))])
    }

    @Test("contended keys are polled less and less often, until one of them is granted")
    func pauses() {
        var script = crowd(3, pollSize: 10)
        func pause() -> Duration {
            let before = script.now
            script.passToNextWake()
            return before.duration(to: script.now)
        }
        for _ in 1...8 {
            _ = pause()
            script.answered(1, false, false)
        }
        #expect(pause() >= .milliseconds(125))
        script.answered(1, true, false)
        #expect(pause() <= .milliseconds(10))
        script.answered(1, false)
        #expect(pause() >= .milliseconds(10))
    }

    /// Key 1 is waited for on the session 2. Of a poll of the keys 2, 3 and 4, which the session 1 has run in a batch transaction, the
    /// first has failed, and the others are to be sent again on the session 3, which is to replace the session 1. The key 5 is not part of
    /// it.
    private func unsentPoll() -> EngineScript {
        var script = EngineScript(maximumConnections: 3) {
            $0.batchSize = 1
            $0.pollSize = 3
            $0.batchTransactionThreshold = 1
        }
        script.acquire(9, .exclusive, 9)
        script.connected(1)
        script.answered(1, true)
        for number in 1...5 { script.acquire(RequestID(UInt64(number)), .exclusive, AdvisoryKey(Int64(number))) }
        script.answered(1)
        for _ in 1...5 { script.answered(1, false) }
        #expect(script.connected(2) == [.submit(2, .wait(1, .exclusive, limit: nil))])
        #expect(script.passToNextWake() == [.submit(1, .tryLock(2)), .submit(1, .tryLock(3)), .submit(1, .tryLock(4))])
        script.answered(1, failure: .full)
        for _ in 1...2 { script.answered(1, failure: Failure(.transactionAborted, "It is aborted.")) }
        var id: ConnectionID?
        for _ in 1...5 where id == nil { id = script.passToNextWake().connecting }
        #expect(id == 3)
        #expect(script.lost(1).failures == [2: .lockTableFull])
        return script
    }

    @Test("keys of a poll that could not be sent are forgotten when the manager is shut down")
    func shutdown() {
        var script = unsentPoll()
        #expect(script.on { $0.shutdown(now: $1) }.failures.count == 4)
        script.lost(2)
        #expect(script.isQuiet)
    }

    @Test("polled keys fail when the server is out of reach for ten seconds, and keys with waiting sessions do not")
    func outage() {
        var script = crowded()
        script.lost(1)
        var failures: [RequestID: Failure.Kind] = [:]
        while script.now < Duration.seconds(12).instant {
            let actions = script.passToNextWake()
            if let id = actions.connecting { failures.merge(script.connectFailed(id).failures) { $1 } }
            failures.merge(actions.failures) { $1 }
        }
        #expect(failures == [2: .unreachable])
    }

    @Test("keys that were not part of an unsent poll are tried again once there is a shared session again")
    func restOfUnsentPoll() {
        var script = unsentPoll()
        #expect(script.connectFailed(3, .wrongPassword).failures == [3: .authentication, 4: .authentication])
        let end = script.now.advanced(by: .seconds(1))
        var id: ConnectionID?
        while id == nil, script.now < end { id = script.passToNextWake().connecting }
        guard let id, script.now < end else {
            Issue.record("No session was opened for the key that is left.")
            return
        }
        #expect(script.connected(id).keys == [5])
    }

    @Test("keys whose poll fails are not asked for again, so that a full server is not asked in a loop")
    func failedPoll() {
        var script = crowd(100, pollSize: 1000)
        script.passToNextWake()
        let row = Engine.Batch.keysPerRow
        // The row at which it failed is verified to hold nothing, the other rows were never reached.
        let actions = script.answered(1, rows: Array(repeating: false, count: row), failure: .full)
        #expect(actions.keys.count == row)
        #expect(actions.failures.count == 99 - 2 * row)
        script.answered(1, rows: Array(repeating: false, count: row))
        #expect(script.pass(.milliseconds(1)) == [])
        #expect(script.passToNextWake().keys.count == row)
    }
}
