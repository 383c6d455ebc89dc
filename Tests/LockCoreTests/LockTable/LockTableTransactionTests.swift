import LockCore
import Testing

@Suite("Transactions in the lock table")
struct LockTableTransactionTests {
    @Test("transactions get their turn without a request to the server")
    func turn() {
        var script = TableScript()
        #expect(script.request(1, scope: .transaction) == [.grant(1)])
        #expect(script.request(2, scope: .transaction) == [])
        #expect(script.release(1) == [.grant(2), .released(1)])
        #expect(script.release(2) == [.released(2)])
        #expect(script.table.isEmpty)
    }

    @Test("a transaction waits until the process has released its own session lock")
    func afterSession() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.granted()
        #expect(script.request(2, scope: .transaction) == [])
        _ = script.request(3)
        #expect(script.release(1) == [.unlock(1, .exclusive, on: 1)])
        #expect(script.unlocked() == [.released(1), .grant(2)])
        #expect(script.release(2) == [.tryLock(1, .exclusive), .released(2)])
    }

    @Test("a transaction's turn keeps session requests waiting, and is not lost with a session")
    func beforeSession() {
        var script = TableScript()
        _ = script.request(1, scope: .transaction)
        #expect(script.request(2) == [])
        #expect(script.request(3, noWait: true) == [.refuse(3)])
        #expect(script.lost() == [])
        #expect(script.release(1) == [.tryLock(1, .exclusive), .released(1)])
    }

    @Test("transactions and session requests share a key")
    func shared() {
        var script = TableScript()
        _ = script.request(1, .shared)
        _ = script.granted()
        #expect(script.request(2, .shared, scope: .transaction) == [.grant(2)])
        #expect(script.release(1) == [.unlock(1, .shared, on: 1)])
        #expect(script.request(3, .exclusive) == [])
        #expect(script.unlocked() == [.released(1)])
        #expect(script.release(2) == [.tryLock(1, .exclusive), .released(2)])
    }

    @Test("a lost shared session lock is asked for again beside transactions")
    func sharedLoss() {
        var script = TableScript()
        _ = script.request(1, .shared)
        _ = script.granted()
        _ = script.request(2, .shared, scope: .transaction)
        #expect(script.lost() == [.lose([1], .lost)])
        #expect(script.request(3, .exclusive) == [])
        _ = script.cancel(3)
        #expect(script.request(4, .shared) == [.tryLock(1, .shared)])
    }

    @Test("transactions do not fail when the key can't be asked for in session scope")
    func failure() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.request(2, scope: .transaction)
        #expect(script.failed(1, .full) == [.fail(1, .full), .grant(2)])
    }

    @Test("a transaction that does not wait is not refused because its process is just releasing the lock, or ending a wait for it")
    func tryBehindOwnRelease() {
        var releasing = TableScript()
        _ = releasing.request(1)
        _ = releasing.granted()
        #expect(releasing.release(1) == [.unlock(1, .exclusive, on: 1)])
        #expect(releasing.request(2, scope: .transaction, noWait: true) == [])
        #expect(releasing.unlocked() == [.released(1), .grant(2)])
        var ending = TableScript()
        _ = ending.request(1)
        _ = ending.notGranted()
        #expect(ending.cancel(1) == [.endWait(1)])
        #expect(ending.request(2, scope: .transaction, noWait: true) == [.grant(2)])
    }

    @Test("a lock that a wait is granted when only transactions want it is released")
    func lateGrant() {
        var script = TableScript()
        _ = script.request(1)
        _ = script.request(2, scope: .transaction)
        _ = script.notGranted()
        #expect(script.cancel(1) == [.grant(2), .endWait(1)])
        #expect(script.granted() == [.unlock(1, .exclusive, on: 1)])
        #expect(script.unlocked() == [])
        #expect(script.release(2) == [.released(2)])
    }
}
