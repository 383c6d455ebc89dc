import LockCore

/// One backend of the server: runs what it is sent, one after the other.
final class SimulatedSession {
    private enum Activity {
        case idle
        /// Runs, and does not wait. `strike` is how it will fail.
        case running(strike: Failure?)
        /// Stands in the queue of a lock.
        case blocked(AdvisoryKey)
        /// The lock is granted, but the backend has not come to say so.
        case granted
    }

    /// A transaction around several statements.
    private enum Burst {
        case none
        case open
        case aborted
    }

    let id: Int
    let process: Int
    private unowned let server: SimulatedServer
    private var inbox: [(SimulatedStatement, (SimulatedReply) -> Void)] = []
    private var activity = Activity.idle
    /// Makes what was planned for an earlier statement void.
    private var epoch = 0
    private var isClosing = false
    private var burst = Burst.none
    private var idleEpoch = 0

    private var blockedSince = Instant(nanoseconds: 0)
    private(set) var isAlive = true
    /// It was ended for its silence.
    private(set) var isExpired = false
    private(set) var endedAt: Instant?
    private(set) var heldKeys: [AdvisoryKey: Int] = [:]
    /// The number of the server's latest grant of a key to it.
    private(set) var tenures: [AdvisoryKey: Int] = [:]
    private(set) var heldAtDeath: Set<AdvisoryKey> = []
    /// Tells the client, when the server ends the session.
    var onTermination: () -> Void = {}

    init(_ id: Int, process: Int, server: SimulatedServer) {
        self.id = id
        self.process = process
        self.server = server
    }

    private func claim(_ mode: Mode) -> SimulatedLock.Claim {
        SimulatedLock.Claim(session: id, mode: mode)
    }

    private func plan(_ delay: Duration, _ action: @escaping () -> Void) {
        let epoch = self.epoch
        server.agenda.plan(after: delay) { [weak self] in
            guard let self, isAlive, self.epoch == epoch else { return }
            action()
        }
    }

    /// How many places in the lock table are due to it.
    var lockCount: Int {
        guard isAlive else { return 0 }
        if case .blocked = activity { return heldKeys.count + 1 }
        return heldKeys.count
    }

    /// A session that hears nothing for the lease is ended.
    func beginIdling() {
        idleEpoch += 1
        guard let lease = server.profile.engine.lease else { return }
        server.agenda.plan(after: server.clock.duration(of: lease)) { [weak self, epoch = idleEpoch] in
            guard let self, isAlive, idleEpoch == epoch, case .idle = activity else { return }
            isExpired = true
            server.ledger.sessionExpires(self)
            terminate()
        }
    }

    // MARK: What the client does

    func receive(_ statement: SimulatedStatement, reply: @escaping (SimulatedReply) -> Void) {
        guard isAlive else { return }
        idleEpoch += 1
        inbox.append((statement, reply))
        if case .idle = activity { next() }
    }

    /// The client has closed the connection. A backend that waits for a lock notices that late.
    func receiveClose() {
        isClosing = true
        switch activity {
        case .idle: terminate()
        case .running, .granted: break
        case .blocked:
            server.agenda.plan(after: server.chance.duration(.zero ... .seconds(5))) { [weak self] in self?.terminate() }
        }
    }

    /// The session ends, for whatever reason, and the server releases all that it holds.
    func terminate() {
        guard isAlive else { return }
        isAlive = false
        endedAt = server.agenda.now
        heldAtDeath = Set(heldKeys.keys)
        var keys = heldAtDeath
        if case .blocked(let key) = activity { keys.insert(key) }
        heldKeys = [:]
        server.ledger.sessionEnded(self)
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
        let strike = isFaulty(server.profile.statementErrors) ? Failure.randomError(server.chance) : nil
        activity = .running(strike: strike)
        var duration = server.chance.skewedDuration(.microseconds(5) ... .milliseconds(1))
        if case .work(let length) = inbox[0].0 { duration = length }
        if case .position = inbox[0].0 { duration = waitForDisk() }
        plan(duration) { [unowned self] in run(inbox[0].0) }
    }

    private func isFaulty(_ probability: Double) -> Bool {
        server.isFaulty && server.chance.happens(probability)
    }

    private func run(_ statement: SimulatedStatement) {
        guard case .running(let strike) = activity else { return }
        switch statement {
        case .heartbeat:
            finish(SimulatedReply())
        case .probe(let target) where burst != .aborted:
            finish(SimulatedReply(rows: sight(of: target), failure: strike))
        case .commit:
            if burst == .none { server.ledger.report("session \(id) commits without a transaction") }
            burst = .none
            finish(SimulatedReply(failure: strike))
        case _ where burst == .aborted:
            finish(SimulatedReply(failure: .aborted))
        case .begin:
            if strike == nil { burst = .open }
            finish(SimulatedReply(failure: strike))
        case .probe:
            finish(SimulatedReply(failure: strike))
        case .look(let targets):
            finish(SimulatedReply(rows: strike == nil ? look(at: targets) : [], failure: strike))
        case .countLocks:
            finish(SimulatedReply(count: strike == nil ? server.countLocks() : nil, failure: strike))
        case .position:
            if strike == nil { flush(server.writeRecord()) } else { finish(SimulatedReply(failure: strike)) }
        case .batch(let batch):
            finish(runBatch(batch, strike))
        case .wait(let key, let mode, let limit):
            if !heldKeys.isEmpty { server.ledger.report("session \(id) waits, and holds \(heldKeys.keys.sorted())") }
            ask(key, mode, limit: limit, strike)
        case .transactionLock(let key, let mode, isTry: true):
            let strike = strike ?? (server.isFull(for: key) ? .full : nil)
            guard strike == nil else { return finish(SimulatedReply(failure: strike)) }
            finish(SimulatedReply(rows: [take(key, mode)]))
        case .transactionLock(let key, let mode, isTry: false):
            ask(key, mode, limit: nil, strike)
        case .releaseAll:
            guard strike == nil else { return finish(SimulatedReply(failure: strike)) }
            if !heldKeys.isEmpty { server.ledger.provedHeld += 1 }
            giveAll()
            finish(SimulatedReply(rows: [true]))
        case .changeMode(let key, let mode):
            finish(runChange(key, mode, strike))
        case .cancel(let target, let aim, let onlyLockWaits):
            runCancel(target, aim, onlyLockWaits, strike)
        case .work:
            finish(SimulatedReply(failure: strike))
        case .endTransaction:
            // Rolling back is not struck by a cancel, but may find a broken session.
            giveAll()
            finish(SimulatedReply())
        }
    }

    /// What the server shows of another session: see `Engine.Sighting`.
    private func sight(of target: SimulatedSession?) -> [Bool] {
        guard let target, target.isAlive else { return [] }
        guard !server.profile.hidesActivity else { return [false, false, false] }
        return [true, target.isActive, target.isActive]
    }

    /// Which of them harm somebody by waiting. That is drawn, since the model knows no index builds.
    private func look(at targets: [SimulatedSession?]) -> [Bool] {
        let isBuilding = server.chance.happens(0.5)
        return targets.flatMap { target in
            [target?.isBlocked == true && server.chance.happens(server.profile.harms), isBuilding]
        }
    }

    /// Others may hold the lock meanwhile, and write records of theirs. Twice that is less than any response timeout.
    /// A record waits twice, and is answered within the lease all the same.
    private func waitForDisk() -> Duration {
        let limit = min(.milliseconds(500), (server.profile.engine.lease ?? .seconds(2)) / 4)
        return server.chance.happens(0.3) ? server.chance.skewedDuration(.zero...limit) : .zero
    }

    private func flush(_ position: WALPosition) {
        plan(waitForDisk()) { [unowned self] in
            guard case .running(let strike) = activity else { return }
            finish(SimulatedReply(position: strike == nil ? position : nil, failure: strike))
        }
    }

    /// The keys before the error stand; the one at which it happened may be taken all the same. Of the row at which it
    /// happened nothing is reported.
    private func runBatch(_ batch: Engine.Batch, _ strike: Failure?) -> SimulatedReply {
        var reply = SimulatedReply()
        let end = strike == nil ? batch.keys.count : server.chance.number(0...batch.keys.count - 1)
        for key in batch.keys.prefix(end) {
            if batch.kind.verb == .tryLock, server.isFull(for: key) {
                reply.failure = .full
                reply.rows.removeLast(reply.rows.count % Engine.Batch.keysPerRow)
                return reply
            }
            reply.rows.append(batch.kind.verb == .tryLock ? take(key, batch.kind.mode) : give(key, batch.kind.mode))
        }
        if strike != nil, batch.kind.verb == .tryLock, server.chance.happens(0.3) {
            _ = take(batch.keys[end], batch.kind.mode)
        }
        reply.failure = strike
        if strike != nil { reply.rows.removeLast(end % Engine.Batch.keysPerRow) }
        return reply
    }

    private func runChange(_ key: AdvisoryKey, _ mode: Mode, _ strike: Failure?) -> SimulatedReply {
        let other: Mode = mode == .shared ? .exclusive : .shared
        guard strike == nil || server.chance.happens(0.5) else { return SimulatedReply(failure: strike) }
        guard take(key, mode) else { return SimulatedReply(failure: strike) }
        if mode == .exclusive { tenures[key] = server.nextTenure() }
        guard strike == nil || server.chance.happens(0.5) else { return SimulatedReply(failure: strike) }
        return SimulatedReply(rows: [give(key, other, keeping: mode)], failure: strike)
    }

    private func ask(_ key: AdvisoryKey, _ mode: Mode, limit: Duration?, _ strike: Failure?) {
        if let strike {
            if server.chance.happens(0.3) { _ = take(key, mode) }
            return finish(SimulatedReply(failure: strike))
        }
        guard !server.isFull(for: key) else { return finish(SimulatedReply(failure: .full)) }
        activity = .blocked(key)
        blockedSince = server.agenda.now
        if server.lock(key, claim(mode)) {
            wake()
        } else if let limit {
            plan(limit) { [unowned self] in signal(Failure(.lockTimeout, "Lock timeout.", sqlState: "55P03")) }
        }
    }

    /// The lock has been granted.
    func wake() {
        guard case .blocked(let key) = activity else { return }
        activity = .granted
        noteGrant(of: key)
        plan(server.chance.duration(server.profile.waking)) { [unowned self] in
            finish(SimulatedReply(rows: [true]))
        }
    }

    private func runCancel(_ target: SimulatedSession?, _ aim: SimulatedCancelAim, _ onlyLockWaits: Bool, _ strike: Failure?) {
        if server.profile.cancelsForbidden {
            return finish(SimulatedReply(failure: Failure(.statement, "permission denied", sqlState: "42501")))
        }
        guard strike == nil else { return finish(SimulatedReply(failure: strike)) }
        guard let target, target.isAlive, onlyLockWaits ? target.isBlocked : target.isActive else {
            return finish(SimulatedReply())
        }
        // The signal arrives before the answer, but what it meets may be something else by then. It arrives also if the session ends
        // meanwhile that has sent it.
        let most: Duration = server.chance.happens(0.1) ? .milliseconds(200) : .milliseconds(1)
        server.agenda.plan(after: server.chance.skewedDuration(.zero...most)) { [weak self, epoch] in
            target.signal(.cancelledByServer, aim)
            if let self, isAlive, self.epoch == epoch { finish(SimulatedReply(rows: [true])) }
        }
    }

    /// The key whose queue it stands in, and since when.
    var wait: (key: AdvisoryKey, since: Instant)? {
        guard isAlive, case .blocked(let key) = activity else { return nil }
        return (key, blockedSince)
    }

    private var isBlocked: Bool { if case .blocked = activity { true } else { false } }
    private var isActive: Bool { if case .idle = activity { false } else { true } }

    /// A cancel request arrives. It strikes whatever runs, and is swallowed if nothing does.
    ///
    /// - Parameter aim: What it was sent for, if a process of ours has sent it.
    func signal(_ failure: Failure, _ aim: SimulatedCancelAim? = nil) {
        guard isAlive else { return }
        if let aim, aim.isMissed { server.ledger.report("session \(id) could have a later statement struck by a cancel request") }
        switch activity {
        case .idle:
            break
        case .running:
            activity = .running(strike: failure)
            if case .work = inbox[0].0 { finish(SimulatedReply(failure: failure)) }
        case .blocked(let key):
            activity = .running(strike: nil)
            server.leaveQueue(key, id)
            finish(SimulatedReply(failure: failure))
        case .granted:
            // Grant and error race inside the server: mostly the error wins, and the lock is held all the same.
            if server.chance.happens(0.9) { finish(SimulatedReply(failure: failure)) }
        }
    }

    private func finish(_ reply: SimulatedReply) {
        epoch += 1
        if reply.failure != nil, burst == .open { burst = .aborted }
        inbox.removeFirst().1(reply)
        next()
    }

    private func giveAll() {
        for key in heldKeys.keys.sorted() {
            for mode in Mode.allCases { while give(key, mode) {} }
        }
    }

    private func noteGrant(of key: AdvisoryKey) {
        if heldKeys[key] == nil { tenures[key] = server.nextTenure() }
        heldKeys[key, default: 0] += 1
    }

    private func take(_ key: AdvisoryKey, _ mode: Mode) -> Bool {
        guard server.tryLock(key, claim(mode)) else { return false }
        noteGrant(of: key)
        return true
    }

    /// - Parameter other: Held still, so that nobody is left without a lock.
    private func give(_ key: AdvisoryKey, _ mode: Mode, keeping other: Mode? = nil) -> Bool {
        let holders = server.holders(of: key)
        guard holders.contains(claim(mode)) else { return false }
        heldKeys[key] = heldKeys[key].flatMap { $0 > 1 ? $0 - 1 : nil }
        if !(other.map { holders.contains(claim($0)) } ?? false) { server.ledger.unlocks(key, self) }
        return server.unlock(key, claim(mode))
    }
}
