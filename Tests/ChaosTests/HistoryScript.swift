import Chaos
import PostgresLock

/// A hand-written history without a violation: two workers hold an exclusive lock one after the other, and a shared lock in between.
struct HistoryScript {
    /// The lease of all workers.
    static let lease: Int64 = 1000

    var history = History()

    init() throws {
        for worker in ["a", "b"] { note(0, worker, .started(leaseNanoseconds: Self.lease)) }
        try hold(worker: "a", claim: 1, from: 100, until: 200, token: 1, writes: [1])
        try hold(worker: "b", claim: 1, isExclusive: false, from: 210, until: 300, token: 2)
        try hold(worker: "b", claim: 2, from: 310, until: 400, token: 3, writes: [2, 3])
        transact(worker: "a", claim: 9, from: 410, until: 420)
        try hold(worker: "a", claim: 10, key: ChaosRecipe.leadKey, from: 100, until: 200, token: 1)
        try hold(worker: "b", claim: 11, key: ChaosRecipe.firstShareKey, from: 100, until: 200, token: 1)
        try hold(worker: "b", claim: 12, key: ChaosRecipe.permitKey + 1, from: 100, until: 200, token: 1)
        note(110, "a", .ran(.atLeastOnce, intervalStart: 50))
        note(120, "a", .ranToEnd(.atLeastOnce, intervalStart: 50))
        for worker in ["a", "b"] { finish(worker) }
        history.locksLeft = 0
    }

    var violations: [String] { HistoryCheck(history).violations }

    static func token(_ number: Int) throws -> FencingToken {
        guard let token = FencingToken(String(repeating: "0", count: 30) + (number < 10 ? "0" : "") + "\(number)") else {
            throw CancellationError()
        }
        return token
    }

    mutating func note(_ time: Int64, _ worker: String, _ kind: ChaosEvent.Kind) {
        history.note(ChaosEvent(time: time, kind), of: worker)
    }

    mutating func finish(_ worker: String) {
        note(10_000, worker, .finished)
        history.workers[worker]?.fate = .exited(0)
    }

    mutating func transact(worker: String, claim: Int, isExclusive: Bool = true, from: Int64, until: Int64) {
        note(from - 10, worker, .begun(call: claim, what: "withTransaction"))
        note(from, worker, .heldByTransaction(claim: claim, call: claim, key: 7, isExclusive: isExclusive))
        note(until, worker, .stillHeld(claim: claim))
        note(until + 10, worker, .ended(call: claim, outcome: "done"))
    }

    /// Adds a call for one lock, which begins 10 ns before the grant.
    mutating func hold(
        worker: String,
        claim: Int,
        key: Int = 7,
        isExclusive: Bool = true,
        from: Int64,
        until: Int64,
        token number: Int?,
        writes: [Int] = []
    ) throws {
        let token = try number.map(Self.token)
        note(from - 10, worker, .begun(call: claim, what: "acquire"))
        note(from, worker, .held(claim: claim, call: claim, key: key, isExclusive: isExclusive, token: token))
        for write in writes {
            note(from + 1, worker, .accepted(claim: claim, number: write))
            guard let token else { continue }
            history.writes.append(.init(key: 7, number: write, token: token, worker: worker, claim: claim))
        }
        if !isExclusive { note(from + 1, worker, .read(claim: claim, token: try Self.token(1))) }
        note(until, worker, .stillHeld(claim: claim))
        note(until + 10, worker, .ended(call: claim, outcome: "done"))
    }
}
