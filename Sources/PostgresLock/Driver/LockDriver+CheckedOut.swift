import LibPQ
import LockCore
import Logging

// Carries out what the machine of a checked-out session decides.
extension LockDriver {
    /// Carries out one operation, until it has ended. Cancelling the task cancels what may be cancelled.
    ///
    /// - Parameters:
    ///   - body: What the scope's body runs itself.
    ///   - begin: Begins the operation.
    func carryOut(
        on state: CheckedOutConnection,
        body: BodyStatement? = nil,
        _ begin: (inout CheckedOutSession, Instant) -> CheckedOutSession.Step
    ) async -> CheckedOutSession.Outcome {
        var step = begin(&state.session, now)
        while true {
            performEvents(of: state)
            switch step {
            case .send(let submission):
                let (replies, outcome) = await send(submission, body, on: state)
                step = state.session.answered(replies, outcome, now: now)
            case .certify:
                var isCertain = false
                drive { isCertain = $0.guardCheckedOut(state.id, now: $1) }
                step = state.session.certified(isCertain, now: now)
            case .end(let outcome):
                return outcome
            }
        }
    }

    private func send(
        _ submission: CheckedOutSession.Submission,
        _ body: BodyStatement?,
        on state: CheckedOutConnection
    ) async -> ([CheckedOutSession.Reply], Engine.Outcome) {
        let call = StatementsCall(submission, body)
        if submission.isCancellable { state.running = call }
        defer { state.running = nil }
        let outcome = await callFromInside(call, isCancellable: submission.isCancellable) { engine, id, now in
            engine.beginStatement(
                id,
                on: state.id,
                deadline: submission.deadline,
                answerBy: submission.answerBy,
                lockWait: submission.lockWait,
                renewals: submission.renewals,
                now: now
            )
        }
        if submission.statements == [.body] { state.bodyResult = call.result }
        return (call.replies, outcome)
    }

    // MARK: What has happened to the locks

    func performEvents(of state: CheckedOutConnection) {
        while let event = state.session.nextEvent() { perform(event, of: state) }
        state.publishModes()
    }

    private func perform(_ event: CheckedOutSession.Event, of state: CheckedOutConnection) {
        switch event {
        case .granted:
            if let lease = state.lease { drive { engine, _ in engine.transactionGranted(lease.id) } }
        case .released(let keys, let isAll, let cause):
            noteReleased(keys.map(state.name), isAll: isAll, because: cause, of: state)
        case .rolledBack:
            // The body has wanted it so.
            break
        case .unguarded:
            drive { engine, _ in engine.unguardCheckedOut(state.id) }
        case .verified(let held):
            noteVerification(held: held)
            logger.debug("lock statement failed", metadata: [LogKey.wasHeld: "\(held)"])
        case .waitsPlainly:
            transport.waitsPlainly = true
        case .givenUp(let failure):
            giveUp(state, failure)
        case .invariantBroken(let what):
            logger.logBroken(state.id, what)
        }
    }

    private func noteReleased(_ keys: [LockKey], isAll: Bool, because cause: Engine.Outcome?, of state: CheckedOutConnection) {
        if isAll, let lease = state.lease { drive { $0.transactionReleased(lease.id, now: $1) } }
        guard let key = keys.first else { return }
        let cause = cause.map { error(for: $0, keys: [], limit: nil) }
        let loss = LockError(
            .lockLost,
            isAll
                ? """
                The lock \(key) in \(databaseName) was released by PostgreSQL, since a statement of its transaction has failed, which can only be \
                rolled back now. Others may hold the lock: stop. A savepoint before a statement that may fail keeps the lock.
                """
                : """
                A statement of the transaction has failed, which releases at once what was locked since the latest savepoint: in \(databaseName) \
                \(keys.listed). Others may hold that: stop. A savepoint between a lock and a statement that may fail keeps the lock.
                """,
            sqlState: (cause as? LockError)?.sqlState,
            keys: keys,
            underlying: cause
        )
        LockState.end([(state.ending, loss)], isSuspicion: true)
    }

    /// What the session really holds is not known any more. Only its end settles that.
    private func giveUp(_ state: CheckedOutConnection, _ failure: Failure) {
        guard checkedOut[state.id] === state else { return }
        checkedOut[state.id] = nil
        logger.error(
            "the locks of a session are not what they should be; the connection is given up",
            metadata: [LogKey.connection: "\(state.id.rawValue)", LogKey.reason: "\(failure.message)"]
        )
        lose(state, failure)
        drive { $0.giveBack(state.id, isClean: false, now: $1) }
    }
}
