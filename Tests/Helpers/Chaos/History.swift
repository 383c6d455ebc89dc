package import PostgresLock

/// The record of a run: the workers' logs, the sessions that faults ended, and the writes in the guarded table.
package struct History: Sendable {
    package struct Call: Sendable {
        package let what: String
        package let begun: Int64
        /// In nanoseconds; `nil` if the call has no timeout.
        package let timeout: Int64?
        package var ended: Int64?
        package var outcome: String?
    }

    /// A lock that a worker reported as held, in one mode.
    package struct Claim: Sendable {
        package let worker: String
        package let number: Int
        package let call: Int
        /// When the call began; the server granted the lock later.
        package let begun: Int64
        package let key: Int
        package let isExclusive: Bool
        package let token: FencingToken?
        package var isTransaction = false
        /// The timeline of the server that granted it, if it is known.
        package var timeline: UInt32?
        /// Whether the library excludes it against other locks of the same process. For locks of sessions only the server does.
        package let isArbitrated: Bool
        package let from: Int64
        /// The last time at which the worker saw `isHeld` true; `nil` if it never did. The lock was granted before `from`, so it
        /// was held from then to this time. Nothing is assumed about the time after it: a frozen or killed process can't check.
        package var until: Int64?
        package var refusals: [Int64] = []
        /// When something was last noted of it.
        package var lastNoted: Int64
        package var accepted: [Int] = []
        package var reads: [(time: Int64, token: FencingToken?)] = []
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

        package init() {}
    }

    /// A time at which sessions were ended without their client's doing: by the network, an administrator or a crash.
    package struct Ending: Sendable {
        /// The worker whose sessions were ended; `nil` for the sessions of all workers.
        package let worker: String?
        package let from: Int64
        package let to: Int64

        package init(worker: String?, from: Int64, to: Int64) {
            self.worker = worker
            self.from = from
            self.to = to
        }
    }

    /// A write that the guarded table has accepted.
    package struct Write: Sendable {
        package let key: Int
        /// The write's number among those of its key, counted in the write's own transaction.
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
    /// The number of advisory locks at the server after the run; `nil` if it was not read.
    package var locksLeft: Int?
    package private(set) var tally = Tally()
    package private(set) var jobs = JobHistory()
    /// Events that contradict the events before them.
    package private(set) var inconsistencies: [String] = []

    package init() {}

    package var claims: [Claim] { workers.values.flatMap(\.claims.values) }

    package mutating func note(_ event: ChaosEvent, of name: String) {
        tally.note(event.kind)
        jobs.note(event.kind)
        let isConsistent = workers[name, default: Worker()].note(event, of: name)
        if !isConsistent { inconsistencies.append("worker \(name) logged an event that contradicts those before it: \(event)") }
    }
}

extension History.Worker {
    /// - Returns: Whether the event is consistent with those before it.
    fileprivate mutating func note(_ event: ChaosEvent, of name: String) -> Bool {
        switch event.kind {
        case .started(let leaseNanoseconds):
            lease = leaseNanoseconds
        case .begun(let call, let what, let timeout):
            calls[call] = .init(what: what, begun: event.time, timeout: timeout)
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
                timeline: token?.timeline,
                isArbitrated: !known.what.hasPrefix("withSession"),
                from: event.time,
                lastNoted: event.time
            )
        case .heldByTransaction(let claim, let call, let key, let isExclusive):
            let held = ChaosEvent(
                time: event.time,
                .held(claim: claim, call: call, key: key, isExclusive: isExclusive, token: nil)
            )
            guard note(held, of: name) else { return false }
            claims[claim]?.isTransaction = true
        case .granted(let claim, let timeline):
            claims[claim]?.timeline = timeline
        case .stillHeld(let claim):
            claims[claim]?.until = event.time
            claims[claim]?.lastNoted = event.time
        case .notHeld(let claim), .writeFailed(let claim):
            claims[claim]?.lastNoted = event.time
            return claims[claim] != nil
        case .accepted(let claim, let number):
            claims[claim]?.accepted.append(number)
            claims[claim]?.lastNoted = event.time
        case .refused(let claim):
            claims[claim]?.refusals.append(event.time)
            claims[claim]?.lastNoted = event.time
        case .read(let claim, let token):
            claims[claim]?.reads.append((event.time, token))
            claims[claim]?.lastNoted = event.time
        case .ended(let call, let outcome):
            guard calls[call] != nil else { return false }
            calls[call]?.ended = event.time
            calls[call]?.outcome = outcome
        case .ran, .ranToEnd, .skipped:
            break
        case .finished:
            isFinished = true
        }
        return true
    }
}

extension FencingToken {
    /// The timeline of the server on which the lock was granted: its first four bytes.
    package var timeline: UInt32 { bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) } }
}
