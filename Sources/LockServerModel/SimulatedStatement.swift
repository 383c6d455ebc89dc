package import LockCore

/// What a session can be asked to run.
package enum SimulatedStatement {
    case batch(Engine.Batch)
    case tryAny(LockTable.ChoiceTry)
    case releaseHeld([AdvisoryKey], Mode)
    case wait(AdvisoryKey, Mode, limit: Duration?)
    case releaseAll
    case changeMode(AdvisoryKey, Mode)
    /// - Parameter isMissed: Whether it could strike something else than what it was sent for, when it arrives.
    case cancel(SimulatedSession?, onlyLockWaits: Bool, isMissed: () -> Bool)
    case begin
    case commit
    case heartbeat
    /// Writes a record to the log.
    case position
    case askActivity(SimulatedSession?)
    case look([SimulatedSession?])
    case askRequests([SimulatedSession?])
    case countLocks
    /// What the session is sent while it is checked out.
    case own(Own)

    package struct Own {
        package let statement: CheckedOutSession.Statement
        package let scope: CheckedOutSession.Scope
        /// What the scope's body asks for, if the statement is that.
        package let body: SimulatedBody?

        package init(statement: CheckedOutSession.Statement, scope: CheckedOutSession.Scope, body: SimulatedBody?) {
            self.statement = statement
            self.scope = scope
            self.body = body
        }
    }

    /// What the engine asks for; what calls ask for is sent by itself.
    ///
    /// - Parameters:
    ///   - session: Finds another session.
    ///   - isMissed: Says of a cancel request whether it could strike something else than what it is sent for.
    package init(
        _ work: Engine.Work,
        session: (ConnectionID) -> SimulatedSession?,
        isMissed: (ConnectionID, _ onlyLockWaits: Bool) -> () -> Bool = { _, _ in { false } }
    ) {
        self =
            switch work {
            case .batch(let batch): .batch(batch)
            case .tryAny(let attempt): .tryAny(attempt)
            case .releaseHeld(let keys, let mode, _, _): .releaseHeld(keys, mode)
            case .wait(let key, let mode, let limit): .wait(key, mode, limit: limit)
            case .releaseAll: .releaseAll
            case .changeMode(let key, let mode): .changeMode(key, mode)
            case .cancel(let target, let onlyLockWaits):
                .cancel(session(target), onlyLockWaits: onlyLockWaits, isMissed: isMissed(target, onlyLockWaits))
            case .begin: .begin
            case .commit: .commit
            case .position: .position
            case .askActivity(let target, _): .askActivity(session(target))
            case .countLocks: .countLocks
            case .askRequests(let asked): .askRequests(asked.map(session))
            case .look(let looks): .look(looks.map { session($0.connection) })
            case .statement, .heartbeat: .heartbeat
            }
    }

    /// Whether it has other ways to end than by its answer, while it waits for nothing.
    var isBody: Bool { if case .own(let own) = self { own.statement == .body } else { false } }
}

package struct SimulatedReply {
    package var rows: [Bool] = []
    package var position: WALPosition?
    package var count: Int?
    package var requests: [[Engine.ReleaseRequest]]?
    package var failure: Failure?
    // Of a checked-out session.
    package var hasSaidOutcome = false
    package var tag: String?
    package var text: String?
    package var transaction = CheckedOutSession.TransactionState.unknown

    package var own: CheckedOutSession.Reply {
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
