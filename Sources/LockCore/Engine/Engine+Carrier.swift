// What can't block, on the shared sessions: see `SharedSessions`.
extension Engine {
    /// What has come together goes out.
    mutating func flush(now: Instant) {
        if needsPreparation { prepareRound(now: now) }
        if records.isAnyToWrite { writeRecord(now: now) }
        let isSomethingToDo = shared.hasWork || looks.isDue || quota.isCountDue
        for place in shared.places where isSomethingToDo || shared.unlockCount(at: place) > 0 {
            guard isFree(shared[place]) else { continue }
            sendRound(at: place, now: now)
        }
        // The last free session may be busy now, and another one have been silent for too long.
        if isSomethingToDo { noteOverdue(now: now) }
    }

    private mutating func sendRound(at place: Int, now: Instant) {
        let id = shared[place]
        var round = takeCancels() + shared.takeProbes()
        if let look = takeLooks(now: now) { round.append(look) }
        // Where others may do a part of the tries, one does not take all.
        let limit = configuration.maximumCarriers > 1 ? configuration.batchSize : .max
        let tryLimit = shared.hasTries && id == leastHolding ? limit : 0
        shared.takeBatches(into: &round, at: place, tryLimit: tryLimit, size: configuration.batchSize)
        // Behind the tries, so that what they take is counted.
        if let count = takeCount(on: id) { round.append(count) }
        guard !round.isEmpty else { return }
        let isLarge = sessions.read(id) { [threshold = configuration.burstThreshold] in $0.mostHeld >= threshold }
        shared.frame(&round, at: place, isLarge: isLarge ?? false, now: now)
        for work in round { submit(work, on: id, now: now) }
        ensureCarrier(now: now)
    }

    private mutating func takeCancels() -> [Work] {
        guard shared.hasCancels else { return [] }
        return shared.takeCancels().compactMap { target in
            sessions.update(target) { $0.noteCancelTaken() }
            return sessions[target]?.cancelRequest.map { .cancel(target, onlyLockWaits: $0.onlyLockWaits) }
        }
    }

    /// Whether it can be sent a round now.
    func isFree(_ id: ConnectionID) -> Bool { sessions.read(id) { $0.isFree } ?? false }

    var hasFreeCarrier: Bool { sessions.contains { $0.isFree } }

    /// Whether there is a shared session that is connected, free or not.
    var isCarrying: Bool { sessions.contains { $0.isShared } }

    /// The free shared session that gets what is to be tried.
    private var leastHolding: ConnectionID? {
        guard shared.count > 1 else { return shared.places.first.map { shared[$0] } }
        // Those beyond the limit are to be rid of what they hold.
        guard shared.count <= configuration.maximumCarriers else { return sessions.first { $0.isFree } }
        return sessions.all.filter(\.isFree).min { $0.heldCount < $1.heldCount }?.id
    }

    /// How many locks the next round releases ahead of what it tries. Others may be released after it.
    var unlockCount: Int { leastHolding.map { shared.unlockCount(on: $0) } ?? 0 }

    /// The session whose answer is all that is waited for, if it can't take long.
    var loneConnection: ConnectionID? {
        guard calls.count == 1, shared.count == 1, !shared.hasTries else { return nil }
        let isShort = sessions.read(shared[0]) { if case .batch = $0.loneWork { true } else { false } }
        return isShort == true ? shared[0] : nil
    }

    /// The oldest unanswered statement of a connection has been answered.
    package mutating func answered(_ id: ConnectionID, _ answer: Answer, now: Instant) {
        guard let submission = sessions.update(id, { $0.answered(now: now) }) ?? nil else { return }
        let (work, sentAt) = (submission.work, submission.sentAt)
        sessions.noteHeard(now: now)
        renew(id, sentAt: sentAt, now: now)
        if let failure = answer.failure {
            if failure == .unexpectedAnswer { actions.append(.log(.unexpectedAnswer(id))) }
            endTransaction(on: id, isOpen: work != .begin, now: now)
            guard failure.kind != .transactionAborted else { return putBack(work, of: id, now: now) }
        }
        take(answer, to: work, on: id, sentAt: sentAt, now: now)
        settleTable(now: now)
        settleUnconfirmed(on: id, now: now)
        retireCarriers(now: now)
        if contention.queuedCount > 0 { assignConnections(now: now) }
    }

    private mutating func take(_ answer: Answer, to work: Work, on id: ConnectionID, sentAt: Instant, now: Instant) {
        switch (work, answer) {
        case (.begin, _), (.commit, _), (.heartbeat, _):
            // Whatever is wrong with the session will show where it matters: a transaction that did not begin leaves its
            // statements one each, and one whose end has failed has ended.
            break
        case (.statement, _):
            settleCancelRequest(of: id, now: now)
        case (.batch(let batch), .keys(let rows, let failure)):
            switch batch.kind.verb {
            case .tryLock: triesAnswered(batch, on: id, rows, failure, now: now)
            case .unlock: unlocksAnswered(batch, on: id, rows, failure, now: now)
            }
        case (.wait(let key, _, _), .done):
            waitGranted(key, on: id, now: now)
        case (.wait(let key, _, _), .failed(let failure)):
            waitFailed(key, on: id, failure, now: now)
        case (.releaseAll, .done):
            allReleased(on: id, now: now)
        case (.changeMode(let key, _), .changed(let isChanged)):
            table.modeChanged(key, isChanged, now: now)
        case (.cancel(let target, let onlyLockWaits), .cancelled(let isFound)):
            if onlyLockWaits, isFound { noteWaitFound(target, now: now) }
            cancelAnswered(target, isFound ? .found : .notFound, now: now)
        case (.cancel(let target, _), .failed):
            cancelAnswered(target, .refused, now: now)
        case (.probe(let target, let forDeadline), .activity(let sighting)):
            probed(target, sighting, forDeadline: forDeadline, sentAt: sentAt, now: now)
        case (.probe(let target, _), .failed):
            sessions.update(target) { $0.forgetAsked() }
        case (.look(let asked), .looks(let harms)) where harms.count == asked.count:
            lookAnswered(asked, harms, sentAt: sentAt, now: now)
        case (.look, _):
            planNextLook(hasFailed: true, now: now)
        case (.countLocks, .lockCount(let count)):
            locksCounted(count, on: id, now: now)
        case (.countLocks, _):
            locksCounted(nil, on: id, now: now)
        case (.position, .position(let position)):
            recordWritten(position, on: id, now: now)
        case (.position, .failed(let failure)):
            recordFailed(failure, on: id, now: now)
        // What is held now, and in which modes, is not known. Only the end of the session settles that.
        case (.releaseAll, .failed(let failure)), (.changeMode, .failed(let failure)):
            close(id, because: failure, now: now)
        case (.batch, _), (.wait, _), (.releaseAll, _), (.changeMode, _), (.cancel, _), (.probe, _), (.position, _):
            closeUnexpected(id, now: now)
        }
    }

    /// Answers that came before an error are exactly the keys that were tried until then. Of the row at which it failed, any
    /// number of keys may have been taken, so all of them have to prove that they are not; those behind it were never
    /// reached.
    private mutating func triesAnswered(_ batch: Batch, on id: ConnectionID, _ rows: [Bool], _ failure: Failure?, now: Instant) {
        sessions.update(id) { $0.noteHeld(rows.count(where: \.self)) }
        for (key, isGranted) in zip(batch.keys, rows) { tried(key, isGranted: isGranted, on: id, now: now) }
        guard rows.count < batch.keys.count else { return }
        let rest = batch.keys.dropFirst(rows.count)
        guard let failure else {
            closeUnexpected(id, now: now)
            abandonTries(rest, now: now)
            return
        }
        guard shared.contains(id) else { return }
        shared.prove(rest.prefix(Batch.keysPerRow), batch.kind.mode, because: failure, on: id)
        for key in rest.dropFirst(Batch.keysPerRow) {
            tryFailed(key, failure, now: now)
        }
    }

    private mutating func tried(_ key: AdvisoryKey, isGranted: Bool, on id: ConnectionID, now: Instant) {
        let goesOnWaiting = contention.tried(key, isGranted: isGranted, using: &random, now: now)
        if isGranted {
            table.granted(key, on: id, now: now)
        } else if goesOnWaiting {
            table.noteTaken(key, now: now)
        } else {
            table.notGranted(key, now: now)
        }
    }

    /// The server could not try this key, and it is proved that it is not held.
    mutating func tryFailed(_ key: AdvisoryKey, _ failure: Failure, now: Instant) {
        contention.tryFailed(key, using: &random, now: now)
        switch failure.kind {
        // Somebody else's doing, and nothing that asking again would not cure.
        case .cancelled, .lockTimeout: table.interrupted(key, now: now)
        default: table.failed(key, failure, now: now)
        }
    }

    private mutating func unlocksAnswered(_ batch: Batch, on id: ConnectionID, _ rows: [Bool], _ failure: Failure?, now: Instant) {
        var isForeign = false
        let isShared = shared.contains(id)
        for (key, wasHeld) in zip(batch.keys, rows) {
            if let failure = shared.takeProof(key, on: id) {
                actions.append(.log(.provedAfterError(held: wasHeld)))
                tryFailed(key, failure, now: now)
            } else {
                if isShared { sessions.update(id) { $0.noteHeld(-1) } }
                unlocked(key, wasHeld: wasHeld, on: id, now: now)
                isForeign = isForeign || !wasHeld
            }
        }
        // Somebody has released what is ours, and nobody knows what else.
        if isForeign { closeUnexpected(id, now: now) }
        guard rows.count < batch.keys.count else { return }
        // An unlock that fails leaves open what is held. Only the end of the session settles that.
        close(id, because: failure ?? .unexpectedAnswer, now: now)
    }

    private mutating func unlocked(_ key: AdvisoryKey, wasHeld: Bool, on id: ConnectionID, now: Instant) {
        if sessions[id]?.state == .unlocking(key) { becomeIdle(id, now: now) }
        let failure = Failure(.notHeld, "The server says that its session did not hold the lock \(key).")
        table.unlocked(key, failure: wasHeld ? nil : failure, now: now)
    }

    /// The table wants a lock released, on whatever session holds it.
    mutating func unlock(_ key: AdvisoryKey, _ mode: Mode, on id: ConnectionID, now: Instant) {
        guard !shared.appendUnlock(key, mode, on: id) else { return }
        sessions.update(id) { $0.unlock(key) }
        submit(.batch(Batch(Batch.Kind(.unlock, mode, key.space), [key])), on: id, now: now)
    }

    // MARK: Changing modes

    mutating func changeMode(_ key: AdvisoryKey, to mode: Mode, on id: ConnectionID, now: Instant) {
        submit(.changeMode(key, to: mode), on: id, now: now)
    }

    private mutating func closeUnexpected(_ id: ConnectionID, now: Instant) {
        actions.append(.log(.unexpectedAnswer(id)))
        close(id, because: .unexpectedAnswer, now: now)
    }
}

extension Failure {
    package static let unexpectedAnswer = Failure(.connectionLost, "The server's answer did not fit what was asked.")
}
