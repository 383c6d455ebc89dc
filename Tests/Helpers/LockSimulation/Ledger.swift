import LockCore
import LockServerModel

/// The locks that holders of all processes count as held, and the broken promises.
final class Ledger {
    struct Lease {
        let process: Int
        let id: RequestID
        let key: AdvisoryKey
        var mode: Mode
        let session: SimulatedSession
        /// The server has ended the session behind the client's back. Until the client learns of it, only its own clock
        /// could tell it that others may hold the lock.
        var isOrphan: Bool
    }

    private let agenda: Agenda
    private var leases: [AdvisoryKey: [Lease]] = [:]
    private(set) var violations: [String] = []

    private(set) var grants = 0
    /// Of calls for any of several keys.
    var choices = 0
    /// How many permits of semaphores were taken, and how many of these were found by a search.
    var permits = 0
    var unusedPermits = 0
    /// How many waits asked whether others may join a shared lock.
    var joins = 0
    var resolved = 0
    var verifiedHeld = 0
    /// How many waits were begun anew.
    var renewed = 0
    /// How many transactions gave their turn up, because they had no connection.
    var yielded = 0
    private(set) var upgrades = 0
    private(set) var downgrades = 0
    var refusedUpgrades = 0
    var lost = 0
    /// How many locks were no longer certain.
    var suspected = 0
    /// How many locks had come in doubt before their callers went on.
    var claimedInDoubt = 0
    /// How many locks explicit sessions have got.
    var sessionLocks = 0
    /// How many locks transactions have got.
    var transactionLocks = 0
    /// How many locks were released by an error in their transaction, or by its body.
    var releasedByServer = 0
    var commits = 0
    var unknownCommits = 0
    /// Transactions that could only be rolled back when they were to be committed.
    var refusedCommits = 0
    /// How many locks bodies of transactions have taken by their own SQL.
    var locksBySQL = 0
    /// How many transactions were marked as rollback-only.
    var rollbackOnly = 0
    /// How many calls that did not wait for a session got none.
    var refusedCheckOuts = 0
    /// How often another server was promoted.
    var promotions = 0
    /// How often that happened while the server of before went on.
    var splits = 0
    /// How often a process asked the other hosts.
    var surveys = 0
    /// How many sessions were given up because their server was replaced.
    var replacedSessions = 0
    /// How many new sessions were not used because their server was replaced.
    var lateSessions = 0
    /// How many sessions were ended for their silence.
    private(set) var expired = 0
    /// How often a process was frozen.
    var freezes = 0
    /// How often it held something then that the server took away meanwhile.
    var outlived = 0
    /// Whether the holder of a lock counts it as held.
    var isBelieved: (Lease) -> Bool = { _ in false }
    /// How long a holder may count a lock as held whose session was ended otherwise.
    var lease: Duration?

    private var tokenLedger = TokenLedger()
    /// How many fencing tokens were given out.
    private(set) var tokens = 0

    /// How often the server's lock table was full.
    var refusedForRoom = 0
    /// How often an engine refused what might have filled it.
    var refusedByBudget = 0
    var requests = 0

    private let profile: SimulationProfile
    var history: KeyHistory
    /// The transactions that were committed.
    private var committed: Set<Int> = []
    /// Those of which a process says that they never will be.
    private var rolledBack: Set<Int> = []

    init(agenda: Agenda, _ profile: SimulationProfile) {
        self.agenda = agenda
        self.profile = profile
        history = KeyHistory(profile)
    }

    func report(_ violation: String) {
        violations.append("at \(agenda.now.nanoseconds) ns: \(violation)")
    }

    func begin(_ lease: Lease) {
        grants += 1
        check(lease, against: leases[lease.key, default: []])
        leases[lease.key, default: []].append(lease)
    }

    func note(_ token: SimulatedToken, of lease: Lease) {
        tokens += 1
        guard let tenure = lease.session.tenures[lease.key] else { return report("a token for key \(lease.key), which was never granted") }
        if token.position.timeline != lease.session.timeline {
            report("a lock on key \(lease.key), on timeline \(lease.session.timeline), got the token \(token)")
        }
        if let violation = tokenLedger.add(token, for: lease.key, tenure: tenure, lease.mode) { report(violation) }
    }

    private func check(_ lease: Lease, against others: [Lease]) {
        let isExclusive = lease.mode == .exclusive
        // The locks of two servers do not exclude each other: see `checkReplaced`.
        let conflicting = others.first {
            !$0.isOrphan && (isExclusive || $0.mode == .exclusive) && $0.session.server === lease.session.server
        }
        if !lease.isOrphan, let other = conflicting {
            report(
                """
                process \(lease.process), \(lease.id) got key \(lease.key) \(lease.mode), while process \(other.process), \
                \(other.id) holds it \(other.mode)
                """
            )
        }
    }

    /// From now on others may go by the new mode.
    func change(process: Int, _ id: RequestID, _ key: AdvisoryKey, to mode: Mode) {
        guard let index = leases[key]?.firstIndex(where: { $0.process == process && $0.id == id }) else { return }
        leases[key]?[index].mode = mode
        guard let lease = leases[key]?[index] else { return }
        if mode == .exclusive { upgrades += 1 } else { downgrades += 1 }
        check(lease, against: leases[key, default: []].filter { $0.process != process || $0.id != id })
    }

    func end(process: Int, _ id: RequestID, _ key: AdvisoryKey) {
        leases[key]?.removeAll { $0.process == process && $0.id == id }
        if leases[key]?.isEmpty == true { leases[key] = nil }
    }

    func lease(process: Int, _ id: RequestID, _ key: AdvisoryKey) -> Lease? {
        leases[key]?.first { $0.process == process && $0.id == id }
    }

    func processEnded(_ process: Int) {
        for key in leases.keys { leases[key]?.removeAll { $0.process == process } }
        leases = leases.filter { !$0.value.isEmpty }
    }

    var isEmpty: Bool { leases.isEmpty }

    /// Whether another session may have the lock, and the holder has had the time to learn that.
    func isOver(_ lease: Lease) -> Bool {
        guard lease.isOrphan, let limit = self.lease, let endedAt = lease.session.endedAt else { return false }
        return lease.session.isExpired || endedAt.advanced(by: limit) <= agenda.now
    }

    private func checkForgotten(_ lease: Lease) {
        guard let known = self.lease(process: lease.process, lease.id, lease.key), known.session === lease.session,
            isBelieved(known)
        else { return }
        report("process \(lease.process), \(lease.id) believes in key \(lease.key) a lease after its session's end")
    }

    // MARK: Transactions

    func checkCommitted(_ block: Int) {
        if !committed.contains(block) { report("transaction \(block) is called committed, and is not") }
    }

    func checkRolledBack(_ block: Int) {
        rolledBack.insert(block)
        if committed.contains(block) { report("transaction \(block) is called rolled back, and was committed") }
    }
}

// MARK: - What a server does

extension Ledger: SimulatedServerObserver {
    func didCommit(_ block: Int) {
        committed.insert(block)
        if rolledBack.contains(block) { report("transaction \(block) is committed, which was called rolled back") }
    }

    /// Whether the library's own statements wait for other transactions, or the body's statements run with other settings than its own.
    func willRun(_ own: SimulatedStatement.Own, on session: SimulatedSession) {
        // If statements fail, settings may stay as they are.
        guard profile.statementErrors == 0, profile.troubleEvery == nil, profile.hasSettings else { return }
        let settings = session.settings
        switch own.statement {
        case .body:
            if profile.hasRoleSettings, !settings.isOfRole { report("session \(session.id) has not its role's settings") }
            if settings.defers != settings.bodyDefers { report("session \(session.id) has not its body's settings") }
        case .tryLock, .wait, .lock, .unlock:
            guard own.scope == .session, settings.defers else { break }
            report("session \(session.id) waits for others' transactions with a statement of ours")
        default:
            break
        }
    }

    func willTell(lockCount: Int) { history.willTell(lockCount: lockCount, now: agenda.now) }

    func didRefuseForRoom() { refusedForRoom += 1 }

    func didChange(_ key: AdvisoryKey, from before: SimulatedLock?, to after: SimulatedLock?, lockCount: Int, on server: SimulatedServer) {
        let violation = history.note(key, from: before, to: after, lockCount: lockCount, on: server, now: agenda.now)
        if let violation { report(violation) }
    }

    func didEnd(_ session: SimulatedSession) {
        for key in session.heldAtDeath {
            for index in leases[key, default: []].indices where leases[key]?[index].session === session {
                leases[key]?[index].isOrphan = true
                guard let lease, let orphan = leases[key]?[index] else { continue }
                agenda.plan(after: lease) { [self] in checkForgotten(orphan) }
            }
        }
    }

    func willExpire(_ session: SimulatedSession) {
        expired += 1
        for lease in leases.values.joined() where lease.session === session && isBelieved(lease) {
            report("process \(lease.process), \(lease.id) believes in key \(lease.key), whose session is ended for silence")
        }
    }

    func didRelease(_ key: AdvisoryKey, on session: SimulatedSession, left mode: Mode?) {
        for index in leases[key, default: []].indices where leases[key]?[index].session === session {
            if let mode { leases[key]?[index].mode = mode } else { leases[key]?[index].isOrphan = true }
        }
    }

    func willUnlock(_ key: AdvisoryKey, on session: SimulatedSession) {
        for lease in leases[key, default: []] where lease.session === session && !lease.isOrphan {
            report("key \(key) is unlocked on session \(session.id) under process \(lease.process), \(lease.id), which still holds it")
        }
    }

    func willReleaseAll(of session: SimulatedSession) { verifiedHeld += 1 }
}
