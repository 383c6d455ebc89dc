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
    case askActivity(SimulatedSession?)
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

    /// What the engine asks for; what calls ask for is sent by itself.
    ///
    /// - Parameters:
    ///   - session: Finds another session.
    ///   - aim: What a cancel request is sent for, and whether it strikes waits for locks only.
    init(
        _ work: Engine.Work,
        session: (ConnectionID) -> SimulatedSession?,
        aim: (ConnectionID, _ onlyLockWaits: Bool) -> SimulatedCancelAim
    ) {
        self =
            switch work {
            case .batch(let batch): .batch(batch)
            case .wait(let key, let mode, let limit): .wait(key, mode, limit: limit)
            case .releaseAll: .releaseAll
            case .changeMode(let key, let mode): .changeMode(key, mode)
            case .cancel(let target, let onlyLockWaits):
                .cancel(session(target), aim(target, onlyLockWaits), onlyLockWaits: onlyLockWaits)
            case .begin: .begin
            case .commit: .commit
            case .position: .position
            case .askActivity(let target, _): .askActivity(session(target))
            case .countLocks: .countLocks
            case .look(let looks): .look(looks.map { session($0.connection) })
            case .statement, .heartbeat: .heartbeat
            }
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
