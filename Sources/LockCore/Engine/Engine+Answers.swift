// What the server has answered, and what follows from it.
extension Engine {
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
        retireSharedSessions(now: now)
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
        case (.askActivity(let target, let forDeadline), .activity(let activity)):
            toldActivity(target, activity, forDeadline: forDeadline, sentAt: sentAt, now: now)
        case (.askActivity(let target, _), .failed):
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
        case (.batch, _), (.wait, _), (.releaseAll, _), (.changeMode, _), (.cancel, _), (.askActivity, _), (.position, _):
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
        shared.verify(rest.prefix(Batch.keysPerRow), batch.kind.mode, because: failure, on: id)
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
        // Others have ended the statement, and asking again cures that.
        case .cancelled, .lockTimeout: table.waitCancelled(key, now: now)
        default: table.failed(key, failure, now: now)
        }
    }

    private mutating func unlocksAnswered(_ batch: Batch, on id: ConnectionID, _ rows: [Bool], _ failure: Failure?, now: Instant) {
        var isForeign = false
        let isShared = shared.contains(id)
        for (key, wasHeld) in zip(batch.keys, rows) {
            if let failure = shared.takeVerification(key, on: id) {
                actions.append(.log(.verifiedAfterError(held: wasHeld)))
                tryFailed(key, failure, now: now)
            } else {
                if isShared { sessions.update(id) { $0.noteHeld(-1) } }
                unlocked(key, wasHeld: wasHeld, on: id, now: now)
                isForeign = isForeign || !wasHeld
            }
        }
        // Others have released a lock of this session, and which further ones is not known.
        if isForeign { closeUnexpected(id, now: now) }
        guard rows.count < batch.keys.count else { return }
        // An unlock that fails leaves open what is held. Only the end of the session settles that.
        close(id, because: failure ?? .unexpectedAnswer, now: now)
    }

    private mutating func unlocked(_ key: AdvisoryKey, wasHeld: Bool, on id: ConnectionID, now: Instant) {
        if sessions[id]?.state == .unlocking(key) { becomeIdle(id, now: now) }
        let failure = Failure(.notHeld, .notHeldAtServer(key))
        table.unlocked(key, failure: wasHeld ? nil : failure, now: now)
    }

    private mutating func closeUnexpected(_ id: ConnectionID, now: Instant) {
        actions.append(.log(.unexpectedAnswer(id)))
        close(id, because: .unexpectedAnswer, now: now)
    }
}

extension Failure {
    package static let unexpectedAnswer = Failure(.connectionLost, .unexpectedAnswer)
}
