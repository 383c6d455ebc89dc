import LibPQ
import LockCore

// Submitting work and statements, and passing the answers on.
extension LibPQTransport {
    func submit(_ work: Engine.Work, on id: ConnectionID) {
        guard let connection = using(id) else { return }
        counts.statements += 1
        let token = AnswerTarget.work(ReplyReading(work)).token
        func submit(_ statement: Statement) { connection.submit(statement, for: token) }
        switch work {
        case .batch(let batch):
            submit(LockStatements.statement(for: batch))
        case .tryAny(let attempt):
            submit(LockStatements.tryAny(attempt))
        case .releaseHeld(let keys, let mode, _, _):
            submit(LockStatements.releaseHeld(keys, mode))
        case .wait(let key, let mode, let limit):
            // Answered on its own: the wait that follows may last, and would be for another key if this fails.
            connection.submit(LockStatements.prepareWait(for: key, limit: limit), for: AnswerTarget.settings.token)
            limited.insert(id)
            let statement = waitsPlainly ? LockStatements.plainWait(for: key, mode) : LockStatements.wait[key.space, mode]
            connection.submit(statement, for: AnswerTarget.wait(catchesEnd: !waitsPlainly).token)
        case .releaseAll:
            submit(LockStatements.releaseAll)
        case .changeMode(let key, let mode):
            submit(LockStatements.changeMode(of: key, to: mode))
        case .begin:
            // The default of the role or the database may be a level that keeps one snapshot to the end of the transaction.
            submit(LockStatements.command("BEGIN ISOLATION LEVEL READ COMMITTED"))
        case .commit:
            submit(LockStatements.command("COMMIT"))
        case .heartbeat:
            connection.submit([], for: token)
        case .position:
            submit(FencingStatement.statement(serverVersion: connection.session.serverVersion, isNamed: true))
        case .askActivity(let target, _):
            submit(LockStatements.askActivity(session(target)))
        case .look(let looks):
            counts.looks += 1
            submit(LockStatements.look(looks.map { (session($0.connection), $0.oldestAge) }))
        case .askRequests(let asked):
            submit(LockStatements.askRequests(asked.map { session($0) }))
        case .countLocks:
            submit(LockStatements.countLocks)
        case .cancel(let target, let onlyLockWaits):
            // If the target is gone, its process number is 0, which finds nothing.
            submit(LockStatements.cancel(session(target), onlyLockWaits: onlyLockWaits))
        case .statement:
            // The statements of a call are submitted by the other method.
            break
        }
    }

    func submit(
        _ submission: CheckedOutSession.Submission,
        in scope: CheckedOutSession.Scope,
        body: BodyStatement?,
        of call: RequestID,
        on id: ConnectionID
    ) {
        guard let connection = using(id) else { return }
        counts.statements += 1
        if limited.remove(id) != nil {
            connection.submit(LockStatements.prepareWait(for: nil, limit: nil), for: AnswerTarget.settings.token)
        }
        let session = connection.session
        let statements = CheckedOutStatements(
            scope: scope,
            session: session,
            settings: configuration.sessionSettings.staying(session.isPassedOn),
            body: body?.statement
        )
        let further = submission.further.flatMap(statements.sql)
        calls[call] = CallInFlight(submission, statements, on: id)
        connection.submit(submission.statements.flatMap(statements.sql), for: AnswerTarget.call(call, isLast: further.isEmpty).token)
        if !further.isEmpty { connection.submit(further, for: AnswerTarget.call(call, isLast: true).token) }
        // A reset also drops our prepared statements.
        if submission.isResetting { connection.forgetPrepared() }
    }

    func handle(_ event: Connection.Event, of id: ConnectionID) {
        switch event {
        case .answered(let token, let replies): answered(AnswerTarget(token), replies, on: id)
        case .lost(let failure): onEvent(.lost(id, Failure(failure)))
        }
    }

    private func answered(_ target: AnswerTarget, _ replies: Replies, on id: ConnectionID) {
        // A Sync without a statement has no reply.
        let reply = replies.last ?? Reply()
        switch target {
        case .work(let reading):
            onEvent(.answered(id, reading.answer(reply, failure: reply.error.map(Failure.init))))
        case .wait(let catchesEnd):
            let failure = catchesEnd ? quietWaitFailure(reply) : reply.error.map(Failure.init)
            onEvent(.answered(id, ReplyReading.truth.answer(reply, failure: failure)))
        case .settings:
            guard reply.booleans != [true, true] else { return }
            // It is not known for which key a wait behind them is.
            onEvent(.lost(id, reply.error.map(Failure.init) ?? .unexpectedAnswer))
        case .call(let call, let isLast):
            replied(replies.all, to: call, isLast: isLast)
        }
    }

    /// Why a wait that catches its own end has ended without the lock.
    ///
    /// If the server does not run such waits, or their message does not come through, later waits are plain, and this one counts as cancelled
    /// before it has begun, so that the lock is asked for anew. Several such waits may be in flight when the first one fails.
    private func quietWaitFailure(_ reply: Reply) -> Failure? {
        let failure = reply.error.map(Failure.init)
        guard reply.booleans != [true], failure?.isOfMissingLanguage ?? true else { return failure }
        waitsPlainly = true
        return Failure(.cancelled, "The wait has not begun.", sqlState: reply.error?.sqlState)
    }

    private func replied(_ replies: [Reply], to call: RequestID, isLast: Bool) {
        guard let (id, answers, body) = calls[call]?.note(replies) else { return }
        if isLast { calls[call] = nil }
        onEvent(.replied(call, on: id, answers, body: body, isLast: isLast))
    }
}

extension CheckedOutSession.Submission {
    /// Whether the session is as good as new after the submission.
    fileprivate var isResetting: Bool {
        (statements + further).contains { if case .reset(isThorough: true, _) = $0 { true } else { false } }
    }
}
