package import LockCore

/// A model of PostgreSQL, as far as advisory locks and sessions go.
package final class SimulatedServer {
    package enum Acceptance {
        case accepted(SimulatedSession)
        case refused(Failure)
    }

    package let agenda: Agenda
    package let chance: Chance
    let observer: any SimulatedServerObserver
    package var behavior: ServerBehavior

    package private(set) var sessions: [Int: SimulatedSession] = [:]
    private var locks: [AdvisoryKey: SimulatedLock] = [:]
    private let numbers: SimulatedNumbers
    /// By the sessions that they are for.
    private var requests: [Int: [Engine.ReleaseRequest]] = [:]
    private var requestCount: UInt32 = 0
    private var logEnd: UInt64 = 0
    /// Grows with each promotion.
    package private(set) var timeline: UInt32 = 1
    /// Whether it does not run, and never will again.
    package private(set) var isStopped = false
    /// Until then it does not accept connections.
    private var downUntil = Instant(nanoseconds: 0)
    /// Whether it fails as its behavior says.
    package var isFaulty = true

    package init(
        agenda: Agenda,
        chance: Chance,
        behavior: ServerBehavior,
        observer: any SimulatedServerObserver,
        numbers: SimulatedNumbers = .init()
    ) {
        self.agenda = agenda
        self.chance = chance
        self.behavior = behavior
        self.observer = observer
        self.numbers = numbers
    }

    // MARK: Sessions

    /// - Parameter silenceLimit: After how long of silence of the client the session is ended; `nil` for never.
    package func accept(process: Int, silenceLimit: Duration?) -> Acceptance {
        if agenda.now < downUntil { return .refused(Failure(.unreachable, "Connection refused.")) }
        if isFaulty, chance.happens(behavior.fatalConnectFailures) {
            return .refused(Failure(.authentication, "Wrong password.", sqlState: "28P01"))
        }
        if isFaulty, chance.happens(behavior.connectFailures) {
            return .refused(Failure(.unreachable, "No route to host."))
        }
        let session = SimulatedSession(numbers.nextSession(), process: process, silenceLimit: silenceLimit, server: self)
        sessions[session.id] = session
        session.beginIdling()
        return .accepted(session)
    }

    package func restart(after pause: Duration) {
        downUntil = agenda.now.advanced(by: pause)
        for (_, session) in sessions.sorted(by: { $0.key < $1.key }) { session.terminate() }
    }

    /// Another server is promoted, and takes the place of this one.
    package func promote(after pause: Duration) {
        beginTimeline(after: self)
        restart(after: pause)
    }

    /// What was written last may not have reached it.
    package func beginTimeline(after server: SimulatedServer) {
        timeline = server.timeline + 1
        logEnd = server.logEnd - min(server.logEnd, UInt64(chance.number(0...20)))
    }

    package func stop() {
        guard !isStopped else { return }
        isStopped = true
        restart(after: .zero)
    }

    /// Whether it answers an attempt to connect that only asks for its timeline.
    package var isAnswering: Bool {
        !isStopped && agenda.now >= downUntil && !(isFaulty && chance.happens(behavior.connectFailures))
    }

    package func randomSession() -> SimulatedSession? {
        sessions.isEmpty ? nil : sessions[chance.one(of: sessions.keys.sorted())]
    }

    /// The session is gone, and all that it held.
    func forget(_ session: SimulatedSession, keys: Set<AdvisoryKey>) {
        sessions[session.id] = nil
        requests[session.id] = nil
        for key in keys.sorted() {
            change(key) { $0.removeAll(of: session.id) }
        }
    }

    /// The log only grows, also over restarts, but where another server was promoted.
    func writeRecord() -> WALPosition {
        logEnd += UInt64(chance.number(1...3))
        return WALPosition(timeline: timeline, location: logEnd)
    }

    /// Numbers a transaction that begins.
    func nextBlock() -> Int {
        numbers.nextBlock()
    }

    // MARK: Requests to release

    /// Asks the sessions that hold a key to release it. Each is told once.
    package func requestRelease(of key: AdvisoryKey) {
        for session in Set(holders(of: key).map(\.session)).sorted() {
            requestCount += 1
            requests[session, default: []].append(Engine.ReleaseRequest(key: key, number: requestCount))
        }
    }

    func takeRequests(to session: SimulatedSession?) -> [Engine.ReleaseRequest] {
        session.flatMap { requests.removeValue(forKey: $0.id) } ?? []
    }

    // MARK: Locks

    /// Numbers what it grants. What a server grants that was replaced comes before all that its successor grants.
    func nextTenure() -> Int {
        Int(timeline) << 32 + numbers.nextTenure()
    }

    package func holders(of key: AdvisoryKey) -> [SimulatedLock.Claim] {
        locks[key]?.holders ?? []
    }

    /// How many sessions wait for it.
    package func waitingCount(for key: AdvisoryKey) -> Int {
        locks[key]?.queue.count ?? 0
    }

    /// In the order of the queue.
    package func waits(for key: AdvisoryKey) -> [SimulatedLock.Claim] { locks[key]?.queue ?? [] }

    package var lockedKeys: [AdvisoryKey] { locks.keys.sorted() }

    /// Whether no session has it or waits for it.
    package func isFree(_ key: AdvisoryKey) -> Bool { locks[key] == nil }

    /// How many locks all sessions hold or wait for, as the server says.
    func countLocks() -> Int {
        observer.willTell(lockCount: locks.count)
        return locks.count
    }

    /// Whether there is no room for a key that no session has or wants so far.
    func isFull(for key: AdvisoryKey) -> Bool {
        guard let size = behavior.lockTableSize, locks[key] == nil, locks.count >= size else { return false }
        observer.didRefuseForRoom()
        return true
    }

    func tryLock(_ key: AdvisoryKey, _ claim: SimulatedLock.Claim) -> Bool {
        change(key) { $0.tryLock(claim, passingQueue: behavior.triesPassTheQueue) }
    }

    func lock(_ key: AdvisoryKey, _ claim: SimulatedLock.Claim) -> Bool {
        change(key) { $0.lock(claim) }
    }

    /// Whether a session waits for itself, by way of others.
    func isDeadlocked(_ session: SimulatedSession) -> Bool {
        var open = blockers(of: session)
        var seen: Set<Int> = []
        while let next = open.popLast() {
            if next == session.id { return true }
            if seen.insert(next).inserted, let other = sessions[next] { open += blockers(of: other) }
        }
        return false
    }

    private func blockers(of session: SimulatedSession) -> [Int] {
        guard case .blocked(let key, let claim) = session.activity else { return [] }
        return locks[key]?.blockers(of: claim) ?? []
    }

    func unlock(_ key: AdvisoryKey, _ claim: SimulatedLock.Claim) -> Bool {
        change(key) { $0.unlock(claim) }
    }

    func leaveQueue(_ key: AdvisoryKey, _ session: Int) {
        change(key) { $0.leaveQueue(session) }
    }

    private func change<Result>(_ key: AdvisoryKey, _ change: (inout SimulatedLock) -> Result) -> Result {
        let before = locks[key]
        var lock = before ?? SimulatedLock()
        let result = change(&lock)
        let woken = lock.wake()
        locks[key] = lock.isFree ? nil : lock
        observer.didChange(key, from: before, to: locks[key], lockCount: locks.count, on: self)
        for id in woken { sessions[id]?.wake() }
        return result
    }
}
