import LockCore

/// Carries out what is asked of servers, in the engine's words, and reports what comes of it. How that is said to a server is its own
/// business: no SQL, and nothing of libpq, is known outside of it, but for two checks of what a caller gives: of the configuration, and of a
/// body's statement (`BodyStatement.obstacle`).
///
/// **Threads.** A transport belongs to one driver, and is confined to its event loop. Each method is called there. Each event comes
/// there, and never from within a method, since the driver is in the middle of its actions then: `EventLoop.submit(_:)` does both. The transport may
/// hold the loop, but not the driver. When it is let go of, it ends all sessions: that is how a manager ends that was not shut down.
///
/// **Events of a session.** The engine chooses its number, and uses none twice.
///
/// - `opening` any number of times, then `notOpened`, after which the session is unknown, or `opened`.
/// - Then `answered` and `replied`, in the order of what was submitted, and at last maybe `lost`, once: behind the answers that have come
///   before. What is lost is closed by the driver, not by the transport; what is submitted until then has no effect.
/// - After `close(_:)` comes `ended`, at least once, and `cancelledOutOfBand`, before it or after it, if that was asked for. No other
///   event comes, also if it was on its way to the loop already.
///
/// **Sessions.** Each runs what it is sent, one after the other, whatever the others do: a wait for a lock holds up no other session. Each
/// piece of work and each statement is a transaction of its own, unless one is open, and is run whatever has become of the one before; but
/// in a transaction that has failed, all but what ends the failure is refused (`Failure.Kind.transactionAborted`). Locks last until they
/// are released or the session ends, except for those of a call in the scope `transaction`. A session counts them, one for each time that
/// it was granted a lock, and gets again at once what it holds.
///
/// **Failures.** Decisions go by their kinds: see `Failure.Kind`. By its SQLSTATE a failure is known as that of a wait which can't say
/// what has ended it (`42704`, `42501`), or of a statement that was cancelled (`57014`).
protocol LockTransport: AnyObject {
    /// To be set once, before anything else.
    var onEvent: (TransportEvent) -> Void { get set }

    /// Opens a session. Ends by `opened` or `notOpened`, unless it is closed before.
    func open(_ id: ConnectionID)

    /// Sends the engine's work, but for a call's statements, behind what is under way on the session. Ends by `answered`, with the kind
    /// of answer that belongs to the work, or by `lost`.
    ///
    /// - A batch that fails half way may have taken locks of the next `Engine.Batch.keysPerRow` keys behind those that are answered, and of
    ///   none behind these. Of one that is answered without an error each key has an answer.
    /// - A wait comes on sessions that hold nothing, and may last. Its limit is for that wait alone: nothing that the session is sent
    ///   afterwards is ended by it.
    /// - A cancel request is answered when it can't strike any more what its target is sent afterwards. It may name a session that is
    ///   gone, as may a question about others; then nothing was found.
    func submit(_ work: Engine.Work, on id: ConnectionID)

    /// Sends the statements of a call on a checked-out session, in the same order. What is answered comes by `replied`: all that is in
    /// `statements` at once, and all that is in `further`, so that the former is known if the session is lost in between.
    ///
    /// The session can differ from others' afterwards, until a thorough reset: see `CheckedOutSession.Statement.reset`.
    ///
    /// - Parameter body: What `CheckedOutSession.Statement.body` stands for.
    func submit(
        _ submission: CheckedOutSession.Submission,
        in scope: CheckedOutSession.Scope,
        body: BodyStatement?,
        of call: RequestID,
        on id: ConnectionID
    )

    /// Cancels what the session runs by other means than another session, at once. Ends by `cancelledOutOfBand`, also if there is nothing to
    /// cancel, and if the session is closed right afterwards: the server may not notice for long that the client of a wait is gone.
    func cancelOutOfBand(_ id: ConnectionID)

    /// Ends a session, or the attempt to open it. What was submitted before may still be run.
    func close(_ id: ConnectionID)

    /// The turn is over: what was submitted goes out, as far as it has not yet.
    ///
    /// - Parameter loneSession: The one whose answer is all that is waited for, and can't take long.
    func flush(loneSession: ConnectionID?)

    /// Asks all servers whether another one was promoted. Sessions that are replaced thereby are lost. Has no end of its own.
    func survey()

    /// A session does not answer: other servers are tried before its own for a while.
    func noteSilence(of id: ConnectionID)

    /// A fencing token of this position was given out: a server that has not come as far is not the one.
    func note(_ position: WALPosition)

    /// Waits that say what has ended them are not to be had on the server. Found out by the transport, for the engine's waits, which it
    /// then carries out in another way; or by the driver, which then sends `CheckedOutSession.Statement.lock` instead of `wait`.
    var waitsPlainly: Bool { get set }
}

/// What the body of a transaction or a session runs itself.
struct BodyStatement {
    let sql: String
    var parameters: [SQLParameter] = []
}

/// What has become of what a ``LockTransport`` was asked for, in the order that is told there.
enum TransportEvent {
    /// A part of the attempt to open a session has begun. When its limit has passed, the attempt counts as failed, and the session is closed.
    /// Without a limit, another part is about to begin; an attempt without any is waited for until it ends by itself.
    case opening(ConnectionID, within: Duration?, orElse: Failure?)
    /// The session is open, and it is certain that its locks exclude those of all other sessions of the server. For a
    /// ``TransactionLockManager`` that is not checked.
    case opened(ConnectionID, SessionFacts)
    case notOpened(ConnectionID, Failure)
    /// To the oldest work of the engine that is unanswered.
    case answered(ConnectionID, Engine.Answer)
    /// To the statements of a call, each with a reply, in their order.
    ///
    /// - Parameters:
    ///   - body: The rows of the body's statement; `nil` if it has failed, or is one that returns nothing at all.
    ///   - isLast: Whether no others will come for the call.
    case replied(RequestID, on: ConnectionID, [CheckedOutSession.Reply], body: (any StatementRows)?, isLast: Bool)
    /// Nothing that is unanswered will be answered.
    case lost(ConnectionID, Failure)
    case cancelledOutOfBand(ConnectionID)
    /// The server counts the session no more, or that is not waited for any longer. Until then it counts among the connections that
    /// there may be.
    case ended(ConnectionID)
}

/// What a session has told of itself and its server.
struct SessionFacts {
    /// For messages.
    var databaseName = "the server"
    /// For how many locks the server's table has room; `nil` if the server does not say, and then any number of locks is taken.
    var lockTableSize: Int?
    /// Whether the role or the database has settings for others that our own statements don't run with.
    var hasRoleSettings = false
    /// Whether they make transactions deferrable.
    var mayDefer = false
}
