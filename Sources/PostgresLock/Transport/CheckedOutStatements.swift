import LibPQ
import LockCore

/// The SQL for the statements of a `CheckedOutSession` on one connection, and the meaning of the answers.
///
/// None is prepared under a name: see ``SessionSettings/reset(mayDefer:ofClient:)``.
struct CheckedOutStatements {
    let scope: CheckedOutSession.Scope
    let session: RawConnection.Session
    let settings: SessionSettings
    /// The statement that the scope's body runs.
    var body: Statement?

    /// One statement; several for a thorough reset; none if there is nothing to set.
    func sql(_ statement: CheckedOutSession.Statement) -> [Statement] {
        switch statement {
        case .roleSettings: SessionSettings.restoring(session.roleSettings).map { [LockStatements.command($0)] } ?? []
        case .setDeferrable(let value): [LockStatements.command("SET default_transaction_deferrable = \(value)")]
        case .showDeferrable: [LockStatements.command("SHOW default_transaction_deferrable")]
        case .doNotDefer: [LockStatements.command(SessionSettings.doesNotDefer)]
        case .begin: [LockStatements.command("BEGIN")]
        case .settingsInTransaction: [LockStatements.command(settings.generalInTransaction)]
        case .tryLock(let key, let mode): [LockStatements.lock(for: key, mode, until: scope, noWait: true)]
        case .lock(let key, let mode): [LockStatements.lock(for: key, mode, until: scope, noWait: false)]
        case .setAwaited(let key): [LockStatements.prepareWait(for: key, until: scope)]
        case .wait(let space, let mode): [LockStatements.wait(in: space, mode, until: scope)]
        case .setSavepoint(let savepoint): [LockStatements.command("SAVEPOINT \(savepoint.rawValue)")]
        case .rollBackToSavepoint(let savepoint): [LockStatements.command("ROLLBACK TO SAVEPOINT \(savepoint.rawValue)")]
        case .releaseSavepoint(let savepoint): [LockStatements.command("RELEASE SAVEPOINT \(savepoint.rawValue)")]
        case .areHeld(let locks): [LockStatements.areHeld(locks)]
        case .unlock(let batch): [LockStatements.unnamed(batch)]
        case .unlockAll: [LockStatements.command("SELECT pg_catalog.pg_advisory_unlock_all()")]
        case .position: [FencingStatement.statement(serverVersion: session.serverVersion, isNamed: false)]
        case .nothing: [LockStatements.command("SELECT")]
        case .body: body.map { [$0] } ?? []
        case .rollBack: [LockStatements.command("ROLLBACK")]
        case .commit: [LockStatements.command("COMMIT")]
        case .reset(isThorough: false, _): sql(.unlockAll)
        case .reset(isThorough: true, let mayDefer):
            settings.reset(mayDefer: mayDefer, ofClient: session.clientSettings).map(LockStatements.command)
        }
    }

    /// - Parameter replies: The replies to the statements of ``sql(_:)``.
    func reply(to statement: CheckedOutSession.Statement, _ replies: ArraySlice<Reply>) -> CheckedOutSession.Reply {
        var reply = CheckedOutSession.Reply(failure: replies.lazy.compactMap(\.error).first.map(Failure.init))
        guard let last = replies.last else { return reply }
        reply.transaction = .init(last.transaction)
        switch statement {
        case .reset(isThorough: true, _):
            // The last one may fail: it is `SessionSettings.clientCheck`.
            reply.failure = replies.dropLast().lazy.compactMap(\.error).first.map(Failure.init)
        case .showDeferrable:
            reply.text = last.result.flatMap { $0.rowCount == 1 ? $0.text(row: 0, column: 0) : nil }
        case .position:
            reply.position = FencingStatement.position(last)
        default:
            reply.rows = last.booleans
            reply.hasSaidOutcome = last.waitOutcome != nil
            reply.tag = last.result?.commandTag
        }
        return reply
    }
}

extension CheckedOutSession.TransactionState {
    init(_ transaction: Reply.Transaction) {
        self =
            switch transaction {
            case .none: .none
            case .open: .open
            case .aborted: .aborted
            case .unknown: .unknown
            }
    }
}
