import LibPQ
import LockCore
import Logging

// The one place that carries out what the engine decides.
extension LockManager {
    nonisolated var now: Instant { MonotonicTime.now }

    /// Tells the engine of an event, then does what it decides.
    func drive(_ event: (inout Engine, Instant) -> Void) {
        let time = turnTime ?? now
        turnTime = time
        engine.handle(now: time, event)
        performActions()
    }

    /// What has come together in one turn of the loop goes out.
    func endTurn() {
        let time = turnTime ?? now
        defer { turnTime = nil }
        let end = engine.endTurn(now: time)
        performActions()
        if let wake = end.wake { arm(at: wake, now: time) }
        transport.flush(loneSession: end.loneConnection)
    }

    private func performActions() {
        while let action = engine.nextAction() {
            perform(action)
        }
    }

    private func perform(_ action: Engine.Action) {
        switch action {
        case .resolve(let id, let outcome):
            resolve(id, outcome)
        case .lose(let id, let failure):
            lose(id, failure)
        case .endLoan(let id, let failure):
            if let state = lent.removeValue(forKey: id) { lose(state, failure) } else { lostLoans[id] = failure }
        case .renew(let id, let until):
            proofs[id]?.renew(until)
        case .survey:
            transport.survey()
        case .fence(let id, let position, let index):
            transport.note(position)
            (calls[id] as? LeaseState)?.token = FencingToken(position, index: index)
        case .suspect(_, let requests, let failure):
            suspect(requests, failure)
        case .connect(let id, _):
            transport.open(id)
        case .submit(let id, .statement(let call)):
            guard let call = calls[call] as? StatementsCall, let scope = lent[id]?.scope else { break }
            transport.submit(call.submission, in: scope, body: call.body, of: call.id, on: id)
        case .submit(let id, let work):
            transport.submit(work, on: id)
        case .convert(let id, let role):
            transport.convert(id, to: role)
        case .cancelOutOfBand(let id):
            transport.cancelOutOfBand(id)
        case .close(let id):
            (sessions[id], proofs[id]) = (nil, nil)
            transport.close(id)
        case .terminated:
            timer = nil
            for waiter in terminationWaiters { waiter.resume() }
            terminationWaiters = []
        case .log(let event):
            log(event)
        }
    }

    private func arm(at wake: Instant, now: Instant) {
        let timer =
            self.timer
            ?? LoopTimer(on: loop) { [weak self] in
                self?.assumeIsolated { manager in
                    manager.timer?.hasFired()
                    manager.drive { $0.advance(to: $1) }
                }
            }
        self.timer = timer
        timer.arm(at: wake.nanoseconds, now: now.nanoseconds)
    }

    private func lose(_ id: RequestID, _ failure: Failure) {
        guard let lease = calls.remove(id) as? LeaseState else { return }
        lease.end(lossError(failure, key: lease.key))
    }

    /// They are told, but the locks are still theirs to release: the session may live.
    private func suspect(_ requests: [RequestID], _ failure: Failure) {
        LeaseState.end(
            requests.compactMap { id in (calls[id] as? LeaseState).map { ($0, lossError(failure, key: $0.key)) } },
            isSuspicion: true
        )
    }

    nonisolated func lossError(_ failure: Failure, key: LockKey) -> LockError {
        let reason =
            switch failure.kind {
            case .shutDown: "the lock manager was shut down"
            case .suspect: "nothing proves any more that its session lives: \(failure.message.clause)"
            default: "its session ended: \(failure.message.clause)"
            }
        return LockError(
            .lockLost,
            "The lock \(key) in \(place) was lost, because \(reason). Others may hold it now: stop, and check what was done.",
            sqlState: failure.sqlState,
            keys: [key]
        )
    }

    // MARK: Events

    func handle(_ event: TransportEvent) {
        switch event {
        case .opening(let id, let limit, let failure):
            drive { engine, now in
                guard let failure else { return engine.connecting(id, until: limit.map { now.advanced(by: $0) }) }
                engine.connecting(id, until: limit.map { now.advanced(by: $0) }, orElse: failure)
            }
        case .opened(let id, let facts):
            sessions[id] = facts
            place = facts.place
            if configuration.sessionLease != nil { proofs[id] = ProofOfLife() }
            drive { $0.connected(id, lockTableSize: facts.lockTableSize, now: $1) }
        case .notOpened(let id, let failure):
            drive { $0.connectFailed(id, failure, now: $1) }
        case .answered(let id, let answer):
            drive { $0.answered(id, answer, now: $1) }
        case .replied(let call, let id, let replies, let body, let isLast):
            let call = calls[call] as? StatementsCall
            call?.replies += replies
            if let body { call?.result = body }
            if isLast { drive { $0.answered(id, .done, now: $1) } }
        case .lost(let id, let failure):
            drive { $0.lost(id, failure, now: $1) }
        case .cancelledOutOfBand(let id):
            drive { $0.cancelledOutOfBand(id, now: $1) }
        case .ended(let id):
            drive { engine, _ in engine.ended(id) }
        }
    }

    // MARK: Log

    private func log(_ event: Engine.Event) {
        switch event {
        case .connectFailed(let role, let failure, let pause):
            logger.info(
                "connecting failed",
                metadata: [LogKey.role: "\(role)", LogKey.retryIn: "\(pause)"].adding(failure.message, failure.sqlState)
            )
        case .connectionLost(let id, let role, let failure):
            if [.noAnswer, .suspect].contains(failure.kind) { transport.noteSilence(of: id) }
            logger.warning(
                "connection lost",
                metadata: [LogKey.connection: "\(id.rawValue)", LogKey.role: "\(role)"].adding(failure.message, failure.sqlState)
            )
        case .overdue(let id):
            transport.noteSilence(of: id)
            logger.info(
                "a session does not answer; what is asked next goes over another one",
                metadata: [LogKey.connection: "\(id.rawValue)"]
            )
        case .provedAfterError(let held):
            if let held { noteProof(held: held) }
            logger.debug("lock statement failed", metadata: [LogKey.wasHeld: "\(held.map(\.description) ?? "unknown")"])
        case .hiddenActivity(let id):
            logger.warning(
                """
                the server does not show what a session does: statements that run for longer than the lease can't keep their locks, \
                and waits whose answer a network swallows are not noticed; use one role, or one with pg_read_all_stats, and leave \
                track_activities on
                """,
                metadata: [LogKey.connection: "\(id.rawValue)"]
            )
        case .waitRenewed(let id):
            renewedWaits += 1
            logger.debug("a wait that holds up others on the server is begun anew", metadata: [LogKey.connection: "\(id.rawValue)"])
        case .invariantBroken(let id, let what):
            logBroken(id, what)
        case .keyBroken(let key, let what):
            logger.critical(
                "a fault of the lock library; the lock is given up, and with it the session that holds it",
                metadata: [LogKey.key: "\(key)", LogKey.reason: "\(what)"]
            )
        case .unexpectedAnswer(let id):
            logger.error("unexpected answer; the connection is given up", metadata: [LogKey.connection: "\(id.rawValue)"])
        }
    }

    func logBroken(_ id: ConnectionID, _ what: String) {
        logger.critical(
            "a fault of the lock library; the session is given up, and its locks are lost",
            metadata: [LogKey.connection: "\(id.rawValue)", LogKey.reason: "\(what)"]
        )
    }
}
