import DequeModule
import Testing

@testable import LockCore

@Suite("A key with a broken invariant")
struct LockTableInvariantTests {
    private typealias Entry = LockTable.Entry

    /// An entry with one exclusive session holder, and the requests that belong to it.
    private static func held(_ mode: Mode = .exclusive) -> (Entry, Entry.Requests) {
        var entry = Entry(1)
        var requests = Entry.Requests()
        var actions: Entry.Actions = []
        let request = LockTable.Request(1, mode)
        requests[1] = LockTable.QueuedRequest(request: request, entry: 0)
        entry.enqueue(1, request, in: &requests)
        let now = Instant(nanoseconds: 0)
        entry.advance(limit: .unlimited, now: now, requests: &requests, actions: &actions)
        entry.serverGranted(on: 1, now: now)
        entry.advance(limit: .unlimited, now: now, requests: &requests, actions: &actions)
        return (entry, requests)
    }

    @Test("a held key and a new key break no invariant", arguments: Mode.allCases)
    func sound(mode: Mode) {
        #expect(Entry(1).impossible == nil)
        #expect(Self.held(mode).0.impossible == nil)
        #expect(Self.held(mode).0.sessionHolders == 1)
    }

    @Test(
        "a holder without a lock at the server is found",
        arguments: [LockTable.ServerState.none, .trying(.exclusive), .unlocking(.exclusive, on: 1)]
    )
    func holders(server: LockTable.ServerState) {
        var (entry, _) = Self.held(.shared)
        entry.server = server
        #expect(entry.impossible == .holders)
        entry.sessionHolders = -1
        #expect(entry.impossible == .holders)
        entry.sessionHolders = 0
        entry.transactionHolders = -1
        #expect(entry.impossible == .holders)
    }

    @Test("a second holder beside an exclusive one, and an exclusive one on a shared lock, are found")
    func mode() {
        var (entry, _) = Self.held()
        entry.transactionHolders = 1
        #expect(entry.impossible == .mode)
        entry.transactionHolders = 0
        entry.sessionHolders = 2
        #expect(entry.impossible == .mode)
        entry.sessionHolders = 1
        entry.server = .held(.shared, on: 1)
        #expect(entry.impossible == .mode)
        entry.server = .changing(to: .shared, on: 1)
        #expect(entry.impossible == nil)
    }

    @Test("a queue that differs from the number of queued requests is found")
    func queue() {
        var (entry, requests) = Self.held()
        let request = LockTable.Request(1, .exclusive, noWait: true)
        for _ in 0..<2 {
            // Never queued, so only the counts change.
            entry.dequeue(7, request, in: &requests)
            #expect(entry.impossible == .queue)
        }
        var (other, others) = Self.held()
        others[5] = LockTable.QueuedRequest(request: request, entry: 0)
        other.enqueue(5, request, in: &others)
        #expect(other.impossible == nil)
        // The one that is in the queue stays there.
        other.dequeue(7, request, in: &others)
        #expect(other.impossible == .queue)
    }

    @Test("more locks of transactions than there are transactions are found")
    func transactions() {
        var entry = Entry(1)
        entry.transactionGranted()
        #expect(entry.impossible == .transactions)
        entry.transactionHolders = 1
        #expect(entry.impossible == nil)
        for _ in 0..<2 { entry.transactionReleased(now: Instant(nanoseconds: 0)) }
        #expect(entry.impossible == .transactions)
    }

    @Test("the holders of a key with a broken invariant lose it with its session, its requests fail, and other keys are as before")
    func givenUp() {
        var script = EngineScript.holding()
        script.acquire(2)
        let actions = script.on { $0.giveUp(1, because: "it was so", now: $1) }
        #expect(actions.contains(.close(1)))
        #expect(actions.contains { if case .lose([1], let failure) = $0 { failure.kind == .connectionLost } else { false } })
        #expect(actions.failures == [2: .connectionLost])
        #expect(script.heldKeys.isEmpty && script.waitingCount == 0)
    }

    @Test("a lock that the server was asked for before the fault is released when it is granted")
    func askedFor() {
        var script = EngineScript.waiting()
        #expect(script.on { $0.giveUp(1, because: "it was so", now: $1) }.failures == [1: .connectionLost])
        script.answered(2, true)
        // The wait was to be cancelled, and the unlock is sent behind the answer to that.
        #expect(script.answered(1, false).contains(.submit(2, .unlock(1))))
        script.answered(2, true)
        #expect(script.isQuiet)
    }
}
