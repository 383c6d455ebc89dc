// Rounds of statements on shared sessions, and what the server answers on any session.
extension Engine {
    // MARK: Sending rounds

    /// Sends what the events of the turn have left to send.
    mutating func flush(now: Instant) {
        if needsPreparation { prepareRound(now: now) }
        if table.areChoicesDue { prepareChoices(now: now) }
        if records.isAnyToWrite { writeRecord(now: now) }
        let isWorkForAny = shared.hasWork || isMoreDue
        for slot in shared.slots where isWorkForAny || shared.unlockCount(at: slot) > 0 {
            guard sessions.isFree(shared[slot]) || mayFollowUnlock(at: slot, now: now) else { continue }
            sendRound(at: slot, now: now)
        }
        // The last free session may be busy now, and another one may have been silent for too long.
        if isWorkForAny { noteOverdue(now: now) }
        table.planChoicePolls(using: &random, now: now)
    }

    /// Whether what is pending may go out while the answer to an unlock is outstanding: one key, behind the unlock of one key. The session
    /// answers in order. Of more keys, one statement takes the server less time than several. If the session is silent, another one gets the key.
    private mutating func mayFollowUnlock(at slot: Int, now: Instant) -> Bool {
        guard shared.count == 1, shared.isOneKeyPending(at: slot), !isMoreDue, !needsPreparation, !table.areChoicesDue
        else { return false }
        return sessions.read(shared[slot]) {
            [threshold = configuration.batchTransactionThreshold, overdueAfter = configuration.overdueAfter] session in
            guard case .batch(let batch) = session.loneWork, let since = session.liveness.silentSince,
                now < since.advanced(by: overdueAfter)
            else { return false }
            return session.isShared && batch.kind.verb == .unlock && batch.keys.count == 1 && session.mostHeld < threshold
        } ?? false
    }

    private mutating func sendRound(at slot: Int, now: Instant) {
        let id = shared[slot]
        let isLarge = sessions.read(id) { [threshold = configuration.batchTransactionThreshold] in $0.mostHeld >= threshold } ?? false
        if !isLarge, shared.count == 1, !isMoreDue, let batch = shared.takeOnlyKey(at: slot) {
            submit(.batch(batch), on: id, now: now)
            return ensureSharedSession(now: now)
        }
        var round: [Work] = []
        if shared.hasCancels { round += takeCancels() }
        if shared.hasActivityQuestions { round += shared.takeActivityQuestions() }
        if let look = takeLooks(now: now) { round.append(look) }
        if let look = takeLookForRequests() { round.append(look) }
        let withTries = shared.hasTries && id == tryingSession
        shared.takeBatches(into: &round, at: slot, withTries: withTries, size: configuration.batchSize)
        // Behind the tries, so that the keys that they take are counted.
        if quota.isCountDue, quota.takeCount(on: id, taken: keysTakenUnlessUnsent) { round.append(.countLocks) }
        guard !round.isEmpty else { return }
        shared.frame(&round, at: slot, isLarge: isLarge, now: now)
        for work in round { submit(work, on: id, now: now) }
        ensureSharedSession(now: now)
    }

    /// The shared session that gets what is to be tried: of two free ones the older one, so that the other one comes to hold nothing.
    private var tryingSession: ConnectionID? {
        shared.count > 1 ? sessions.first { $0.isFree } : shared.slots.first.map { shared[$0] }
    }

    /// Sends it now, or as soon as no cancel request can strike it.
    mutating func submit(_ work: Work, on id: ConnectionID, now: Instant) {
        guard sessions.update(id, sentAt: now, { $0.submit(work, now: now) }) == true else { return }
        actions.append(.submit(id, work))
    }

    /// Releases a lock on the session that holds it.
    mutating func unlock(_ key: AdvisoryKey, _ mode: Mode, on id: ConnectionID, now: Instant) {
        guard !shared.appendUnlock(key, mode, on: id) else { return }
        sessions.update(id) { $0.unlock(key) }
        submit(.batch(Batch(Batch.Kind(.unlock, mode, key.space), .one(key))), on: id, now: now)
    }

    /// The session whose answer is all that the process waits for, if the answer can't take long. A session that is being connected owes one, too.
    var loneConnection: ConnectionID? {
        mutating get {
            guard calls.awaitedCount == 1, !shared.hasTries, let only = sessions.only(where: { !$0.isAnswered || $0.isConnecting })
            else { return nil }
            return sessions.read(only) { $0.owesOnlyBatches } == true ? only : nil
        }
    }

    /// Whether an answer is needed: a caller waits for one, or something is not sent before one comes.
    var isAnswerNeeded: Bool {
        mutating get {
            calls.awaitedCount > 0 || lifecycle == .draining || !shared.isQuiet || shared.hasWork
                || sessions.contains { $0.cancelRequest != nil }
        }
    }

    // MARK: The quota of the lock table

    // When the server's lock table is full, statements and new connections of all its clients fail. So the engine keeps to a part of the
    // table, and refuses what goes beyond before the server would.

    /// How many keys have a slot in the server's lock table, or may get one by what is under way.
    var keysTaken: Int {
        table.takenCount + contention.polls.unansweredCount + sessions.count { $0.isInServerQueue }
    }

    /// The same behind the unlocks of the next round, which go ahead of its tries.
    var keysTakenByRound: Int { keysTaken - (tryingSession.map { shared.unlockCount(on: $0) } ?? 0) }

    private var keysTakenUnlessUnsent: Int { keysTaken - shared.tryCount }

    /// Whether a round needs more than to send what is pending. Has to be cheap, since there are many rounds.
    private var needsPreparation: Bool {
        contention.polls.isDue || quota.mustLook(atMost: table.takenCount + contention.polls.unansweredCount + sessions.count)
    }

    /// Refuses or holds back the tries for which there is no room, and adds the poll that is due, right before a round.
    private mutating func prepareRound(now: Instant) {
        guard sessions.isAnySharedFree else { return }
        if let (count, failure) = quota.excess(taken: keysTakenByRound) {
            refuse(shared.takeNewestTries(count).reversed(), because: failure, now: now)
        }
        if lifecycle == .running { gateTries(now: now) }
        sendPoll(now: now)
    }

    private mutating func gateTries(now: Instant) {
        switch quota.beginRound(tries: shared.tryCount, taken: keysTakenByRound, areChoicesDue: table.areChoicesDue, now: now) {
        case .sendAll:
            sendHeldBack(.max)
        case .holdBack(let newest):
            holdBack(shared.takeNewestTries(newest).reversed(), now: now)
        case .sendHeldBack(let count):
            holdBack(shared.takeTries(), now: now)
            sendHeldBack(count)
        }
        if let failure = quota.endRound(taken: keysTakenByRound, now: now) {
            refuse(quota.takeHeldBack(), because: failure, now: now)
        }
    }

    private mutating func refuse(_ keys: [AdvisoryKey], because failure: Failure, now: Instant) {
        guard !keys.isEmpty else { return }
        for key in keys where !postponePoll(key, now: now) { table.noRoom(key, failure, now: now) }
        settleTable(now: now)
    }

    private mutating func holdBack(_ keys: [AdvisoryKey], now: Instant) {
        for key in keys where !postponePoll(key, now: now) { quota.holdBack(key) }
    }

    private mutating func sendHeldBack(_ limit: Int) {
        for key in quota.takeHeldBack(limit) {
            if case .trying(let mode) = table.serverState(of: key) { shared.appendTry(key, mode) }
        }
    }

    /// A polled key that the last round had no room for is polled again later.
    private mutating func postponePoll(_ key: AdvisoryKey, now: Instant) -> Bool {
        guard contention.isPolled(key) else { return false }
        abandonTries([key], now: now)
        return true
    }

    /// A call for the key has ended. A key that no call wants any more leaves its room to others.
    mutating func dropUnwanted(_ key: AdvisoryKey, now: Instant) {
        guard quota.isHoldingBack, table.entry(of: key)?.isWanted == false, quota.drop(key) else { return }
        table.waitCancelled(key, now: now)
    }

    /// The keys that are to be tried and have not been sent.
    mutating func takeUnsent() -> [AdvisoryKey] { shared.takeTries() + quota.takeHeldBack() }

    // MARK: Answers

    /// The oldest unanswered statement of a session has been answered.
    package mutating func answered(_ id: ConnectionID, _ answer: Answer, now: Instant) {
        guard let submission = sessions.answered(id, now: now) else { return }
        sessions.noteHeard(now: now)
        renew(id, sentAt: submission.sentAt, now: now)
        if let failure = answer.failure {
            if failure == .unexpectedAnswer { actions.append(.log(.unexpectedAnswer(id))) }
            endTransaction(on: id, isOpen: submission.work != .begin, now: now)
            guard failure.kind != .transactionAborted else { return putBack(submission.work, of: id, now: now) }
        }
        take(answer, to: submission.work, on: id, sentAt: submission.sentAt, now: now)
        settleTable(now: now)
        settleUnconfirmed(on: id, now: now)
        retireSharedSession(now: now)
        if contention.queuedCount > 0 { assignSessions(now: now) }
    }

    private mutating func take(_ answer: Answer, to work: Work, on id: ConnectionID, sentAt: Instant, now: Instant) {
        switch (work, answer) {
        case (.begin, _), (.commit, _), (.heartbeat, _):
            // A failure here shows where it matters: if a transaction did not begin, each of its statements is one of its own; and a
            // transaction whose end has failed has ended.
            break
        case (.statement, _):
            settleCancelRequest(of: id, now: now)
        case (.batch(let batch), .keys(let rows, let failure)):
            switch batch.kind.verb {
            case .tryLock: triesAnswered(batch, on: id, rows, failure, now: now)
            case .unlock: unlocksAnswered(batch, on: id, rows, failure, now: now)
            }
        case (.tryAny(let attempt), .chosen(let places, let failure)):
            choiceAnswered(attempt, on: id, places, failure, now: now)
        case (.releaseHeld(let keys, _, let count, let failure), .done):
            let isEnded = failure.kind == .cancelled || failure.kind == .lockTimeout
            table.choiceFailed(keys, count: count, isEnded ? nil : failure, now: now)
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
        case (.askRequests(let asked), .requests(let requests)) where requests.count == asked.count:
            requestsAnswered(asked, requests, now: now)
        case (.askRequests, _):
            releaseLooks.plan(hasFailed: true, using: &random, now: now)
        case (.countLocks, .lockCount(let count)):
            quota.counted(count, on: id, taken: keysTakenUnlessUnsent, now: now)
        case (.countLocks, _):
            quota.counted(nil, on: id, taken: keysTakenUnlessUnsent, now: now)
        case (.position, .position(let position)):
            recordWritten(position, on: id, now: now)
        case (.position, .failed(let failure)):
            recordFailed(failure, on: id, now: now)
        // What is held now, and in which modes, is not known. Only the end of the session settles that.
        case (.releaseAll, .failed(let failure)), (.changeMode, .failed(let failure)):
            close(id, because: failure, now: now)
        case (.releaseHeld(let keys, _, let count, _), .failed(let failure)):
            close(id, because: failure, now: now)
            table.choiceFailed(keys, count: count, nil, now: now)
        case (.batch, _), (.tryAny, _), (.releaseHeld, _), (.wait, _), (.releaseAll, _), (.changeMode, _), (.cancel, _), (.askActivity, _),
            (.position, _):
            closeUnexpected(id, now: now)
        }
    }

    /// The rows before an error are exactly the keys that were tried until then. Of the row at which the statement failed, any number of
    /// keys may have been taken, so an unlock has to verify each of them. The keys behind that row were never reached.
    private mutating func triesAnswered(_ batch: Batch, on id: ConnectionID, _ rows: OneOrMore<Bool>, _ failure: Failure?, now: Instant) {
        sessions.noteHeld(rows.count(where: \.self), on: id)
        for (key, isGranted) in zip(batch.keys, rows) {
            let goesOnWaiting = contention.tried(key, isGranted: isGranted, using: &random, now: now)
            if isGranted {
                table.granted(key, on: id, now: now)
            } else if goesOnWaiting {
                table.noteTaken(key, now: now)
            } else {
                table.notGranted(key, now: now)
            }
        }
        guard rows.count < batch.keys.count else { return }
        let rest = batch.keys.dropFirst(rows.count)
        guard let failure else {
            closeUnexpected(id, now: now)
            abandonTries(rest, now: now)
            return
        }
        guard shared.contains(id) else { return }
        shared.verify(rest.prefix(Batch.keysPerRow), batch.kind.mode, because: failure, on: id)
        for key in rest.dropFirst(Batch.keysPerRow) { tryFailed(key, failure, now: now) }
    }

    /// The keys before an error were taken. Without a further row nothing was, but an error alone does not prove that.
    private mutating func choiceAnswered(
        _ attempt: LockTable.ChoiceTry,
        on id: ConnectionID,
        _ places: [Int],
        _ failure: Failure?,
        now: Instant
    ) {
        let isFitting =
            places.count <= attempt.count && zip(places, places.dropFirst()).allSatisfy(<) && places.last ?? 0 < attempt.keys.count
        guard isFitting, failure != .unexpectedAnswer else {
            closeUnexpected(id, now: now)
            return table.choiceFailed(attempt.keys, count: attempt.count, nil, now: now)
        }
        sessions.noteHeld(places.count, on: id)
        table.choiceTried(attempt, took: places, isWhole: failure == nil, on: id, now: now)
        guard let failure else { return }
        let rest = attempt.keys.enumerated().filter { !places.contains($0.offset) }.map(\.element)
        submit(.releaseHeld(rest, attempt.mode, count: attempt.count - places.count, because: failure), on: id, now: now)
    }

    /// The server could not try the key, and the session certainly does not hold it.
    private mutating func tryFailed(_ key: AdvisoryKey, _ failure: Failure, now: Instant) {
        contention.tryFailed(key, using: &random, now: now)
        switch failure.kind {
        // Another session has ended the statement, so the key is tried again.
        case .cancelled, .lockTimeout: table.waitCancelled(key, now: now)
        default: table.failed(key, failure, now: now)
        }
    }

    private mutating func unlocksAnswered(_ batch: Batch, on id: ConnectionID, _ rows: OneOrMore<Bool>, _ failure: Failure?, now: Instant) {
        var isForeign = false
        let isShared = shared.contains(id)
        for (key, wasHeld) in zip(batch.keys, rows) {
            if let failure = shared.takeVerification(key, on: id) {
                actions.append(.log(.verifiedAfterError(held: wasHeld)))
                tryFailed(key, failure, now: now)
                continue
            }
            if isShared {
                sessions.noteHeld(-1, on: id)
            } else if sessions.read(id, { $0.state == .unlocking(key) }) == true {
                becomeIdle(id, now: now)
            }
            table.unlocked(key, on: id, failure: wasHeld ? nil : Failure(.notHeld, .notHeldAtServer(key)), now: now)
            isForeign = isForeign || !wasHeld
        }
        // SQL of others has released a lock of this session, and which further ones is not known.
        if isForeign { closeUnexpected(id, now: now) }
        guard rows.count < batch.keys.count else { return }
        // After a failed unlock it is open what is held. Only the end of the session settles that.
        close(id, because: failure ?? .unexpectedAnswer, now: now)
    }

    private mutating func closeUnexpected(_ id: ConnectionID, now: Instant) {
        actions.append(.log(.unexpectedAnswer(id)))
        close(id, because: .unexpectedAnswer, now: now)
    }

    // MARK: Statements without an answer

    /// An error makes the server refuse everything up to the end of the batch transaction, so the end is sent at once. A `COMMIT` ends a
    /// failed transaction too.
    ///
    /// - Parameter isOpen: If not, the transaction did not even begin, and each statement behind is a transaction of its own.
    mutating func endTransaction(on id: ConnectionID, isOpen: Bool, now: Instant) {
        guard shared.endTransaction(on: id), isOpen else { return }
        submit(.commit, on: id, now: now)
    }

    /// What was sent behind the error was refused before it did anything, and is sent again.
    private mutating func putBack(_ work: Work, of id: ConnectionID, now: Instant) {
        shared.noteAborted(on: id)
        switch work {
        case .batch(let batch) where batch.kind.verb == .tryLock:
            for key in batch.keys { shared.appendTry(key, batch.kind.mode) }
        case .batch(let batch):
            for key in batch.keys { _ = shared.appendUnlock(key, batch.kind.mode, on: id) }
        case .tryAny(let attempt):
            table.choiceFailed(attempt.keys, count: attempt.count, nil, now: now)
        case .changeMode, .releaseHeld:
            submit(work, on: id, now: now)
        case .cancel(let target, _):
            shared.appendCancel(target)
        case .look: planNextLook(now: now)
        case .askRequests: releaseLooks.plan(using: &random, now: now)
        case .countLocks: quota.countAbandoned(on: id, isLost: false, now: now)
        case .begin, .commit, .wait, .releaseAll, .heartbeat, .askActivity, .position, .statement:
            break
        }
    }

    /// A shared session is gone. What it held is lost with it, and what it was sent is asked anew.
    mutating func abandonShared(_ session: ServerSession, _ failure: Failure, now: Instant) {
        let verifications = shared.remove(session.id)
        // With no shared session left, what has not been sent goes back to the table, which knows which keys are still wanted.
        var unanswered = shared.isEmpty ? takeUnsent() : []
        var choices = shared.isEmpty ? shared.takeChoiceTries().map { ($0.keys, $0.count) } : []
        for work in session.works {
            switch work {
            case .cancel(let target, _): abandonCancel(of: target, failure, now: now)
            case .batch(let batch) where batch.kind.verb == .tryLock: unanswered += batch.keys
            case .tryAny(let attempt): choices.append((attempt.keys, attempt.count))
            case .releaseHeld(let keys, _, let count, _): choices.append((keys, count))
            case .look: planNextLook(now: now)
            case .askRequests: releaseLooks.plan(using: &random, now: now)
            case .countLocks: quota.countAbandoned(on: session.id, isLost: true, now: now)
            case .batch, .wait, .releaseAll, .changeMode, .begin, .commit, .heartbeat, .askActivity, .position, .statement: break
            }
        }
        for (key, failure) in verifications { tryFailed(key, failure, now: now) }
        abandonTries(unanswered, now: now)
        for (keys, count) in choices { table.choiceFailed(keys, count: count, nil, now: now) }
        if shared.isEmpty { sendCancelsOutOfBand() }
    }

    /// These tries are not answered any more, and what they took is lost with the session.
    private mutating func abandonTries(_ keys: some Sequence<AdvisoryKey>, now: Instant) {
        for key in keys {
            if !contention.tried(key, isGranted: false, using: &random, now: now) { table.waitCancelled(key, now: now) }
        }
    }
}
