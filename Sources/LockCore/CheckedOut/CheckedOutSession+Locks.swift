// Taking a lock, in a transaction or a session.
extension CheckedOutSession {
    /// Takes a further lock of the transaction, or a lock that the session does not hold.
    ///
    /// - Parameters:
    ///   - deadline: When the caller stops waiting.
    ///   - noWait: Whether the caller does not wait for other holders.
    ///   - waitsPlainly: Whether the server can't run waits that report what has ended them.
    package mutating func lock(
        _ key: AdvisoryKey,
        _ mode: Mode,
        deadline: Instant?,
        noWait: Bool,
        waitsPlainly: Bool,
        now: Instant
    ) -> Step {
        guard operation == nil else { return brokenBySecond }
        if let unusable { return end(.unusable(unusable)) }
        var attempt = attempt(key, mode, deadline: deadline, noWait: noWait, waitsPlainly: waitsPlainly)
        switch scope {
        case .transaction:
            attempt.beginning = [.setSavepoint(.step)]
            attempt.isRenewable = false
            return begin(attempt, Target(kind: .further, key: key, mode: mode, deadline: deadline), now: now)
        case .session:
            return prepareForOwn(.lock(attempt, Target(kind: .session, key: key, mode: mode, deadline: deadline)), now: now)
        }
    }

    mutating func attempt(_ key: AdvisoryKey, _ mode: Mode, deadline: Instant?, noWait: Bool, waitsPlainly: Bool) -> LockAttempt {
        if waitsPlainly { self.waitsPlainly = true }
        var attempt = LockAttempt(
            key,
            mode,
            in: scope,
            deadline: deadline,
            noWait: noWait,
            answerLimit: settings.answerLimit,
            waitsPlainly: self.waitsPlainly
        )
        attempt.mayDefer = scope == .transaction && mayDefer
        return attempt
    }

    mutating func begin(_ attempt: LockAttempt, _ target: Target, now: Instant) -> Step {
        var attempt = attempt
        let submission = attempt.begin(now: now)
        return send(submission, for: .taking(attempt, target)) { $0.failed(target, .atEnd, isToBeUndone: false, now: now) }
    }

    mutating func attempted(_ attempt: LockAttempt, _ target: Target, _ answer: Answer, now: Instant) -> Step {
        var attempt = attempt
        let decision = attempt.answered(answer.replies, answer.outcome, now: now)
        let isToBeUndone = target.kind != .session || !answer.isRefused
        switch decision {
        case .send(let submission):
            return send(submission, for: .taking(attempt, target)) {
                $0.failed(target, .atEnd, isToBeUndone: isToBeUndone, now: now)
            }
        case .undo:
            noteWaits(of: attempt)
            return undo(attempt, target, answer, now: now)
        case .held:
            return held(target, now: now)
        case .refused:
            return refused(target, now: now)
        case .failed(let outcome):
            return failed(target, .failed(outcome), because: outcome, isToBeUndone: isToBeUndone, now: now)
        case .confused(let verdict):
            let failure = Failure(.connectionLost, .unknownWait)
            giveUp(failure)
            guard case .failed(let outcome) = verdict else { return end(.failed(.failed(failure))) }
            return end(.failed(outcome))
        }
    }

    // MARK: Beginning anew

    /// The wait may be refused only to the role that the body or `ALTER ROLE` has set, and not to the role that has logged in.
    private mutating func noteWaits(of attempt: LockAttempt) {
        guard attempt.waitsPlainly, !waitsPlainly else { return }
        waitsPlainly = true
        if !attempt.isRefusedToRole || !hasRunSQL { note(.waitsPlainly) }
    }

    private mutating func undo(_ attempt: LockAttempt, _ target: Target, _ answer: Answer, now: Instant) -> Step {
        switch target.kind {
        case .first:
            return settle([.rollBack], for: .undoing(attempt, target), now: now)
        case .further:
            return settle(Self.undoingStep, for: .undoing(attempt, target), now: now)
        case .session:
            guard !answer.isRefused else { return begin(attempt, target, now: now) }
            return settle(verification(target.key, target.mode), for: .undoing(attempt, target), now: now)
        }
    }

    mutating func undone(_ attempt: LockAttempt, _ target: Target, _ answer: Answer, now: Instant) -> Step {
        if target.kind == .session {
            noteVerification(target.key, answer)
        } else if let failure = answer.loss ?? answer.failure {
            return failed(target, .failed(.failed(failure)), because: .failed(failure), now: now)
        }
        return begin(attempt, target, now: now)
    }

    // MARK: Outcomes

    private mutating func held(_ target: Target, now: Instant) -> Step {
        switch target.kind {
        case .first:
            note(.granted)
            return certify(.lock(target), now: now)
        case .further:
            return releaseStep(target, isHeld: true, now: now)
        case .session:
            guard settings.isFencing else { return certify(.lock(target), now: now) }
            var submission = Submission(statements: [.position])
            submission.deadline = target.deadline
            submission.answerBy = now.advanced(by: settings.answerLimit)
            return send(submission, for: .recording(target, submission)) { $0.failed(target, .atEnd, now: now) }
        }
    }

    private mutating func refused(_ target: Target, now: Instant) -> Step {
        switch target.kind {
        case .first: rollBack(then: .refused, now: now)
        case .further: releaseStep(target, isHeld: false, now: now)
        case .session: end(.refused)
        }
    }

    /// - Parameter isToBeUndone: Whether statements were sent that have to be undone. The lock may be held.
    mutating func failed(
        _ target: Target,
        _ outcome: Outcome,
        because cause: Engine.Outcome? = nil,
        isToBeUndone: Bool = true,
        now: Instant
    ) -> Step {
        guard loss == nil else { return end(outcome) }
        switch target.kind {
        case .first:
            return rollBack(then: outcome, now: now)
        case .further:
            guard isToBeUndone else { return end(outcome) }
            // This also releases the lock if the server has granted it in the moment of the cancellation. If it fails, the transaction had
            // failed before, and can only be rolled back as a whole.
            return settle(Self.undoingStep, for: .backingOut(outcome, because: cause), now: now)
        case .session:
            guard isToBeUndone else { return end(outcome) }
            return settle(verification(target.key, target.mode), for: .verifying(target.key, target.mode, then: outcome), now: now)
        }
    }

    mutating func recorded(_ target: Target, _ end: Engine.Outcome?, _ answer: Answer, now: Instant) -> Step {
        if let end { return failed(target, .failed(end), now: now) }
        guard let position = answer.replies.first?.position else {
            let failure = Failure(.connectionLost, .unexpectedToken)
            return failed(target, .failed(.failed(failure)), now: now)
        }
        var target = target
        target.position = position
        return certify(.lock(target), now: now)
    }

    // MARK: The savepoint around a further lock

    static let undoingStep: [Statement] = [.rollBackToSavepoint(.step), .releaseSavepoint(.step)]

    /// Sent separately: nothing may be sent behind a wait that can be cancelled.
    private mutating func releaseStep(_ target: Target, isHeld: Bool, now: Instant) -> Step {
        settle([.releaseSavepoint(.step)], for: .releasingStep(target, isHeld: isHeld), now: now)
    }

    mutating func stepReleased(_ target: Target, _ isHeld: Bool, _ answer: Answer, now: Instant) -> Step {
        if let failure = answer.loss ?? answer.failure ?? loss {
            return failed(target, .failed(.failed(failure)), because: .failed(failure), now: now)
        }
        return isHeld ? certify(.lock(target), now: now) : end(.refused)
    }

    mutating func backedOut(_ outcome: Outcome, because cause: Engine.Outcome?) -> Step {
        noteAbort(because: cause)
        return end(outcome)
    }

    // MARK: Certainty

    /// A lock that was just taken, maybe after a long wait, is given out only if the session certainly lives. From then on its holder is
    /// told of a loss.
    mutating func certify(_ purpose: Purpose, isLastTry: Bool = false, now: Instant) -> Step {
        guard settings.isLeased else { return certain(purpose, now: now) }
        operation = .certifying(purpose, isLastTry: isLastTry)
        return .certify
    }

    /// The answer to ``Step/certify``.
    package mutating func certified(_ isCertain: Bool, now: Instant) -> Step {
        guard case .certifying(let purpose, let isLastTry) = operation else {
            return broken("it was certified, which was not asked for")
        }
        guard !isCertain else { return certain(purpose, now: now) }
        switch purpose {
        case .body:
            // A lock of a `ConnectionLock`, which verifies itself that it has the lock.
            return certain(purpose, now: now)
        case .lock(let target):
            guard !isLastTry, loss == nil else {
                let failure = loss ?? Failure.suspect
                giveUp(failure)
                return failed(target, .failed(.failed(failure)), now: now)
            }
            return settle([.nothing], for: .checkingActivity(target), now: now)
        }
    }

    mutating func activityChecked(_ target: Target, _ answer: Answer, now: Instant) -> Step {
        // In a transaction, an error releases the lock. In a session it shows that the session lives.
        let failure = answer.loss ?? (scope == .transaction ? answer.failure : nil)
        guard let failure else { return certify(.lock(target), isLastTry: true, now: now) }
        return failed(target, .failed(.failed(failure)), because: .failed(failure), now: now)
    }

    private mutating func certain(_ purpose: Purpose, now: Instant) -> Step {
        switch purpose {
        case .body(let body):
            noteMayHoldOthers()
            return bodyGuarded(body, now: now)
        case .lock(let target):
            if let loss { return end(.failed(.failed(loss))) }
            hold(target.key, target.mode)
            return end(.locked(target.position))
        }
    }
}

extension CheckedOutSession.Answer {
    /// The first one of a statement.
    var failure: Failure? { replies.lazy.compactMap(\.failure).first }

    /// Whether the requested lock is certainly not held.
    var isRefused: Bool { replies.last?.isRefusal ?? false }
}
