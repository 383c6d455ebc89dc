import LockCore
public import Logging

/// A lock on a connection that the caller owns, of whichever driver.
///
/// ```swift
/// let lock = ConnectionLock("nightly-report", on: connection)
/// try await lock.withLock {
///     try await buildReport(connection)
/// }
/// ```
///
/// It is for those who have a connection already, and want the lock on that very one: for a lock that ends with the driver's own
/// transaction, or that guards the session itself. Otherwise a ``LockManager`` does more. It needs fewer connections, knows at
/// once when a lock is lost, ends it by a lease, and cancels the body. A connection that is somebody else's can't be watched:
/// here a loss comes out at the release (``LockError/Code/lockLost``), or when the body's own statements fail.
///
/// One connection, and one session of the server, carries the lock for its whole life. With a pool, take a connection out of it, and
/// give it back after the release. Behind a pooler of transactions only ``LockScope/transaction`` works.
///
/// An acquire either holds the lock or leaves nothing behind, and a wait that times out, is cancelled or runs into a deadlock does not
/// abort a transaction around it. The one exception: the connection fails, or a cancel hits the transaction just as the wait begins
/// or ends. Then the error says what is not known, and ``release(isolation:)`` settles it, after a rollback if need be.
///
/// A lock is no more sendable than the connection: one task uses it at a time. Nothing is released when it goes out of scope.
///
/// While it waits, its session holds a snapshot: `CREATE INDEX CONCURRENTLY` in the same database waits for that, and `VACUUM` keeps
/// what the snapshot could see. A ``LockManager`` notices, and begins such a wait anew; a `ConnectionLock` can't. Don't build indexes
/// concurrently under a lock that others wait for in this way.
///
/// A connection is one holder for the server: a second lock on the same key and the same connection would be granted at once, and
/// what the one releases after a failure may be the other's. Have one for each.
///
/// The counterpart of `Lock` in Python's `postgresql-lock`.
public final class ConnectionLock<Connection: LockConnection> {
    /// The caller's connection.
    public let connection: Connection
    /// What is locked.
    public let key: LockKey
    /// Alone, or together with other shared holders.
    public let mode: LockMode
    /// What the lock ends with.
    public let scope: LockScope

    /// Whether ``withLock(timeout:isolation:_:)`` rolls the connection's transaction back when its body throws; true by default.
    ///
    /// In a transaction that PostgreSQL has aborted, no lock can be released.
    public var rollsBackOnError: Bool

    /// How long a cancelled wait may last on a connection that has no ``LockConnection/cancelRequestSender``; 1 s by default.
    ///
    /// The wait is then made of waits of this length, and goes to the end of the server's queue after each.
    public var cancellationLatency = Duration.seconds(1)

    /// How long a statement may stay unanswered that the server should have answered, before the connection is closed; 30 s by
    /// default. For a wait this begins with its timeout, or when the task is cancelled.
    ///
    /// Only where the driver can do that (``LockConnection/connectionCloser``); elsewhere it has to have limits of its own.
    public var responseTimeout: Duration {
        get { shielded.responseTimeout }
        set { shielded.responseTimeout = newValue.bounded }
    }

    /// The timeout of a wait inside the scope of another lock, transaction or session, if none is given; 30 s by default.
    ///
    /// Without it, two tasks that take two locks in opposite order could wait for ever: PostgreSQL sees only what waits on one
    /// session for what another one holds.
    public var nestedTimeout = Duration.seconds(30)

    /// How many times the lock is held: more than once only in shared mode.
    ///
    /// What a transaction has locked counts until it is asked for again, released or rolled back by this object, though the
    /// transaction may have ended since. ``isHeld(isolation:)`` asks the server.
    public var holdCount: Int {
        if case .held(let count) = state { count } else { 0 }
    }

    enum State {
        case free
        case held(count: Int)
        /// The connection failed before the server's answer was there.
        case unknown
    }

    let statements: ConnectionLockStatements
    var shielded: ShieldedConnection<Connection>
    let logger: Logger
    var state = State.free
    /// Of the transaction in which the lock was acquired; undone with all that it has locked.
    var mark: ConnectionLockStatements.Mark?
    private var isBusy = false

    /// - Parameters:
    ///   - key: What to lock.
    ///   - connection: Stays the caller's. While a method of the lock runs, it must not be used for anything else.
    ///   - mode: Alone, or together with other shared holders.
    ///   - scope: What the lock ends with.
    ///   - rollsBackOnError: See ``rollsBackOnError``.
    ///   - logger: Gets what was acquired and released, at `debug`.
    public init(
        _ key: LockKey,
        on connection: Connection,
        mode: LockMode = .exclusive,
        scope: LockScope = .session,
        rollsBackOnError: Bool = true,
        logger: Logger = Logger(label: "PostgresLock")
    ) {
        self.key = key
        self.connection = connection
        self.mode = mode
        self.scope = scope
        self.rollsBackOnError = rollsBackOnError
        self.logger = logger
        statements = ConnectionLockStatements(key.advisory, mode, scope)
        shielded = ShieldedConnection(connection: connection)
    }

    // MARK: SQL

    /// The statement that waits for the lock. It is sent in a block that takes care of what a failed wait leaves behind.
    public var lockQuery: String { statements.lock }

    /// The statement that takes the lock if it is free.
    public var tryLockQuery: String { statements.tryLock }

    /// The statement that releases the lock; `nil` if it ends with its transaction.
    public var unlockQuery: String? { scope == .session ? statements.unlock : nil }

    // MARK: One after the other

    /// Refuses what makes no sense. Whoever comes back from it must ``end()``.
    func begin() throws {
        KeyCollisions.shared.report(to: logger)
        guard !key.isUnnamed else {
            throw fault("The lock's name is empty. Give it a name that says what it guards.")
        }
        guard connection.lockScopes.contains(scope) else {
            let possible = connection.lockScopes.map { ".\($0)" }.sorted().joined(separator: ", ")
            throw fault("A lock on this connection can't have the scope .\(scope), but: \(possible).")
        }
        guard !isBusy else {
            throw fault("The lock \(key) is in use by another task. A connection serves one at a time: make a lock on another one.")
        }
        isBusy = true
    }

    func end() {
        isBusy = false
    }

    // MARK: Errors

    func fault(_ message: String) -> LockError {
        LockError(.invalidArgument, message, keys: [key])
    }

    /// A statement has failed that was not to acquire anything, or of which is known that it has not.
    func failure(_ error: any Error) -> any Error {
        if let error = error as? LockError { return error }
        return LockError(
            .statementFailed,
            "The connection failed to run a statement for the lock \(key). Look at the driver's error (underlying).",
            sqlState: connection.sqlState(of: error),
            keys: [key],
            underlying: error
        )
    }
}
