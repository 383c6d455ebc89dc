import LockCore

/// A model of PostgreSQL, as far as advisory locks and sessions go.
final class SimulatedServer {
    enum Acceptance {
        case accepted(SimulatedSession)
        case refused(Failure)
    }

    let agenda: Agenda
    let chance: Chance
    let profile: SimulationProfile
    let ledger: Ledger
    let clock: SimulatedClock

    private(set) var sessions: [Int: SimulatedSession] = [:]
    private var locks: [AdvisoryKey: SimulatedLock] = [:]
    private var freed: [AdvisoryKey: Instant] = [:]
    private var lastTaken: [AdvisoryKey: Instant] = [:]
    /// When locks were released, in a fleet.
    private var releases: [Instant] = []
    /// How many locks there may be since a process was told of room.
    private var fleetLimit: Int?
    private let numbers: SimulatedNumbers
    private var logEnd: UInt64 = 0
    /// Grows with each promotion.
    private(set) var timeline: UInt32 = 1
    /// When another server was promoted, of which this one does not know.
    private(set) var replacedAt: Instant?
    /// Whether it does not run, and never will again.
    private(set) var isStopped = false
    /// The transactions that were committed.
    private var committed: Set<Int> = []
    /// Those of which a process says that they never will be.
    private var rolledBack: Set<Int> = []
    /// Until then it does not accept connections.
    private var downUntil = Instant(nanoseconds: 0)
    /// From the end of the faults on, nothing fails any more.
    var isFaulty = true

    init(agenda: Agenda, chance: Chance, profile: SimulationProfile, ledger: Ledger, numbers: SimulatedNumbers = .init()) {
        self.agenda = agenda
        self.chance = chance
        self.profile = profile
        self.ledger = ledger
        self.numbers = numbers
        clock = SimulatedClock(chance)
    }

    // MARK: Sessions

    func accept(process: Int) -> Acceptance {
        if agenda.now < downUntil { return .refused(Failure(.unreachable, "Connection refused.")) }
        if isFaulty, chance.happens(profile.fatalConnectFailures) {
            return .refused(Failure(.authentication, "Wrong password.", sqlState: "28P01"))
        }
        if isFaulty, chance.happens(profile.connectFailures) {
            return .refused(Failure(.unreachable, "No route to host."))
        }
        let session = SimulatedSession(numbers.nextSession(), process: process, server: self)
        sessions[session.id] = session
        session.beginIdling()
        return .accepted(session)
    }

    func restart(after pause: Duration) {
        downUntil = agenda.now.advanced(by: pause)
        for (_, session) in sessions.sorted(by: { $0.key < $1.key }) { session.terminate() }
    }

    /// Another server is promoted, and takes the place of this one.
    func promote(after pause: Duration) {
        ledger.promotions += 1
        beginTimeline(after: self)
        restart(after: pause)
    }

    /// The server that is promoted while this one goes on.
    func makeSuccessor() -> SimulatedServer {
        ledger.splits += 1
        let successor = SimulatedServer(agenda: agenda, chance: chance, profile: profile, ledger: ledger, numbers: numbers)
        successor.beginTimeline(after: self)
        successor.isFaulty = isFaulty
        replacedAt = agenda.now
        return successor
    }

    /// What was written last may not have reached it.
    private func beginTimeline(after server: SimulatedServer) {
        timeline = server.timeline + 1
        logEnd = server.logEnd - min(server.logEnd, UInt64(chance.number(0...20)))
    }

    func stop() {
        guard !isStopped else { return }
        isStopped = true
        restart(after: .zero)
    }

    /// Whether it answers an attempt to connect that only asks for its timeline.
    var isAnswering: Bool {
        !isStopped && agenda.now >= downUntil && !(isFaulty && chance.happens(profile.connectFailures))
    }

    func randomSession() -> SimulatedSession? {
        sessions.isEmpty ? nil : sessions[chance.one(of: sessions.keys.sorted())]
    }

    /// The session is gone, and all that it held.
    func forget(_ session: SimulatedSession, keys: Set<AdvisoryKey>) {
        sessions[session.id] = nil
        for key in keys.sorted() {
            change(key) { $0.removeAll(of: session.id) }
        }
    }

    /// The log only grows, also over restarts, but where another server was promoted.
    func writeRecord() -> WALPosition {
        logEnd += UInt64(chance.number(1...3))
        return WALPosition(timeline: timeline, location: logEnd)
    }

    // MARK: Transactions

    /// Numbers what it begins.
    func nextBlock() -> Int {
        numbers.nextBlock()
    }

    func commit(_ block: Int) {
        committed.insert(block)
        if rolledBack.contains(block) { ledger.report("transaction \(block) is committed, which was called rolled back") }
    }

    var committedCount: Int { committed.count }

    func checkCommitted(_ block: Int) {
        if !committed.contains(block) { ledger.report("transaction \(block) is called committed, and is not") }
    }

    func checkRolledBack(_ block: Int) {
        rolledBack.insert(block)
        if committed.contains(block) { ledger.report("transaction \(block) is called rolled back, and was committed") }
    }

    // MARK: Locks

    /// Numbers what it grants. What a server grants that was replaced comes before all that its successor grants.
    func nextTenure() -> Int {
        Int(timeline) << 32 + numbers.nextTenure()
    }

    func holders(of key: AdvisoryKey) -> [SimulatedLock.Claim] {
        locks[key]?.holders ?? []
    }

    var lockedKeys: [AdvisoryKey] { locks.keys.sorted() }

    /// Since when no session has it or waits for it.
    func freeSince(_ key: AdvisoryKey) -> Instant? {
        locks[key] == nil ? freed[key] ?? Instant(nanoseconds: 0) : nil
    }

    /// Whether any session held it at some time since then.
    func wasTaken(_ key: AdvisoryKey, since: Instant) -> Bool {
        !holders(of: key).isEmpty || lastTaken[key].map { $0 >= since } ?? false
    }

    /// How many locks all sessions hold or wait for, as the server says.
    func countLocks() -> Int {
        if let limit = profile.fleetLimit, let keyLimit = profile.keyLimit, locks.count < keyLimit {
            releases.removeAll { $0.duration(to: agenda.now) > .milliseconds(3500) }
            fleetLimit = limit + releases.count
        }
        return locks.count
    }

    /// Processes that were told of room may have taken it by now, and the others what they may take without asking.
    private func checkFleet() {
        guard profile.isFleet, let limit = fleetLimit ?? profile.fleetLimit, locks.count > limit else { return }
        ledger.report("\(locks.count) locks are held, of \(limit) that the processes together may have")
    }

    /// Whether there is no room for a key that no session has or wants so far.
    func isFull(for key: AdvisoryKey) -> Bool {
        guard let size = profile.lockTableSize, !profile.isFleet, locks[key] == nil, locks.count >= size else { return false }
        ledger.refusedForRoom += 1
        return true
    }

    func tryLock(_ key: AdvisoryKey, _ claim: SimulatedLock.Claim) -> Bool {
        change(key) { $0.tryLock(claim, passingQueue: profile.triesPassTheQueue) }
    }

    func lock(_ key: AdvisoryKey, _ claim: SimulatedLock.Claim) -> Bool {
        change(key) { $0.lock(claim) }
    }

    func unlock(_ key: AdvisoryKey, _ claim: SimulatedLock.Claim) -> Bool {
        change(key) { $0.unlock(claim) }
    }

    func leaveQueue(_ key: AdvisoryKey, _ session: Int) {
        change(key) { $0.leaveQueue(session) }
    }

    private func change<Result>(_ key: AdvisoryKey, _ change: (inout SimulatedLock) -> Result) -> Result {
        var lock = locks[key] ?? SimulatedLock()
        if !lock.holders.isEmpty { lastTaken[key] = agenda.now }
        let result = change(&lock)
        let woken = lock.wake()
        if lock.isFree, locks[key] != nil {
            freed[key] = agenda.now
            if profile.isFleet { releases.append(agenda.now) }
        }
        locks[key] = lock.isFree ? nil : lock
        checkFleet()
        for id in woken { sessions[id]?.wake() }
        return result
    }
}
