package import LockCore

/// One backend of the server: it runs what it is sent, one statement after the other.
package final class SimulatedSession {
    enum Activity {
        case idle
        /// Runs a statement that does not wait. `strike` is how it will fail.
        case running(strike: Failure?)
        /// Waits in the queue of a lock.
        case blocked(AdvisoryKey, SimulatedLock.Claim)
        /// The lock is granted, and the backend has not answered yet.
        case granted(AdvisoryKey, SimulatedLock.Claim)
    }

    package let id: Int
    package let process: Int
    /// After how long of silence of its client the server ends it; `nil` for never.
    let silenceLimit: Duration?
    package unowned let server: SimulatedServer
    /// That of the server when the session began.
    package let timeline: UInt32
    private var inbox: [(SimulatedStatement, (SimulatedReply) -> Void)] = []
    private(set) var activity = Activity.idle
    /// Distinguishes a statement from earlier ones, whose planned events have no effect any more.
    private(set) var epoch = 0
    private var isClosing = false
    package internal(set) var block = SimulatedBlock()
    package internal(set) var settings = SimulatedSettings()
    /// The key that was set for the next wait.
    var awaited: AdvisoryKey?
    private var idleEpoch = 0

    private var blockedSince = Instant(nanoseconds: 0)
    package private(set) var isAlive = true
    /// It was ended because of its silence.
    package private(set) var isExpired = false
    package private(set) var endedAt: Instant?
    package private(set) var heldKeys: [AdvisoryKey: [SimulatedLock.Claim]] = [:]
    /// The number of the server's latest grant of a key to it.
    package private(set) var tenures: [AdvisoryKey: Int] = [:]
    package private(set) var heldAtDeath: Set<AdvisoryKey> = []
    /// Tells the client, when the server ends the session.
    package var onTermination: () -> Void = {}

    init(_ id: Int, process: Int, silenceLimit: Duration?, server: SimulatedServer) {
        self.id = id
        self.process = process
        self.silenceLimit = silenceLimit
        self.server = server
        timeline = server.timeline
    }

    func claim(_ mode: Mode, isOfTransaction: Bool = false) -> SimulatedLock.Claim {
        SimulatedLock.Claim(session: id, mode: mode, isOfTransaction: isOfTransaction)
    }

    func plan(_ delay: Duration, _ action: @escaping () -> Void) {
        let epoch = self.epoch
        server.agenda.plan(after: delay) { [weak self] in
            guard let self, isAlive, self.epoch == epoch else { return }
            action()
        }
    }

    /// A session that hears nothing of its client for too long is ended.
    func beginIdling() {
        idleEpoch += 1
        guard let silenceLimit else { return }
        server.agenda.plan(after: silenceLimit) { [weak self, epoch = idleEpoch] in
            guard let self, isAlive, idleEpoch == epoch, case .idle = activity else { return }
            isExpired = true
            server.observer.willExpire(self)
            terminate()
        }
    }

    // MARK: What the client does

    package func receive(_ statement: SimulatedStatement, reply: @escaping (SimulatedReply) -> Void) {
        guard isAlive else { return }
        idleEpoch += 1
        inbox.append((statement, reply))
        if case .idle = activity { next() }
    }

    /// The client has closed the connection. A backend that waits for a lock notices that late.
    package func receiveClose() {
        isClosing = true
        switch activity {
        case .idle: terminate()
        case .running, .granted: break
        case .blocked:
            server.agenda.plan(after: server.chance.duration(server.behavior.closingTime)) { [weak self] in self?.terminate() }
        }
    }

    /// The session ends, and the server releases all that it holds.
    package func terminate() {
        guard isAlive else { return }
        isAlive = false
        endedAt = server.agenda.now
        heldAtDeath = Set(heldKeys.keys)
        var keys = heldAtDeath
        if case .blocked(let key, _) = activity { keys.insert(key) }
        heldKeys = [:]
        server.observer.didEnd(self)
        server.forget(self, keys: keys)
        if !isClosing { onTermination() }
    }

    // MARK: Running statements

    private func next() {
        guard !inbox.isEmpty else {
            activity = .idle
            if isClosing { terminate() } else { beginIdling() }
            return
        }
        let strike = isFaulty(server.behavior.statementErrors) ? Failure.randomError(server.chance) : nil
        activity = .running(strike: strike)
        plan(duration(of: inbox[0].0)) { [unowned self] in run(inbox[0].0) }
    }

    private func duration(of statement: SimulatedStatement) -> Duration {
        switch statement {
        case .position: return waitForDisk()
        case .own(let own) where own.statement == .position: return waitForDisk()
        case .own(let own): if case .work(let length) = own.body { return length }
        default: break
        }
        return server.chance.skewedDuration(server.behavior.statementTime)
    }

    func isFaulty(_ probability: Double) -> Bool {
        server.isFaulty && server.chance.happens(probability)
    }

    func ask(_ key: AdvisoryKey, _ claim: SimulatedLock.Claim, limit: Duration?, _ strike: Failure?) {
        if let strike {
            if server.chance.happens(0.3) { _ = take(key, claim) }
            return finish(SimulatedReply(failure: strike))
        }
        guard !server.isFull(for: key) else { return finish(SimulatedReply(failure: .full)) }
        activity = .blocked(key, claim)
        blockedSince = server.agenda.now
        if server.lock(key, claim) {
            wake()
            return
        }
        if let limit { plan(limit) { [unowned self] in signal(.lockTimeout) } }
        guard let timeout = server.behavior.deadlockTimeout else { return }
        plan(timeout) { [unowned self] in
            if server.isDeadlocked(self) { signal(.deadlock) }
        }
    }

    /// The lock has been granted.
    func wake() {
        guard case .blocked(let key, let claim) = activity else { return }
        activity = .granted(key, claim)
        noteGrant(of: key, claim)
        plan(server.chance.duration(server.behavior.waking)) { [unowned self] in
            finish(SimulatedReply(rows: [true], hasSaidOutcome: isCatchingWait))
        }
    }

    /// The key in whose queue it waits, and since when.
    package var wait: (key: AdvisoryKey, since: Instant)? {
        guard isAlive, case .blocked(let key, _) = activity else { return nil }
        return (key, blockedSince)
    }

    package var isBlocked: Bool { if case .blocked = activity { true } else { false } }
    var isActive: Bool { if case .idle = activity { false } else { true } }

    /// A cancel request arrives. It cancels what runs, and has no effect if nothing does.
    ///
    /// - Parameter isMissed: Whether it could strike something else than what it was sent for.
    package func signal(_ failure: Failure, isMissed: () -> Bool = { false }) {
        guard isAlive else { return }
        if isMissed() { server.observer.report("session \(id) could have a later statement struck by a cancel request") }
        switch activity {
        case .idle:
            break
        case .running:
            activity = .running(strike: failure)
            if inbox[0].0.isBody { finish(SimulatedReply(failure: failure)) }
        case .blocked(let key, _):
            activity = .running(strike: nil)
            server.leaveQueue(key, id)
            finish(ending(by: failure, isCaught: catches(failure)))
        case .granted(let key, let claim):
            // Grant and error race inside the server: mostly the error wins, and the lock is held all the same.
            guard server.chance.happens(0.9) else { break }
            let isCaught = catches(failure)
            // It was taken in the block that the error ends.
            if isCaught {
                block.forget(key, claim)
                letGo([(key, claim)])
            }
            finish(ending(by: failure, isCaught: isCaught))
        }
    }

    /// Whether the running statement reports what has ended it. An error may come before that, or after.
    private func catches(_ failure: Failure) -> Bool {
        isCatchingWait && [.cancelled, .lockTimeout].contains(failure.kind) && !server.chance.happens(0.1)
    }

    /// What a wait answers that was ended. For the client, a wait of a body that has caught its end has succeeded.
    private func ending(by failure: Failure, isCaught: Bool) -> SimulatedReply {
        isCaught && inbox[0].0.isBody ? SimulatedReply(rows: [false]) : SimulatedReply(failure: failure, hasSaidOutcome: isCaught)
    }

    /// Whether it runs a wait in a block that catches what ends the wait.
    private var isCatchingWait: Bool {
        guard case .own(let own) = inbox[0].0 else { return false }
        if case .wait = own.statement { return true }
        if case .wait = own.body { return true }
        return false
    }

    func finish(_ reply: SimulatedReply) {
        var reply = reply
        epoch += 1
        if reply.failure != nil, !reply.hasSaidOutcome { letGo(block.abort()) }
        letGo(block.endStatement())
        reply.transaction = block.state
        inbox.removeFirst().1(reply)
        next()
    }
}

// MARK: - Locks

extension SimulatedSession {
    /// The stronger one, if it holds the key in both.
    package func mode(of key: AdvisoryKey) -> Mode? {
        heldKeys[key].map { $0.contains { $0.mode == .exclusive } ? .exclusive : .shared }
    }

    func take(_ key: AdvisoryKey, _ claim: SimulatedLock.Claim) -> Bool {
        guard server.tryLock(key, claim) else { return false }
        noteGrant(of: key, claim)
        return true
    }

    private func noteGrant(of key: AdvisoryKey, _ claim: SimulatedLock.Claim) {
        if heldKeys[key] == nil { noteTenure(of: key) }
        heldKeys[key, default: []].append(claim)
        if claim.isOfTransaction { block.note(key, claim) }
    }

    /// A new number for the grant of a lock that other sessions may have held before.
    func noteTenure(of key: AdvisoryKey) {
        tenures[key] = server.nextTenure()
    }

    /// - Parameter other: A lock that is still held.
    func give(_ key: AdvisoryKey, _ claim: SimulatedLock.Claim, keeping other: SimulatedLock.Claim? = nil) -> Bool {
        guard let index = heldKeys[key]?.lastIndex(of: claim) else { return false }
        heldKeys[key]?.remove(at: index)
        if !(other.map { heldKeys[key]?.contains($0) == true } ?? false) { server.observer.willUnlock(key, on: self) }
        if heldKeys[key]?.isEmpty == true { heldKeys[key] = nil }
        return server.unlock(key, claim)
    }

    /// As `pg_advisory_unlock_all` does it.
    func giveAll() {
        for key in heldKeys.keys.sorted() {
            for mode in Mode.allCases { while give(key, claim(mode)) {} }
        }
    }

    /// The transaction, or a part of it, has ended.
    func letGo(_ locks: [SimulatedBlock.Locked]) {
        for (key, claim) in locks {
            guard let index = heldKeys[key]?.lastIndex(of: claim) else { continue }
            heldKeys[key]?.remove(at: index)
            if heldKeys[key]?.isEmpty == true { heldKeys[key] = nil }
            server.observer.didRelease(key, on: self, left: mode(of: key))
            _ = server.unlock(key, claim)
        }
    }
}
