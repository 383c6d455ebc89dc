import LockCore

// The statements of the engine.
extension SimulatedSession {
    func run(_ statement: SimulatedStatement) {
        guard case .running(let strike) = activity else { return }
        switch statement {
        case .heartbeat:
            finish(SimulatedReply())
        case .commit:
            if block.state == .none { server.observer.report("session \(id) commits without a transaction") }
            letGo(block.end())
            finish(SimulatedReply(failure: strike))
        case .own(let own):
            run(own, strike)
        case _ where block.state == .aborted:
            finish(SimulatedReply(failure: .aborted))
        case .begin:
            if strike == nil { block.begin(server.nextBlock()) }
            finish(SimulatedReply(failure: strike))
        case .askActivity(let target):
            finish(SimulatedReply(rows: strike == nil ? sight(of: target) : [], failure: strike))
        case .look(let targets):
            finish(SimulatedReply(rows: strike == nil ? look(at: targets) : [], failure: strike))
        case .askRequests(let asked):
            finish(SimulatedReply(requests: strike == nil ? asked.map { server.takeRequests(to: $0) } : nil, failure: strike))
        case .countLocks:
            finish(SimulatedReply(count: strike == nil ? server.countLocks() : nil, failure: strike))
        case .position:
            if strike == nil { flush(server.writeRecord()) } else { finish(SimulatedReply(failure: strike)) }
        case .batch(let batch):
            finish(run(batch, strike))
        case .tryAny(let attempt):
            finish(run(attempt, strike))
        case .releaseHeld(let keys, let mode):
            if strike == nil { for key in keys where holds(key, mode) { _ = give(key, claim(mode)) } }
            finish(SimulatedReply(failure: strike))
        case .wait(let key, let mode, let limit):
            if !heldKeys.isEmpty { server.observer.report("session \(id) waits, and holds \(heldKeys.keys.sorted())") }
            ask(key, claim(mode), limit: limit, strike)
        case .releaseAll:
            guard strike == nil else { return finish(SimulatedReply(failure: strike)) }
            if !heldKeys.isEmpty { server.observer.willReleaseAll(of: self) }
            giveAll()
            finish(SimulatedReply(rows: [true]))
        case .changeMode(let key, let mode):
            finish(runChange(key, mode, strike))
        case .cancel(let target, let onlyLockWaits, let isMissed):
            runCancel(target, onlyLockWaits, isMissed, strike)
        }
    }

    /// What the server shows of another session: see `Engine.BackendActivity`.
    private func sight(of target: SimulatedSession?) -> [Bool] {
        guard let target, target.isAlive else { return [] }
        guard !server.behavior.hidesActivity else { return [false, false, false] }
        return [true, target.isActive, target.isActive]
    }

    /// Which of them harm other sessions by waiting. That is drawn at random, since the model has no index builds.
    private func look(at targets: [SimulatedSession?]) -> [Bool] {
        let isBuilding = server.chance.happens(server.behavior.builds)
        return targets.flatMap { target in
            [target?.isBlocked == true && server.chance.happens(server.behavior.harms), isBuilding]
        }
    }

    /// Other sessions may hold the lock meanwhile, and write their records. A record waits twice.
    func waitForDisk() -> Duration {
        server.chance.happens(server.behavior.diskWaits) ? server.chance.skewedDuration(server.behavior.diskTime) : .zero
    }

    func flush(_ position: WALPosition) {
        plan(waitForDisk()) { [unowned self] in
            guard case .running(let strike) = activity else { return }
            finish(SimulatedReply(position: strike == nil ? position : nil, failure: strike))
        }
    }

    /// The keys before the error stand; the one at which it happened may be taken all the same. Of the row at which it
    /// happened nothing is reported.
    func run(_ batch: Engine.Batch, _ strike: Failure?) -> SimulatedReply {
        var reply = SimulatedReply()
        let end = strike == nil ? batch.keys.count : server.chance.number(0...batch.keys.count - 1)
        for key in batch.keys.prefix(end) {
            if batch.kind.verb == .tryLock, server.isFull(for: key) {
                reply.failure = .full
                reply.rows.removeLast(reply.rows.count % Engine.Batch.keysPerRow)
                return reply
            }
            reply.rows.append(batch.kind.verb == .tryLock ? take(key, claim(batch.kind.mode)) : give(key, claim(batch.kind.mode)))
        }
        if strike != nil, batch.kind.verb == .tryLock, server.chance.happens(0.3) {
            _ = take(batch.keys[end], claim(batch.kind.mode))
        }
        reply.failure = strike
        if strike != nil { reply.rows.removeLast(end % Engine.Batch.keysPerRow) }
        return reply
    }

    /// Ends behind the last key that it takes. A key before an error may be taken and not be reported.
    private func run(_ attempt: LockTable.ChoiceTry, _ strike: Failure?) -> SimulatedReply {
        var reply = SimulatedReply()
        var count = 0
        let end = strike == nil ? attempt.keys.count : server.chance.number(0...attempt.keys.count - 1)
        for (place, key) in attempt.keys.enumerated() where count < attempt.count {
            guard place < end else {
                if server.chance.happens(0.3) { _ = take(key, claim(attempt.mode)) }
                break
            }
            guard !server.isFull(for: key) else {
                reply.failure = .full
                return reply
            }
            guard take(key, claim(attempt.mode)) else { continue }
            count += 1
            reply.rows += SimulatedReply.bits(of: place)
        }
        reply.failure = strike
        return reply
    }

    private func holds(_ key: AdvisoryKey, _ mode: Mode) -> Bool { heldKeys[key]?.contains(claim(mode)) == true }

    private func runChange(_ key: AdvisoryKey, _ mode: Mode, _ strike: Failure?) -> SimulatedReply {
        let other: Mode = mode == .shared ? .exclusive : .shared
        guard strike == nil || server.chance.happens(0.5) else { return SimulatedReply(failure: strike) }
        guard take(key, claim(mode)) else { return SimulatedReply(failure: strike) }
        if mode == .exclusive { noteTenure(of: key) }
        guard strike == nil || server.chance.happens(0.5) else { return SimulatedReply(failure: strike) }
        return SimulatedReply(rows: [give(key, claim(other), keeping: claim(mode))], failure: strike)
    }

    private func runCancel(_ target: SimulatedSession?, _ onlyLockWaits: Bool, _ isMissed: @escaping () -> Bool, _ strike: Failure?) {
        if server.behavior.cancelsForbidden {
            return finish(SimulatedReply(failure: Failure(.statement, "permission denied", sqlState: "42501")))
        }
        guard strike == nil else { return finish(SimulatedReply(failure: strike)) }
        guard let target, target.isAlive, onlyLockWaits ? target.isBlocked : target.isActive else {
            return finish(SimulatedReply())
        }
        // The signal arrives before the answer, but what it meets may be something else by then. It arrives also if the session ends
        // meanwhile that has sent it.
        let time = server.chance.happens(server.behavior.lateCancels) ? .zero ... .milliseconds(200) : server.behavior.cancelTime
        server.agenda.plan(after: server.chance.skewedDuration(time)) { [weak self, epoch] in
            target.signal(.cancelledByServer, isMissed: isMissed)
            if let self, isAlive, self.epoch == epoch { finish(SimulatedReply(rows: [true])) }
        }
    }
}
