package import LockCore

/// Carries out the engine's requests to servers, and reports the outcomes, in the engine's terms.
///
/// SQL and libpq are known to the transport only, except for two checks of what a caller gives: of the configuration, and of a body's statement
/// (`BodyStatement.obstacle`).
///
/// **Threads.** A transport belongs to one driver, and is confined to its event loop. Each method is called on the loop. Each event is sent on the
/// loop, and never from within a method, because the driver is performing actions then; `EventLoop.submit(_:)` satisfies both. The transport may
/// keep the loop, but not the driver. Its `deinit` ends all sessions, because a manager may be dropped without a shutdown.
///
/// **Events of a session.** The engine chooses the number of each session, and uses no number twice.
///
/// - `opening` any number of times, then `opened`, or `notOpened`, after which the session is unknown.
/// - Then `answered` and `replied`, in the order of the submissions, and at last possibly `lost`, once, after all answers. The driver closes a lost
///   session, not the transport; submissions until then have no effect.
/// - After `close(_:)`, `ended` at least once, and, if it was asked for, `cancelledOutOfBand` before or after it. No other event comes, even if it
///   had been submitted to the loop before.
///
/// **Sessions.** Each session runs its submissions one after the other, independently of other sessions: a wait for a lock holds up no other
/// session. Each piece of work and each statement is a transaction of its own, unless one is open, and is run whatever the outcome of the one
/// before; but a failed transaction refuses everything except what ends the failure (`Failure.Kind.transactionAborted`). Locks last until they are
/// released or the session ends, except for those of a call in the scope `transaction`. A session is granted again at once what it holds, and
/// counts how often each lock was granted.
///
/// **Failures.** Decisions depend on their kinds: see `Failure.Kind`. Three SQLSTATEs matter: `42704` and `42501` mean that a wait can't catch its
/// own end, `57014` that a statement was cancelled.
package protocol LockTransport: AnyObject {
    /// Set once, before any method is called.
    var onEvent: (TransportEvent) -> Void { get set }

    /// Opens a session. Answered by `opened` or `notOpened`, unless it is closed before.
    func open(_ id: ConnectionID)

    /// Sends work of the engine, except for statements of calls, behind what is in flight on the session. Answered by `answered`, with the kind of
    /// answer that belongs to the work, or by `lost`.
    ///
    /// - A batch that fails half way may have taken locks on up to `Engine.Batch.keysPerRow` keys behind those that are answered. If a batch is
    ///   answered without an error, each key has an answer.
    /// - Waits are sent on sessions that hold nothing, and may last. The limit of a wait ends nothing that is sent to the session later.
    /// - A cancel request is answered when it can't affect any more what its target is sent later. A cancel request, or a question about other
    ///   sessions, may name a session that is gone; then nothing was found.
    func submit(_ work: Engine.Work, on id: ConnectionID)

    /// Sends the statements of a call on a checked-out session, in their order. Answered by `replied`: once for all of `statements`, and once for
    /// all of `further`, so that the former answers are known if the session is lost in between.
    ///
    /// The session can differ from a new one afterwards, until a thorough reset: see `CheckedOutSession.Statement.reset`.
    ///
    /// - Parameter body: What `CheckedOutSession.Statement.body` stands for.
    func submit(
        _ submission: CheckedOutSession.Submission,
        in scope: CheckedOutSession.Scope,
        body: BodyStatement?,
        of call: RequestID,
        on id: ConnectionID
    )

    /// Cancels what the session runs, at once and not through another session. Answered by `cancelledOutOfBand`, also if there is nothing to
    /// cancel. It is carried out even if the session is closed right afterwards, because it can take long until the server notices that the client
    /// of a wait is gone.
    func cancelOutOfBand(_ id: ConnectionID)

    /// Ends a session, or the attempt to open it. The server may still run what was submitted before.
    func close(_ id: ConnectionID)

    /// The turn is over: sends what was submitted and is not sent yet.
    ///
    /// - Parameters:
    ///   - loneSession: The session whose answer is the only one that is waited for, and can't take long.
    ///   - isAnswerNeeded: Whether any answer is needed. If not, answers need not be reported before one is needed, or for some milliseconds.
    func endTurn(loneSession: ConnectionID?, isAnswerNeeded: Bool)

    /// Asks all servers whether another one was promoted. Sessions on a server that was replaced are lost. There is no event for the end.
    func survey()

    /// A session does not answer: for a while other servers are tried before its server.
    func noteSilence(of id: ConnectionID)

    /// A fencing token with this position was given out: a server whose log ends before it is not the same server.
    func note(_ position: WALPosition)

    /// Looks at the locks on the server without a session of the manager's.
    ///
    /// - Parameter completion: Called once, on some thread, if the look is taken.
    /// - Returns: Whether it is. If not, a look takes SQL.
    func look(_ look: LockLook, completion: @escaping @Sendable (LockLook.Found) -> Void) -> Bool

    /// Whether the server can't run waits that catch their own end. The transport finds this out from the engine's waits, and then waits in
    /// another way; the driver finds it out on checked-out sessions, and then sends `CheckedOutSession.Statement.lock` instead of `wait`.
    var waitsPlainly: Bool { get set }

    /// Tells which locks there are, for a server that runs no SQL; `nil` otherwise.
    var lister: (any LockLister)? { get }
}

extension LockTransport {
    package var lister: (any LockLister)? { nil }
}

/// Tells which locks there are on a server that runs no SQL. Can be used from any thread.
package protocol LockLister: Sendable {
    /// The granted locks on pairs.
    ///
    /// - Parameter classes: The first numbers of the pairs.
    /// - Throws: ``LockError`` if the server can't be reached.
    func locks(inClasses classes: [Int32]) throws -> [ListedLock]
}

/// A granted lock on a server that runs no SQL.
package struct ListedLock: Sendable {
    let key: AdvisoryKey
    let mode: Mode

    package init(key: AdvisoryKey, mode: Mode) {
        self.key = key
        self.mode = mode
    }
}

extension LockTransport {
    package func look(_ look: LockLook, completion: @escaping @Sendable (LockLook.Found) -> Void) -> Bool { false }
}

/// The events of a ``LockTransport``, which says in what order they come.
package enum TransportEvent: Sendable {
    /// A stage of the attempt to open a session has begun. When its limit has passed, the attempt counts as failed, and the session is closed.
    /// Without a limit the stage is waited for until it ends.
    case opening(ConnectionID, within: Duration?, orElse: Failure?)
    /// The session is open, and it was checked that its locks exclude those of other sessions of the server. For a ``TransactionLockManager`` that
    /// is not checked.
    case opened(ConnectionID, SessionFacts)
    case notOpened(ConnectionID, Failure)
    /// The answer to the oldest unanswered work of the engine.
    case answered(ConnectionID, Engine.Answer)
    /// The replies to statements of a call, in their order.
    ///
    /// - Parameters:
    ///   - body: The rows of the body's statement; `nil` if it has failed, or returns no result.
    ///   - isLast: Whether these are the last replies for the call.
    case replied(RequestID, on: ConnectionID, [CheckedOutSession.Reply], body: (any StatementRows)?, isLast: Bool)
    /// The session is lost: nothing that is unanswered will be answered.
    case lost(ConnectionID, Failure)
    case cancelledOutOfBand(ConnectionID)
    /// The session has ended at the server, or its end is not waited for any longer. Until then it counts as one of the connections of the pool.
    case ended(ConnectionID)
}

/// What is known of a session and its server from the time of its opening.
package struct SessionFacts: Sendable {
    /// For messages.
    var databaseName = "the server"
    /// The backend's, as the server's views show it; 0 if it is not known.
    var processID: Int32 = 0
    /// For spans; `nil` if it is not known.
    var address: ServerAddress?
    /// The number of locks that the server's lock table has room for; `nil` if the server does not say, and then the number is not limited.
    var lockTableSize: Int?
    /// Whether the role or the database has settings that our own statements run without.
    var hasRoleSettings = false
    /// Whether these settings make transactions deferrable.
    var mayDefer = false
}

extension SessionFacts {
    package init(databaseName: String, lockTableSize: Int?) {
        self.init()
        self.databaseName = databaseName
        self.lockTableSize = lockTableSize
    }
}
