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

    // MARK: Ends by SQL

    /// The transaction has ended, and its locks are released.
    mutating func endBySQL(_ failure: Failure?) -> Step {
        giveUp(Failure(.connectionLost, .endedBySQL))
        return end(.endedBySQL(failure))
    }

    mutating func bodySettled(_ body: Body, now: Instant) -> Step {
        body.mayLock ? certify(.body(body), now: now) : bodyGuarded(body, now: now)
    }

    mutating func bodyGuarded(_ body: Body, now: Instant) -> Step {
        guard scope == .session, body.tag == "BEGIN" || body.tag == "START TRANSACTION" else { return end(.done) }
        // In a failed transaction no lock could be released or verified.
        return settle([.rollBack], for: .endingBegun, now: now)
    }
}
