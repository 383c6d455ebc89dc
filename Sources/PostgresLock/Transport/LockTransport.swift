import LockCore

/// Carries out what is asked of servers, in the engine's words, and reports what comes of it. How that is said to a server is its own business: no SQL,
/// and nothing of libpq, is known outside of it.
///
/// Confined to the manager's event loop: each method is called on it, and each event comes on it, never from within a method.
protocol LockTransport: AnyObject {
    /// To be set once, before anything else.
    var onEvent: (TransportEvent) -> Void { get set }

    /// Opens a session. Ends by `opened` or `notOpened`, unless it is closed before.
    func open(_ id: ConnectionID)

    /// Sends the engine's work, but for a call's statements, behind what is under way on the session. Ends by `answered`, in the order of what was sent, or by `lost`.
    func submit(_ work: Engine.Work, on id: ConnectionID)

    /// Sends the statements of a call on a checked-out session, in the same order. What is answered comes by `replied`.
    ///
    /// - Parameter body: What `CheckedOutSession.Statement.body` stands for.
    func submit(
        _ submission: CheckedOutSession.Submission,
        in scope: CheckedOutSession.Scope,
        body: BodyStatement?,
        of call: RequestID,
        on id: ConnectionID
    )

    /// Cancels what the session runs by other means than another session. Ends by `cancelledOutOfBand`.
    func cancelOutOfBand(_ id: ConnectionID)

    /// Ends a session, or the attempt to open it. No event of it comes any more but `ended`.
    func close(_ id: ConnectionID)

    /// The turn is over: what was submitted goes out.
    ///
    /// - Parameter loneSession: The one whose answer is all that is waited for, and can't take long.
    func flush(loneSession: ConnectionID?)

    /// Asks all servers whether another one was promoted. Sessions that are replaced thereby are lost.
    func survey()

    /// A session does not answer: other servers are tried before its own for a while.
    func noteSilence(of id: ConnectionID)

    /// A fencing token of this position was given out: a server that has not come as far is not the one.
    func note(_ position: WALPosition)

    /// Waits that say what has ended them are not to be had.
    var waitsPlainly: Bool { get set }
}

/// What the body of a transaction or a session runs itself.
struct BodyStatement {
    let sql: String
    var parameters: [PostgresValue] = []
}

/// What has become of what a ``LockTransport`` was asked for.
enum TransportEvent {
    /// A part of the attempt to open a session has begun, and how long it may last; without a limit, another one is about to begin.
    case opening(ConnectionID, within: Duration?, orElse: Failure?)
    case opened(ConnectionID, SessionFacts)
    case notOpened(ConnectionID, Failure)
    case answered(ConnectionID, Engine.Answer)
    /// - Parameters:
    ///   - body: The rows of the body's statement.
    ///   - isLast: Whether no others will come for the call.
    case replied(RequestID, on: ConnectionID, [CheckedOutSession.Reply], body: (any StatementRows)?, isLast: Bool)
    /// Nothing that is unanswered will be answered.
    case lost(ConnectionID, Failure)
    case cancelledOutOfBand(ConnectionID)
    /// The server counts the session no more.
    case ended(ConnectionID)
}

/// What a session has told of itself and its server.
struct SessionFacts {
    /// For messages.
    var place = "the server"
    /// For how many locks the server's table has room.
    var lockTableSize: Int?
    /// Whether the role or the database has settings for others that our own statements don't run with.
    var hasRoleSettings = false
    /// Whether they make transactions deferrable.
    var mayDefer = false
}
