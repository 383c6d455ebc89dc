import LockCore

/// What a session can be asked to run.
enum SimulatedStatement {
    case batch(Engine.Batch)
    case wait(AdvisoryKey, Mode, limit: Duration?)
    case releaseAll
    case changeMode(AdvisoryKey, Mode)
    case cancel(SimulatedSession?, SimulatedCancelAim, onlyLockWaits: Bool)
    case begin
    case commit
    case heartbeat
    /// Writes a record to the log.
    case position
    case probe(SimulatedSession?)
    case look([SimulatedSession?])
    case countLocks
    /// What the session is sent while it is checked out.
    case own(Own)

    struct Own {
        let statement: CheckedOutSession.Statement
        let scope: CheckedOutSession.Scope
        /// What the scope's body asks for, if the statement is that.
        let body: SimulatedBody?
    }

    /// Whether it has other ways to end than by its answer, while it waits for nothing.
    var isBody: Bool { if case .own(let own) = self { own.statement == .body } else { false } }
}

struct SimulatedReply {
    var rows: [Bool] = []
    var position: WALPosition?
    var count: Int?
    var failure: Failure?
    // Of a checked-out session.
    var hasSaidOutcome = false
    var tag: String?
    var text: String?
    var transaction = CheckedOutSession.TransactionState.unknown

    var own: CheckedOutSession.Reply {
        .init(
            rows: rows,
            failure: failure,
            hasSaidOutcome: hasSaidOutcome,
            tag: tag,
            text: text,
            position: position,
            transaction: transaction
        )
    }
}
