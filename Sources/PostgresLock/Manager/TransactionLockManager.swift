package import LibPQ
public import Logging

/// Provides transactions that hold locks, over connections that may go through a pooler of transactions.
///
/// ```swift
/// let locks = try TransactionLockManager(configuration: .init(url: "postgres://app@pgbouncer/app"))
///
/// try await locks.withTransaction(locking: "account:1", timeout: .seconds(5)) { transaction in
///     try await transaction.execute("UPDATE accounts SET balance = balance - 10 WHERE id = 1")
/// }
/// ```
///
/// A pooler of transactions, such as pgbouncer with `pool_mode = transaction`, gives each transaction another session of the server. A
/// lock that is held beyond its transaction would be lost there, or would stay behind in the pool. A ``LockManager`` refuses such
/// poolers (``LockError/Code/transactionPooling``). This manager has no locks of that kind, so it works behind them. Where there is
/// no such pooler, a ``LockManager`` does the same, and more.
///
/// What is different from a ``LockManager``:
/// - It is not checked whether the server's locks exclude each other, nor whether there is a pooler: that takes several sessions of the
///   pool at a time. Whether the server is a primary, the one that was connected to before, and new enough, is checked.
/// - Nothing is set on a session but for the transaction's time. What the body's SQL sets for the session, other clients of the pooler
///   get to see: use `SET LOCAL`.
/// - There is no lease. The pooler decides how long a process that has frozen keeps its locks (pgbouncer: `idle_transaction_timeout`).
/// - A wait that ends by its timeout while the server does not answer is not looked at over another connection: its error is
///   ``LockError/Code/noAnswer`` then.
///
/// The connections are opened when they are needed, and stay open for as long as the manager is referenced or a body runs.
public final class TransactionLockManager: Sendable {
    /// What the manager was made with. A duration of more than a century counts as one.
    public let configuration: Configuration

    let driver: LockDriver

    private let observation: Observation?
    /// The name that it has as a view.
    private let name: String?

    /// Makes a manager. Nothing is connected before the first transaction.
    ///
    /// - Parameters:
    ///   - configuration: Where to connect, and how long to wait.
    ///   - logger: As for ``LockManager/init(configuration:logger:)``.
    /// - Throws: ``LockError`` with the code ``LockError/Code/badConfiguration``, which says what is wrong.
    public convenience init(configuration: Configuration = .init(), logger: Logger = Logger(label: "PostgresLock")) throws {
        try self.init(configuration: configuration, logger: logger) { LibPQTransport($0, on: $1, logger: $2) }
    }

    /// Makes a manager whose servers are reached by another transport.
    ///
    /// - Parameters:
    ///   - clock: The manager's.
    ///   - transport: Makes it. It belongs to the event loop from then on.
    package init(
        configuration: Configuration = .init(),
        logger: Logger = Logger(label: "PostgresLock"),
        clock: LockClock = .system,
        transport: @Sendable (LockManager.Configuration, EventLoop, LogRelay) -> any LockTransport
    ) throws {
        try configuration.validate()
        driver = LockDriver(configuration.driver.bounded, logger: LogRelay(logger), clock: clock, transport: transport)
        self.configuration = configuration.bounded
        observation = driver.telemetry.observation()
        name = nil
    }

    /// The same for all views of a manager.
    package var identity: ObjectIdentifier { ObjectIdentifier(driver) }

    private init(_ manager: TransactionLockManager, name: String?, logger: Logger?) {
        driver = manager.driver
        configuration = manager.configuration
        self.name = name
        observation = driver.telemetry.observation(name: name, logger: logger)
    }

    /// The same manager, for calls that are to be told apart in metrics, spans and the log: see ``LockManager/observed(as:logger:)``.
    ///
    /// - Parameters:
    ///   - name: What the transactions are for. One of few names.
    ///   - logger: Gets lines about the calls.
    /// - Returns: A view of the manager.
    public func observed(as name: String? = nil, logger: Logger? = nil) -> TransactionLockManager {
        TransactionLockManager(self, name: name ?? self.name, logger: logger ?? observation?.logger)
    }

    /// Runs the body in a transaction, which holds a lock from its beginning to its end.
    ///
    /// It does what ``LockManager/withTransaction(locking:mode:timeout:isolation:_:)`` does; a locked key excludes the locks of any
    /// ``LockManager`` on the same database, too.
    ///
    /// Cancelling the calling task ends the wait at once, or cancels the body and the statement that it runs. A commit that has begun is
    /// not cancelled.
    ///
    /// - Parameters:
    ///   - key: What to lock; `nil` locks nothing at first.
    ///   - mode: Alone, or together with other shared holders.
    ///   - timeout: How long to wait for the lock and for a connection, all together. `.zero` waits for no other holder of the lock or of
    ///     a connection, but for the server. `nil` waits without limit, except inside another scope of a lock or a transaction, where
    ///     ``LockManager/Configuration/Timeouts/nested`` applies.
    ///   - isolation: The caller's, by default.
    ///   - body: Gets the transaction.
    /// - Returns: What the body returns, once the commit has been confirmed.
    /// - Throws: What the body throws; `CancellationError`; ``LockError``, among others with ``LockError/Code/timedOut``,
    ///   ``LockError/Code/poolExhausted``, ``LockError/Code/noAnswer`` and ``LockError/Code/commitOutcomeUnknown``.
    @discardableResult
    public func withTransaction<Result>(
        locking key: LockKey? = nil,
        mode: LockMode = .exclusive,
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (LockTransaction) async throws -> Result
    ) async throws -> Result {
        try await LockTransaction.run(
            over: driver,
            observation,
            locking: key,
            mode: mode,
            timeout: timeout,
            isolation: isolation,
            body
        )
    }

    /// See ``withTransaction(locking:mode:timeout:isolation:_:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    @discardableResult
    public func withTransaction<Result>(
        locking name: some StringProtocol,
        mode: LockMode = .exclusive,
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) (LockTransaction) async throws -> Result
    ) async throws -> Result {
        try await withTransaction(locking: LockKey(String(name)), mode: mode, timeout: timeout, isolation: isolation, body)
    }

    /// Ends the manager's work, as ``LockManager/shutdown(gracePeriod:)`` does.
    ///
    /// - Parameter gracePeriod: Instead of ``LockManager/Configuration/Timeouts/shutdownGrace``.
    public func shutdown(gracePeriod: Duration? = nil) async {
        await driver.shutdown(gracePeriod: gracePeriod ?? configuration.timeouts.shutdownGrace)
    }
}
