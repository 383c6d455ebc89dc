// The body's savepoints, and the library's own. An error releases what `Savepoints` says; what the body's rollback to a savepoint releases,
// the server is asked.
extension CheckedOutSession {
    mutating func look(_ body: Body, now: Instant) -> Step {
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
        for (lock, isHeld) in zip(locks, answers).dropFirst(first == nil ? 0 : 1) where !isHeld { noteRolledBack(lock.key) }
        // A lock that was reported meanwhile may have been taken before the rollback.
        guard Set(locks).isSuperset(of: heldLocks) else { return look(body, now: now) }
        return noteSavepoints(of: body, now: now)
    }

    mutating func noteSavepoints(of body: Body, now: Instant) -> Step {
        guard savepoints.note(body.sql, tag: body.tag) else { return bodySettled(body, now: now) }
        return setBase(for: .following(body), now: now)
    }

    // MARK: The library's savepoint

    /// Sets a savepoint, so that a later error does not release the locks that were taken before.
    mutating func setBase(for next: BaseFor, now: Instant) -> Step {
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
}
