import LockCore
import Testing

@Suite("Batch transactions of a session that holds much")
struct EngineBatchTransactionTests {
    /// Holds the keys 1 and 2 on the shared session, which is connection 1, and has sent nothing for long.
    private static func swollen() -> EngineScript {
        var script = EngineScript { $0.batchTransactionThreshold = 2 }
        for key in 1...2 as ClosedRange<UInt64> {
            script.acquire(RequestID(key), .exclusive, AdvisoryKey(Int64(key)))
            script.connected(1)
            script.answered(1, true)
        }
        script.pass(.seconds(1))
        return script
    }

    private static let aborted = Failure(.transactionAborted, "Aborted.", sqlState: "25P02")

    @Test("the rounds of a session that holds much share one transaction, which ends when no round comes any more")
    func pause() {
        var script = Self.swollen()
        #expect(script.acquire(3, .exclusive, 3) == [.submit(1, .begin), .submit(1, .tryLock(3))])
        #expect(script.answered(1) == [])
        #expect(script.answered(1, true) == [.resolve(3, .granted)])
        script.pass(.milliseconds(40))
        #expect(script.release(3) == [.submit(1, .unlock(3))], "the transaction goes on")
        #expect(script.answered(1, true) == [.resolve(3, .released)])
        #expect(script.pass(.milliseconds(49)) == [])
        #expect(script.passToNextWake() == [.submit(1, .commit)])
        #expect(script.now == Instant(nanoseconds: 1_090_000_000))
        script.answered(1)
        #expect(script.acquire(4, .exclusive, 3) == [.submit(1, .begin), .submit(1, .tryLock(3))])
    }

    @Test("rounds share a transaction for a limited time")
    func limit() {
        var script = Self.swollen()
        script.acquire(3, .exclusive, 3)
        script.answered(1)
        script.answered(1, true)
        for _ in 0..<15 {
            script.pass(.milliseconds(32))
            script.release(3)
            script.answered(1, true)
            script.acquire(3, .exclusive, 3)
            script.answered(1, true)
        }
        script.pass(.milliseconds(32))
        #expect(script.release(3) == [.submit(1, .unlock(3)), .submit(1, .commit)])
        script.answered(1, true)
        #expect(script.acquire(3, .exclusive, 3) == [], "the transaction has not ended yet")
        #expect(script.answered(1) == [.submit(1, .begin), .submit(1, .tryLock(3))])
    }

    @Test("rounds are one transaction each while little is held, and share one also after much was released")
    func threshold() {
        var script = Self.swollen()
        script.release(1)
        script.answered(1)
        script.answered(1, true)
        script.release(2)
        script.answered(1, true)
        script.passToNextWake()
        script.answered(1)
        #expect(script.acquire(3, .exclusive, 3) == [.submit(1, .begin), .submit(1, .tryLock(3))])
        var other = EngineScript.holding()
        #expect(other.acquire(2, .exclusive, 2) == [.submit(1, .tryLock(2))])
    }

    @Test("an error ends the shared transaction at once, and what the server refused because of it is sent again without one")
    func error() {
        var script = Self.swollen()
        script.acquire(3, .exclusive, 3)
        script.acquire(4, .shared, 4)
        script.acquire(5, .exclusive, 5)
        script.answered(1)
        script.answered(1, true)
        // On their way: the shared try, and the exclusive one behind it.
        #expect(script.answered(1, failure: .full) == [.submit(1, .commit)])
        #expect(script.answered(1, failure: Self.aborted) == [])
        #expect(script.answered(1) == [.submit(1, .unlock(4, mode: .shared)), .submit(1, .tryLock(5))])
        #expect(script.answered(1, false) == [.resolve(4, .failed(.full))])
        #expect(script.answered(1, true) == [.resolve(5, .granted)])
    }

    @Test("an error in a shared transaction loses no lock, though a release was refused because of it")
    func refusedRelease() {
        var script = Self.swollen()
        script.acquire(3, .exclusive, 3)
        script.answered(1)
        script.answered(1, true)
        script.change(9, of: 3, to: .shared)
        script.release(1)
        #expect(script.answered(1, true) == [.resolve(9, .changed(true)), .submit(1, .unlock(1))])
        script.change(10, of: 2, to: .shared)
        #expect(script.answered(1, failure: Self.aborted) == [.submit(1, .commit)])
        #expect(script.answered(1, failure: Self.aborted) == [.submit(1, .changeMode(2, to: .shared))])
        script.answered(1)
        #expect(script.answered(1, true) == [.resolve(10, .changed(true)), .submit(1, .unlock(1))])
        #expect(script.answered(1, true) == [.resolve(1, .released)])
    }

    @Test("rounds are one transaction each if the shared one did not begin")
    func noBeginning() {
        var script = Self.swollen()
        script.acquire(3, .exclusive, 3)
        #expect(script.answered(1, failure: .full) == [])
        #expect(script.answered(1, true) == [.resolve(3, .granted)])
        #expect(script.pass(.milliseconds(60)) == [])
    }
}
