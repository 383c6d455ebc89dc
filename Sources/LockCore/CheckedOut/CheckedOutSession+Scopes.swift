// The beginning and the end of transactions and explicit sessions, their settings, and the release of session locks.
extension CheckedOutSession {
    // MARK: Transactions

    /// Begins the transaction, and takes its lock if it has one.
    ///
    /// If it fails, the session is rolled back, and ``isClean`` says whether the session can be used for other calls.
    package mutating func open(deadline: Instant?, noWait: Bool, waitsPlainly: Bool, now: Instant) -> Step {
        guard operation == nil else { return brokenBySecond }
        var beginning = roleStatements()
        beginning.append(.begin)
        if !settings.hasSettings { beginning.append(.settingsInTransaction) }
        guard let first else {
            var submission = Submission(statements: beginning)
            submission.deadline = deadline
            submission.answerBy = now.advanced(by: settings.answerLimit)
            submission.isUndone = true
            return send(submission, for: .opening(submission)) { $0.end(.atEnd) }
        }
        var attempt = attempt(first.key, first.mode, deadline: deadline, noWait: noWait, waitsPlainly: waitsPlainly)
        attempt.beginning = beginning
        return begin(attempt, Target(kind: .first, key: first.key, mode: first.mode, deadline: deadline), now: now)
    }

    mutating func opened(_ failure: Engine.Outcome?, now: Instant) -> Step {
        failure.map { rollBack(then: .failed($0), now: now) } ?? end(.done)
    }

    /// Commits. ``isClean`` says afterwards whether the session can be used for other calls.
    package mutating func commit(now: Instant) -> Step {
        guard operation == nil else { return brokenBySecond }
        if let unusable { return rollBack(then: .unusable(unusable), now: now) }
        return settle([.commit], then: resetting, within: settings.commitLimit, for: .committing, now: now)
    }

    mutating func committed(_ answer: Answer) -> Step {
        // A commit that is cancelled before it begins leaves the transaction open. Then the reset fails, if there is one.
        let isOver = !resetting.isEmpty || transaction == .none
        isClean = answer.loss == nil && isOver && isReset(answer.replies.dropFirst())
        guard let reply = answer.replies.first else {
            return end(.commitUnknown(answer.loss ?? Failure(.connectionLost, .noAnswerToCommit)))
        }
        // A confirmed commit is valid also if the session was lost afterwards.
        return end(reply.failure.map { .failed(.failed($0)) } ?? .commitAnswered(tag: reply.tag ?? ""))
    }

    /// Rolls back. ``isClean`` says afterwards whether the session can be used for other calls.
    package mutating func rollBack(now: Instant) -> Step {
        guard operation == nil else { return brokenBySecond }
        return rollBack(then: .done, now: now)
    }

    mutating func rollBack(then outcome: Outcome, now: Instant) -> Step {
        guard loss == nil else { return end(outcome) }
        return settle([.rollBack] + resetting, for: .rollingBack(then: outcome), now: now)
    }

    mutating func rolledBack(_ answer: Answer, _ outcome: Outcome) -> Step {
        isClean = answer.loss == nil && answer.replies.first?.failure == nil && isReset(answer.replies.dropFirst())
        return end(outcome)
    }

    // MARK: Settings

    /// Gives the body's statements the settings of the role and the database, with which the library's own statements don't run.
    mutating func roleStatements() -> [Statement] {
        guard settings.hasRoleSettings, !hasRoleSettings else { return [] }
        hasRunSQL = true
        mayDefer = settings.mayDefer
        return [.roleSettings]
    }

    /// Keeps the library's own statements in a session from waiting for other transactions, as the body's statements may.
    mutating func prepareForOwn(_ next: Next, now: Instant) -> Step {
        guard mayDefer, deferrable == nil else { return proceed(next, now: now) }
        return settle([.showDeferrable, .doNotDefer], for: .preparing(next), now: now)
    }

    /// Gives a session the settings for a statement of its body.
    mutating func prepareForBody(_ body: Body, now: Instant) -> Step {
        let statements = scope == .session ? roleStatements() + (deferrable.map { [.setDeferrable($0)] } ?? []) : []
        guard !statements.isEmpty else { return proceed(.body(body), now: now) }
        return settle(statements, for: .preparing(.body(body)), now: now)
    }

    mutating func prepared(for next: Next, _ answer: Answer, now: Instant) -> Step {
        if case .body = next {
            if let failure = answer.failure ?? answer.loss { return end(.failed(.failed(failure))) }
            hasRoleSettings = true
            deferrable = nil
        } else if answer.loss == nil {
            deferrable = answer.replies.first?.text == "on" ? "on" : "off"
        }
        return proceed(next, now: now)
    }

    private mutating func proceed(_ next: Next, now: Instant) -> Step {
        switch next {
        case .lock(let attempt, let target):
            return begin(attempt, target, now: now)
        case .body(let body):
            return send(body, now: now)
        case .unlock(let key, let batches):
            return settle(batches.map { .unlock($0) }, for: .unlocking(key, batches), now: now)
        case .end(let keys, let batches):
            return settle(batches.map { .unlock($0) } + resetting, for: .ending(keys, batches), now: now)
        }
    }

    // MARK: After an error

    /// Grant and error race inside the server, so after an error the lock may be held all the same.
    ///
    /// If the session holds nothing else, all is released instead of the key, which writes no warning to the server's log.
    func verification(_ key: AdvisoryKey, _ mode: Mode) -> [Statement] {
        holdings.isEmpty && !hasRunSQL ? [.unlockAll] : [.unlock(Engine.Batch(.init(.unlock, mode, key.space), [key]))]
    }

    mutating func verified(_ key: AdvisoryKey, _ mode: Mode, _ answer: Answer, then outcome: Outcome) -> Step {
        noteVerification(key, answer)
        return end(outcome)
    }

    mutating func noteVerification(_ key: AdvisoryKey, _ answer: Answer) {
        guard let reply = answer.replies.first else { return }
        if holdings.isEmpty, !hasRunSQL {
            guard let failure = reply.failure else { return }
            giveUp(Failure(.connectionLost, .unknownHold(nil, failure.cause)))
        } else if let wasHeld = reply.rows.first {
            note(.verified(held: wasHeld))
        } else {
            giveUp(Failure(.connectionLost, .unknownHold(key, reply.failure?.cause ?? .unexpectedAnswer)))
        }
    }

    // MARK: Releasing

    /// Releases what the session holds on a key.
    package mutating func unlock(_ key: AdvisoryKey, now: Instant) -> Step {
        guard operation == nil else { return brokenBySecond }
        guard let mode = holdings[key] else { return end(.done) }
        letGo(key)
        return prepareForOwn(.unlock(key, Self.batches([(key, mode)])), now: now)
    }

    mutating func unlocked(_ key: AdvisoryKey, _ batches: [Engine.Batch], _ answer: Answer) -> Step {
        if let loss = answer.loss { return end(.failed(.failed(loss))) }
        guard let (keys, failure) = Self.unverified(batches, answer.replies) else {
            if holdings.isEmpty, !mayHoldOthers { note(.unguarded) }
            return end(.done)
        }
        giveUp(failure)
        return end(.unverified(keys, failure))
    }

    /// Ends a session: all that it holds is released. ``isClean`` says afterwards whether it can be used for other calls.
    package mutating func end(now: Instant) -> Step {
        let (keys, batches) = (heldKeys, Self.batches(holdings.map { ($0.key, $0.value) }))
        for key in keys { letGo(key) }
        // An operation may still be under way, which ends by the loss.
        if let loss { return .end(keys.isEmpty ? .done : .failed(.failed(loss))) }
        guard operation == nil else { return brokenBySecond }
        let next = Next.end(keys, batches)
        return keys.isEmpty ? proceed(next, now: now) : prepareForOwn(next, now: now)
    }

    mutating func ended(_ keys: [AdvisoryKey], _ batches: [Engine.Batch], _ answer: Answer) -> Step {
        let unverified = Self.unverified(batches, answer.replies)
        isClean = answer.loss == nil && unverified == nil && isReset(answer.replies.dropFirst(batches.count))
        if let loss = answer.loss, !keys.isEmpty { return end(.failed(.failed(loss))) }
        return end(unverified.map { .unverified($0.keys, $0.failure) } ?? .done)
    }

    /// A statement per mode and key space.
    private static func batches(_ keys: [(key: AdvisoryKey, mode: Mode)]) -> [Engine.Batch] {
        var batches: [(kind: Engine.Batch.Kind, keys: [AdvisoryKey])] = []
        for (key, mode) in keys.sorted(by: { $0.key < $1.key }) {
            let kind = Engine.Batch.Kind(.unlock, mode, key.space)
            if let index = batches.firstIndex(where: { $0.kind == kind }) {
                batches[index].keys.append(key)
            } else {
                batches.append((kind, [key]))
            }
        }
        return batches.map { Engine.Batch($0.kind, $0.keys) }
    }

    /// The keys that the session did not hold, or may still hold, after the unlocks.
    private static func unverified(_ batches: [Engine.Batch], _ replies: [Reply]) -> (keys: [AdvisoryKey], failure: Failure)? {
        var unverified: (keys: [AdvisoryKey], failure: Failure)?
        for (batch, reply) in zip(batches, replies) {
            let released = Set(zip(batch.keys, reply.rows).lazy.filter(\.1).map(\.0))
            let keys = batch.keys.filter { !released.contains($0) }
            guard !keys.isEmpty else { continue }
            let failure = reply.failure ?? Failure(.notHeld, .notHeldAtServer(nil))
            unverified = ((unverified?.keys ?? []) + keys, failure)
        }
        return unverified
    }
}
