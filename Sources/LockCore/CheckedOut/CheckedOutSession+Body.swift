// What the body runs itself, and what that does to the locks.
extension CheckedOutSession {
    /// Runs a statement of the body.
    ///
    /// - Parameters:
    ///   - sql: What ``Statement/body`` stands for.
    ///   - mayLock: Whether it may take locks, which are to be looked after.
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
        // Chained to another transaction or not.
        if transaction == .none || body.tag == "COMMIT" { return endBySQL(nil) }
        // A rollback is one to a savepoint, or the transaction is chained to another one.
        guard body.tag == "ROLLBACK", !heldKeys.isEmpty else { return noteSavepoints(of: body, now: now) }
        return look(body, now: now)
    }

    private mutating func look(_ body: Body, now: Instant) -> Step {
        let locks = heldLocks
        return settle([.areHeld(locks)], for: .looking(body, locks), now: now)
    }

    /// The lock that the transaction was begun with, then the others: those that are below an exclusive one at last.
    private var heldLocks: [Lock] {
        (first.map { [Lock(key: $0.key, mode: $0.mode)] } ?? [])
            + holdings.map { Lock(key: $0.key, mode: $0.value) }.sorted { $0.key < $1.key }
            + sharedBelow.sorted().map { Lock(key: $0, mode: .shared) }
    }

    mutating func looked(_ body: Body, _ locks: [Lock], _ answer: Answer, now: Instant) -> Step {
        if let failure = answer.failure {
            // It has aborted the transaction, behind what the body has rolled back to.
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
        // One that was told of meanwhile may have been taken before the rollback.
        guard Set(locks).isSuperset(of: heldLocks) else { return look(body, now: now) }
        return noteSavepoints(of: body, now: now)
    }

    private mutating func noteSavepoints(of body: Body, now: Instant) -> Step {
        guard savepoints.note(body.sql, tag: body.tag) else { return bodySettled(body, now: now) }
        return setBase(for: .following(body), now: now)
    }

    // MARK: A savepoint of ours

    /// So that a statement that fails behind it leaves alone what was locked before.
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

    /// The transaction is over, and its locks with it.
    private mutating func endBySQL(_ failure: Failure?) -> Step {
        giveUp(Failure(.connectionLost, .endedBySQL))
        return end(.endedBySQL(failure))
    }

    private mutating func bodySettled(_ body: Body, now: Instant) -> Step {
        body.mayLock ? certify(.body(body), now: now) : bodyGuarded(body, now: now)
    }

    mutating func bodyGuarded(_ body: Body, now: Instant) -> Step {
        guard scope == .session, body.tag == "BEGIN" || body.tag == "START TRANSACTION" else { return end(.done) }
        // In a transaction that fails no lock could be released, or proved not to be held.
        return settle([.rollBack], for: .endingBegun, now: now)
    }
}
