package import PostgresLock

/// All that happened in a run: what the workers wrote down, what was done to them, and what the table says.
package struct History: Sendable {
    package struct Call: Sendable {
        package let what: String
        package let begun: Int64
        package var outcome: String?
    }

    /// A lock that a worker says it holds, in one mode.
    package struct Claim: Sendable {
        package let worker: String
        package let number: Int
        package let call: Int
        /// When it was asked for: the server has granted it later.
        package let begun: Int64
        package let key: Int
        package let isExclusive: Bool
        package let token: FencingToken?
        package var isTransaction = false
        /// Whether the process itself keeps it apart from its other locks. Those of sessions are the server's business alone.
        package let isArbitrated: Bool
        package let from: Int64
        /// `isHeld` was true after this; `nil` if it was never found true. So it was all the time since `from`: the lock was
        /// granted before. Between this and the next look nobody believed in anything: a frozen or killed process can't look.
        package var until: Int64?
        package var refusals: [Int64] = []
        package var accepted: [Int] = []
        package var reads: [(time: Int64, fence: FencingToken?)] = []
    }

    package struct Worker: Sendable {
        package enum Fate: Equatable, Sendable {
            case running
            case killed
            case exited(Int32)
        }

        package var lease: Int64 = 0
        package var calls: [Int: Call] = [:]
        package var claims: [Int: Claim] = [:]
        package var isFinished = false
        package var fate = Fate.running
    }

    /// Sessions were ended behind their client's back: by the network, an administrator or a crash.
    package struct Ending: Sendable {
        /// `nil`: those of all.
        package let worker: String?
        package let from: Int64
        package let to: Int64

        package init(worker: String?, from: Int64, to: Int64) {
            self.worker = worker
            self.from = from
            self.to = to
        }
    }

    /// A guarded write that got through, as the table has it.
    package struct Write: Sendable {
        package let key: Int
        /// Counts the writes of a key, in the same transaction.
        package let number: Int
        package let token: FencingToken
        package let worker: String
        package let claim: Int

        package init(key: Int, number: Int, token: FencingToken, worker: String, claim: Int) {
            self.key = key
            self.number = number
            self.token = token
            self.worker = worker
            self.claim = claim
        }
    }

    package var workers: [String: Worker] = [:]
    package var endings: [Ending] = []
    /// In the table's order: by key, then by number.
    package var writes: [Write] = []
    /// How many advisory locks the server had in the end; `nil` if nobody looked.
    package var locksLeft: Int?
    package private(set) var tally = Tally()
    /// What does not fit together.
    package private(set) var inconsistencies: [String] = []

    package init() {}

    package var claims: [Claim] { workers.values.flatMap(\.claims.values) }

    package mutating func note(_ event: ChaosEvent, of name: String) {
        tally.note(event.kind)
        let isKnown = workers[name, default: Worker()].note(event, of: name)
        if !isKnown { inconsistencies.append("worker \(name) wrote down what does not fit: \(event)") }
    }
}

extension History.Worker {
    /// - Returns: Whether it fits what was noted before.
    fileprivate mutating func note(_ event: ChaosEvent, of name: String) -> Bool {
        switch event.kind {
        case .started(let leaseNanoseconds):
            lease = leaseNanoseconds
        case .begun(let call, let what):
            calls[call] = .init(what: what, begun: event.time)
        case .held(let claim, let call, let key, let isExclusive, let token):
            guard let known = calls[call], claims[claim] == nil else { return false }
            claims[claim] = .init(
                worker: name,
                number: claim,
                call: call,
                begun: known.begun,
                key: key,
                isExclusive: isExclusive,
                token: token,
                isArbitrated: !known.what.hasPrefix("withSession"),
                from: event.time
            )
        case .heldByTransaction(let claim, let call, let key, let isExclusive):
            let held = ChaosEvent(
                time: event.time,
                .held(claim: claim, call: call, key: key, isExclusive: isExclusive, token: nil)
            )
            guard note(held, of: name) else { return false }
            claims[claim]?.isTransaction = true
        case .stillHeld(let claim):
            claims[claim]?.until = event.time
        case .notHeld(let claim), .writeFailed(let claim):
            return claims[claim] != nil
        case .accepted(let claim, let number):
            claims[claim]?.accepted.append(number)
        case .refused(let claim):
            claims[claim]?.refusals.append(event.time)
        case .read(let claim, let fence):
            claims[claim]?.reads.append((event.time, fence))
        case .ended(let call, let outcome):
            guard calls[call] != nil else { return false }
            calls[call]?.outcome = outcome
        case .finished:
            isFinished = true
        }
        return true
    }
}
