import LibPQ
import LockCore
import Logging

// What the engine has sent, and whom an answer is for: see `AnswerTarget`.
extension LockManager {
    func submit(_ work: Engine.Work, on id: ConnectionID) {
        guard let connection = connections[id] else { return }
        unflushed.insert(id)
        statementCount += 1
        func submit(_ statement: Statement) { connection.submit(statement, for: AnswerTarget.work.token) }
        switch work {
        case .batch(let batch):
            submit(LockStatements.statement(for: batch))
        case .wait(let key, let mode, let limit):
            // On its own: the wait behind it may last, and is for another key if this fails.
            connection.submit(LockStatements.prepareWait(for: key, limit: limit), for: AnswerTarget.settings.token)
            let statement = waitsPlainly ? LockStatements.plainWait(for: key, mode) : LockStatements.wait(in: key.space, mode)
            connection.submit(statement, for: AnswerTarget.wait(catchesEnd: !waitsPlainly).token)
        case .releaseAll:
            submit(LockStatements.releaseAll)
        case .changeMode(let key, let mode):
            submit(LockStatements.changeMode(of: key, to: mode))
        case .begin:
            // Not what the role or the database has for default: that may be one that keeps a snapshot to the end.
            submit(LockStatements.command("BEGIN ISOLATION LEVEL READ COMMITTED"))
        case .commit:
            submit(LockStatements.command("COMMIT"))
        case .heartbeat:
            connection.submit([], for: AnswerTarget.work.token)
        case .position:
            submit(FencingStatement.statement(serverVersion: connection.session.serverVersion, isNamed: true))
        case .probe(let target, _):
            submit(LockStatements.probe(connections[target]?.session ?? .init()))
        case .look(let looks):
            lookCount += 1
            submit(LockStatements.look(looks.map { (connections[$0.connection]?.session ?? .init(), $0.oldestAge) }))
        case .countLocks:
            submit(LockStatements.countLocks)
        case .cancel(let target, let onlyLockWaits):
            // A target that is gone has no session to look for: no process has the number 0.
            submit(LockStatements.cancel(connections[target]?.session ?? .init(), onlyLockWaits: onlyLockWaits))
        case .statement(let call):
            (calls[call] as? StatementsCall)?.submit(to: connection)
        }
    }

    /// A wait has left its backstop behind, which would end a borrower's waits.
    func convert(_ id: ConnectionID, to role: Engine.Role) {
        guard role == .dedicated else { return }
        unflushed.insert(id)
        connections[id]?.submit(LockStatements.prepareWait(for: nil, limit: nil), for: AnswerTarget.settings.token)
    }

    func handle(_ event: Connection.Event, of id: ConnectionID) {
        switch event {
        case .answered(let token, let replies): answered(AnswerTarget(token), replies, on: id)
        case .lost(let failure): drive { $0.lost(id, Failure(failure), now: $1) }
        }
    }

    private func answered(_ target: AnswerTarget, _ replies: [Reply], on id: ConnectionID) {
        // A Sync of its own has no reply.
        let reply = replies.first ?? Reply()
        switch target {
        case .work:
            workAnswered(reply, failure: reply.error.map(Failure.init), on: id)
        case .wait(catchesEnd: true):
            workAnswered(reply, failure: quietWaitFailure(reply), on: id)
        case .wait(catchesEnd: false):
            workAnswered(reply, failure: reply.error.map(Failure.init), on: id)
        case .settings:
            guard reply.booleans != [true, true] else { return }
            // Which key a wait behind them is for is not known.
            drive { $0.lost(id, reply.error.map(Failure.init) ?? .unexpectedAnswer, now: $1) }
        case .call(let call, let isLast):
            (calls[call] as? StatementsCall)?.note(replies)
            if isLast { drive { $0.answered(id, Engine.Answer(), now: $1) } }
        }
    }

    private func workAnswered(_ reply: Reply, failure: Failure?, on id: ConnectionID) {
        let answer = Engine.Answer(
            rows: reply.booleans,
            position: FencingStatement.position(reply),
            count: LockStatements.lockCount(reply),
            failure: failure
        )
        drive { $0.answered(id, answer, now: $1) }
    }

    /// Why a wait that catches its end has ended without the lock. Where the server does not run that, or what it says does not
    /// come through, the lock is asked for anew without it. Several such waits may be on their way when the first one shows it.
    private func quietWaitFailure(_ reply: Reply) -> Failure? {
        guard reply.booleans != [true], isOfMissingLanguage(reply.error?.sqlState) else { return reply.error.map(Failure.init) }
        waitPlainly()
        return Failure(.cancelled, "The wait has not begun.", sqlState: reply.error?.sqlState)
    }

    /// Whether PL/pgSQL is not there, or not for the role, by what a wait has ended with that has not said what it came to.
    func isOfMissingLanguage(_ sqlState: String?) -> Bool {
        sqlState == nil || sqlState == "42704" || sqlState == "42501"
    }

    func waitPlainly() {
        guard !waitsPlainly else { return }
        waitsPlainly = true
        logger.info("waits that end write an error to the server's log, since PL/pgSQL is not to be had", metadata: [:])
    }
}
