// The body's own statements, and what they do to the locks.
extension CheckedOutSession {
    /// Runs a statement of the body.
    ///
    /// - Parameters:
    ///   - sql: The text of the statement that ``Statement/body`` stands for.
    ///   - mayLock: Whether it may take locks, of whose loss the holders have to be told.
    package mutating func run(_ sql: String, mayLock: Bool, now: Instant) -> Step {
        guard operation == nil else { return brokenBySecond }
        if let unusable { return end(.unusable(unusable)) }
        let body = Body(sql: sql, mayLock: mayLock)
        guard scope == .transaction, savepoints.isWanted(before: sql) else { return prepareForBody(body, now: now) }
        return setBase(for: .statement(body), now: now)
    }

    mutating func send(_ body: Body, now: Instant) -> Step {
        if body.sql.contains(lowercased: "deferrable") { mayDefer = true }
        hasRunSQL = true
        let submission = Submission(statements: [.body])
        return send(submission, for: .running(body, submission)) { $0.end(.atEnd) }
    }

    mutating func bodyRun(_ body: Body, _ failure: Engine.Outcome?, _ answer: Answer, now: Instant) -> Step {
        guard let failure else {
            var body = body
            body.tag = answer.replies.first?.tag ?? ""
            return bodySucceeded(body, now: now)
        }
        noteAbort(because: failure)
        guard scope == .transaction, transaction == .none, loss == nil else { return end(.failed(failure)) }
        return endBySQL(answer.failure)
    }

    private mutating func bodySucceeded(_ body: Body, now: Instant) -> Step {
        guard scope == .transaction, loss == nil else { return bodySettled(body, now: now) }
        // The transaction has ended, also if another one was chained to it.
        if transaction == .none || body.tag == "COMMIT" { return endBySQL(nil) }
        // A rollback with an open transaction is one to a savepoint, or one with a chained transaction.
        guard body.tag == "ROLLBACK", !heldKeys.isEmpty else { return noteSavepoints(of: body, now: now) }
        return look(body, now: now)
    }

    private mutating func look(_ body: Body, now: Instant) -> Step {
        let locks = heldLocks
        return settle([.areHeld(locks)], for: .looking(body, locks), now: now)
    }

    /// The lock that the transaction was begun with, then the others, and at last the shared locks below exclusive ones.
    private var heldLocks: [Lock] {
        (first.map { [Lock(key: $0.key, mode: $0.mode)] } ?? [])
            + holdings.map { Lock(key: $0.key, mode: $0.value) }.sorted { $0.key < $1.key }
            + sharedBelow.sorted().map { Lock(key: $0, mode: .shared) }
    }

    mutating func looked(_ body: Body, _ locks: [Lock], _ answer: Answer, now: Instant) -> Step {
        if let failure = answer.failure {
            // The error has aborted the transaction after the body's rollback.
            _ = savepoints.note(body.sql, tag: body.tag)
            noteAbort(because: .failed(failure))
            return end(.failed(.failed(failure)))
        }
        guard answer.loss == nil else { return noteSavepoints(of: body, now: now) }
        guard let answers = answer.replies.first?.rows, answers.count == locks.count else {
            let failure = Failure(.connectionLost, .unknownRollback)
            giveUp(failure)
            return end(.failed(.failed(failure)))
        }
        guard first == nil || answers[0] else { return endBySQL(nil) }
        for (lock, isHeld) in zip(locks, answers).dropFirst(first == nil ? 0 : 1) where !isHeld { rollBack(lock.key) }
        // A lock that was reported meanwhile may have been taken before the rollback.
        guard Set(locks).isSuperset(of: heldLocks) else { return look(body, now: now) }
        return noteSavepoints(of: body, now: now)
    }

    private mutating func noteSavepoints(of body: Body, now: Instant) -> Step {
        guard savepoints.note(body.sql, tag: body.tag) else { return bodySettled(body, now: now) }
        return setBase(for: .following(body), now: now)
    }

    // MARK: The library's savepoint

    /// Sets a savepoint, so that a later error does not release the locks that were taken before.
    private mutating func setBase(for next: BaseFor, now: Instant) -> Step {
        settle([.setSavepoint(.base)], for: .settingBase(next), now: now)
    }

    mutating func baseSet(_ next: BaseFor, _ answer: Answer, now: Instant) -> Step {
        if answer.loss == nil, answer.failure == nil {
            savepoints.noteSet()
        } else {
            noteAbort(because: nil)
        }
        switch next {
        case .statement(let body): return prepareForBody(body, now: now)
        case .following(let body): return bodySettled(body, now: now)
        }
    }

    // MARK: Ends by SQL

    /// The transaction has ended, and its locks are released.
    private mutating func endBySQL(_ failure: Failure?) -> Step {
        giveUp(Failure(.connectionLost, .endedBySQL))
        return end(.endedBySQL(failure))
    }

    private mutating func bodySettled(_ body: Body, now: Instant) -> Step {
        body.mayLock ? certify(.body(body), now: now) : bodyGuarded(body, now: now)
    }

    mutating func bodyGuarded(_ body: Body, now: Instant) -> Step {
        guard scope == .session, body.tag == "BEGIN" || body.tag == "START TRANSACTION" else { return end(.done) }
        // In a failed transaction no lock could be released or verified.
        return settle([.rollBack], for: .endingBegun, now: now)
    }
}
