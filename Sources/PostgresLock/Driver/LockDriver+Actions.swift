import LibPQ
import LockCore
import Logging

// The only code that carries out the engine's actions, and that passes the transport's events to the engine.
extension LockDriver {
    func perform(_ action: Engine.Action) {
        switch action {
        case .resolve(let id, let outcome):
            resolve(id, outcome)
        case .choose(let id, let key):
            (calls[id] as? LockState)?.choose(key)
        case .lose(let ids, let failure):
            let calls = ids.compactMap { self.calls[$0] }
            for call in calls { self.calls.remove(call) }
            end(calls, failure)
        case .endAccess(let id, let failure):
            if let session = endCheckOut(of: id) { lose(session, failure) } else { lostSessions[id] = failure }
        case .renew(let id, let until):
            validities[id]?.renew(until)
        case .survey:
            transport.survey()
        case .noteRequests(let requests):
            note(requests)
            publishHolds()
        case .giveToken(let id, let position, let index):
            transport.note(position)
            (calls[id] as? LockState)?.token = FencingToken(position, index: index)
        case .suspect(_, let requests, let failure):
            end(requests.compactMap { calls[$0] }, failure, isSuspicion: true)
        case .connect(let id, _):
            reports?.connectionTimes.noteConnecting(id, now: now)
            transport.open(id)
        case .submit(let id, .statement(let call)):
            guard let call = calls[call] as? StatementsCall, let scope = checkedOut[id]?.scope else { break }
            transport.submit(call.submission, in: scope, body: call.body, of: call.id, on: id)
        case .submit(let id, let work):
            transport.submit(work, on: id)
        case .convert:
            // A transport needs no notice: the work that follows says what the session is for.
            break
        case .cancelOutOfBand(let id):
            transport.cancelOutOfBand(id)
        case .close(let id):
            (sessions[id], validities[id], latestValidity) = (nil, nil, nil)
            reports?.connectionTimes.noteConnected(id, false, now: now)
            transport.close(id)
        case .terminated:
            noteTermination()
        case .log(let event):
            note(event)
        }
    }

    private func lose(_ session: SessionDriver, _ failure: Failure) {
        if let first = session.first { engine.transactionReleased(first.id, now: now) }
        session.assumeIsolated { $0.lose(failure) }
    }

    /// - Returns: Who had the session; `nil` if it was not checked out.
    private func endCheckOut(of id: ConnectionID) -> SessionDriver? {
        reports?.connectionTimes.noteGivenBack(id, now: now)
        return checkedOut.removeValue(forKey: id)
    }

    /// A checked-out session is used no more.
    func takeBack(_ session: SessionDriver, isClean: Bool) {
        guard endCheckOut(of: session.id) != nil else { return }
        drive { $0.giveBack(session.id, isClean: isClean, now: $1) }
    }

    /// Looks after a checked-out session from now on.
    ///
    /// - Returns: Whether the session lives for certain.
    func guardSession(_ id: ConnectionID) -> Bool {
        var isCertain = false
        drive { isCertain = $0.guardCheckedOut(id, now: $1) }
        return isCertain
    }

    /// It is not known any more what a checked-out session holds. Only the end of the session makes that certain.
    func giveUp(_ session: SessionDriver, _ failure: Failure) {
        guard checkedOut[session.id] === session else { return }
        _ = endCheckOut(of: session.id)
        logger.error(
            "the locks of a session are not what they should be; the connection is given up",
            metadata: [LogKey.connection: "\(session.id.rawValue)", LogKey.reason: "\(failure.message)"]
        )
        lose(session, failure)
        drive { $0.giveBack(session.id, isClean: false, now: $1) }
    }

    /// Other sessions ask for the release of locks. Each request is for those who hold the lock when it is first seen.
    private func note(_ requests: [Engine.AddressedRequest]) {
        let (new, ended) = releaseRequests.update(requests)
        giveBack(ended.filter { $0.beginRelease() })
        for addressed in new {
            let key = addressed.request.key
            let states =
                checkedOut[addressed.session].map { $0.assumeIsolated { $0.states(on: key) } }
                ?? addressed.holders.compactMap { calls[$0] as? LockState }
            if let first = states.first {
                logger.info("another session asks for the release of a lock", metadata: [LogKey.key: "\(first.key)"])
            }
            for state in states { state.requestRelease(cancelsBody: configuration.releaseRequests.cancelsBody) }
            releaseRequests.answer(addressed.request.number, when: states, by: self)
        }
    }

    private func publishHolds() {
        guard configuration.publishesHolds, calls.slotCount <= HoldPublications.mostCalls else { return }
        let now = eventTime
        for call in calls.all {
            // The lock of a transaction is in no session of the engine's: its beginning is seen by other means.
            guard let lock = call as? LockState, lock.isHeld, let age = lock.grantedAt?.duration(to: now),
                age >= configuration.publicationDelay, HoldPublications.isPublished(lock), engine.session(of: lock.id) != nil
            else { continue }
            publications.publish(lock, age: age, by: self)
        }
    }

    /// The holders are told, but still have to release their locks: the session may live.
    private func end(_ holders: [PendingCall], _ failure: Failure, isSuspicion: Bool = false) {
        let losses = holders.lazy.compactMap { $0 as? LockState }.map { ($0, self.lossError(failure, key: $0.key)) }
        noteLosses(LockState.end(Array(losses), isSuspicion: isSuspicion), LossReason(failure))
    }

    /// A release has failed whose caller has not waited for it.
    func noteReleaseFailure(_ state: LockState, _ failure: Failure) {
        // A loss that was known before was thrown. A shutdown without a grace period does not wait for releases, which its end carries out.
        guard state.loss == nil, failure.kind != .shutDown, let loss = loss(of: state, releasedBy: .failed(failure)) else { return }
        counts.unawaitedReleaseFailures += 1
        logger.error(
            "a release that was not waited for has failed",
            metadata: [LogKey.key: "\(state.key)", LogKey.reason: "\(loss.message)"],
            of: state.observed?.observation.logger
        )
    }

    private func note(_ event: Engine.Event) {
        var loss = LogRelay.SessionLoss()
        var isKnown = false
        switch event {
        case .connectionLost(let id, _, let failure, let holders):
            if [.noAnswer, .suspect].contains(failure.kind) { transport.noteSilence(of: id) }
            loss = self.loss(of: id, holders)
        case .overdue(let id): transport.noteSilence(of: id)
        case .connectFailed(let role, let failure, _):
            counts.connectFailures += 1
            isKnown = outages.noteFailure(role, failure)
        case .verifiedAfterError(let held): counts.noteVerification(held: held)
        case .waitRenewed: counts.renewedWaits += 1
        default: break
        }
        logger.log(event, loss, isKnown: isKnown)
    }

    /// What is lost with a session, before that is carried out.
    private func loss(of id: ConnectionID, _ holders: [RequestID]) -> LogRelay.SessionLoss {
        let checkedOut = checkedOut[id]?.assumeIsolated { $0.heldKeys } ?? []
        let keys = checkedOut + holders.prefix(10).compactMap { (calls[$0] as? LockState)?.key }
        return LogRelay.SessionLoss(keys: keys, count: checkedOut.count + holders.count, processID: sessions[id]?.processID ?? 0)
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
            databaseName = facts.databaseName
            logger.logConnected(afterFailures: outages.noteSuccess())
            if let address = facts.address { telemetry.server.withLock { $0 = address } }
            reports?.connectionTimes.noteConnected(id, true, now: now)
            if configuration.sessionLease != nil { validities[id] = SessionValidity(clock) }
            drive { $0.connected(id, lockTableSize: facts.lockTableSize, now: $1) }
        case .notOpened(let id, let failure):
            reports?.connectionTimes.noteConnected(id, false, now: now)
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
}
