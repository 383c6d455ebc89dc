// The beginning and the end of a transaction.
extension CheckedOutSession {
    /// Begins the transaction, and takes its lock if it has one.
    ///
    /// If it fails, the session is rolled back, and ``isClean`` says whether it can be given to others.
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

    // MARK: Ending

    /// Commits. ``isClean`` says afterwards whether the session can be given to others.
    package mutating func commit(now: Instant) -> Step {
        guard operation == nil else { return brokenBySecond }
        if let unusable { return rollBack(then: .unusable(unusable), now: now) }
        return settle([.commit], then: resetting, within: settings.commitLimit, for: .committing, now: now)
    }

    mutating func committed(_ answer: Answer) -> Step {
        // A commit that is cancelled before it begins leaves the transaction open. Then a reset fails; but there may be none.
        let isOver = !resetting.isEmpty || transaction == .none
        isClean = answer.loss == nil && isOver && isReset(answer.replies.dropFirst())
        guard let reply = answer.replies.first else {
            return end(.commitUnknown(answer.loss ?? Failure(.connectionLost, .noAnswerToCommit)))
        }
        // What was confirmed is so, whatever has become of the session afterwards.
        return end(reply.failure.map { .failed(.failed($0)) } ?? .commitAnswered(tag: reply.tag ?? ""))
    }

    /// Rolls back. ``isClean`` says afterwards whether the session can be given to others.
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
}
