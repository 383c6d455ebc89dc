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
/// Use it if the lock has to be on a connection that the program already has: to end with the driver's own transaction, or to guard the
/// session itself. Otherwise use a ``LockManager``. It needs fewer connections, learns at once when a lock is lost, and cancels the body
/// then. A connection that another driver owns can't be watched: a loss is reported by the release (``LockError/Code/lockLost``), or when
/// the body's own statements fail.
///
/// The lock stays with one connection and one session of the server for its whole life. With a pool, check a connection out, and return
/// it after the release. Behind a pooler of transactions only ``LockScope/transaction`` works.
///
/// A call that fails leaves no lock behind, and a wait that times out, is cancelled or runs into a deadlock does not abort a transaction
/// around it. There is one exception: the connection fails, or a cancel request hits the transaction just as the wait begins or ends.
/// Then the error says what is not known, and ``release(isolation:)`` settles it, after a rollback if necessary.
///
/// Like the connection, a lock is not sendable: one task uses it at a time. Nothing is released when the object goes out of scope.
///
/// While the lock waits, its session holds a snapshot. `CREATE INDEX CONCURRENTLY` in the same database waits for that, and `VACUUM`
/// keeps the rows that the snapshot could see. A ``LockManager`` begins such a wait anew; a `ConnectionLock` can't. Don't build indexes
/// concurrently under a lock that a `ConnectionLock` waits for.
///
/// To the server a connection is one holder: a second lock on the same key and connection would be granted at once, and a release of one
/// may release the other's. Use one object for each key and connection.
///
/// It corresponds to `Lock` in Python's `postgresql-lock`.
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
    /// Such a wait consists of waits of this length. Each of them begins at the end of the server's queue.
    public var cancellationLatency = Duration.seconds(1)

    /// How long the server may take to answer a statement before the connection is closed; 30 s by default. For a wait, this time
    /// begins with the end of its timeout, or when the task is cancelled.
    ///
    /// It applies if the driver can close the connection (``LockConnection/connectionCloser``). Otherwise the driver needs limits of its
    /// own.
    public var responseTimeout: Duration {
        get { shielded.responseTimeout }
        set { shielded.responseTimeout = newValue.bounded }
    }

    /// The timeout of a wait inside the scope of another lock, transaction or session, if none is given; 30 s by default.
    ///
    /// Without it, two tasks that take two locks in opposite order could wait for each other without end: PostgreSQL sees a deadlock of
    /// sessions, but not one of tasks that have several sessions each.
    public var nestedTimeout = Duration.seconds(30)

    /// How many times the lock is held: more than once only in shared mode.
    ///
    /// A lock of the scope ``LockScope/transaction`` counts until this object acquires, releases or rolls back, although the transaction
    /// may have ended before. ``isHeld(isolation:)`` asks the server.
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
    /// Set in the transaction in which the lock was acquired, and undone with its locks.
    var mark: ConnectionLockStatements.Mark?
    private var isBusy = false

    /// - Parameters:
    ///   - key: What to lock.
    ///   - connection: Owned by the caller. While a method of the lock runs, it must not be used for anything else.
    ///   - mode: Alone, or together with other shared holders.
    ///   - scope: What the lock ends with.
    ///   - rollsBackOnError: See ``rollsBackOnError``.
    ///   - logger: Gets a line at `debug` for each lock that is acquired or released.
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

    /// The statement that waits for the lock. It is sent inside a PL/pgSQL block that cleans up after a failed wait.
    public var lockQuery: String { statements.lock }

    /// The statement that takes the lock if it is free.
    public var tryLockQuery: String { statements.tryLock }

    /// The statement that releases the lock; `nil` if it ends with its transaction.
    public var unlockQuery: String? { scope == .session ? statements.unlock : nil }

    // MARK: One call at a time

    /// Begins a call, or refuses it if it is invalid. The caller must call ``end()`` if this returns.
    func begin() throws {
        KeyCollisions.shared.report { logger.warning($0, metadata: $1) }
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

    /// Runs statements that certainly don't acquire the lock.
    func asking<Result>(
        _ isolation: isolated (any Actor)?,
        _ body: nonisolated(nonsending) () async throws -> Result
    ) async throws -> Result {
        do {
            return try await body()
        } catch {
            throw failure(error)
        }
    }

    /// The error for a failed statement that has certainly not acquired the lock.
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
