import LockCore
import Testing

@testable import LockServerModel

/// The rules of PostgreSQL's lock manager, as the model has them.
@Suite("One lock of a server in memory")
struct InMemoryLockTests {
    private func claim(_ session: Int, _ mode: Mode = .exclusive) -> SimulatedLock.Claim {
        SimulatedLock.Claim(session: session, mode: mode)
    }

    @Test("a lock has any number of shared holders, or one exclusive holder")
    func modes() {
        var shared = SimulatedLock()
        let whileShared = [
            shared.lock(claim(1, .shared)), shared.tryLock(claim(2, .shared), passingQueue: false),
            shared.tryLock(claim(3), passingQueue: false),
        ]
        #expect(whileShared == [true, true, false])
        var exclusive = SimulatedLock()
        let whileExclusive = [
            exclusive.lock(claim(1)), exclusive.tryLock(claim(2, .shared), passingQueue: false),
            exclusive.tryLock(claim(3), passingQueue: false),
        ]
        #expect(whileExclusive == [true, false, false])
    }

    @Test("a request gets no lock past an earlier one that it excludes; the queue is served in order")
    func queue() {
        var lock = SimulatedLock()
        let granted = [
            lock.lock(claim(1, .shared)), lock.lock(claim(2)), lock.lock(claim(3, .shared)),
            lock.tryLock(claim(4, .shared), passingQueue: false),
        ]
        #expect(granted == [true, false, false, false])
        var woken: [[Int]] = []
        for holder in [claim(1, .shared), claim(2)] {
            let wasHeld = lock.unlock(holder)
            #expect(wasHeld)
            woken.append(lock.wake())
        }
        #expect(woken == [[2], [3]])
    }

    @Test("a session gets again what it holds, past those that wait")
    func again() {
        var lock = SimulatedLock()
        let granted = [lock.lock(claim(1, .shared)), lock.lock(claim(2)), lock.tryLock(claim(1, .shared), passingQueue: false)]
        #expect(granted == [true, false, true])
    }

    @Test("what has left the queue is not granted")
    func left() {
        var lock = SimulatedLock()
        let granted = [lock.lock(claim(1)), lock.lock(claim(2)), lock.lock(claim(3))]
        #expect(granted == [true, false, false])
        lock.leaveQueue(2)
        lock.removeAll(of: 1)
        let woken = lock.wake()
        #expect(woken == [3])
    }
}
