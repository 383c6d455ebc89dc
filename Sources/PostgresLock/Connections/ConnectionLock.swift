import LibPQ
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
/// Every acquire has one of two outcomes: the lock is held, or it is not. A wait that times out, is cancelled or runs into a deadlock
/// leaves no lock behind, and does not abort a transaction that the connection is in, unless a cancel reaches the server in the very
/// moment in which the wait begins or ends. Only if the connection itself fails in between, or if that moment aborts a transaction,
/// the outcome may be open. The error says so, and ``release(isolation:)`` settles it, after a rollback if need be.
///
/// A lock is no more sendable than the connection: one task uses it at a time. Nothing is released when it goes out of scope.
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

    /// How long a cancelled wait may last on a connection that has no ``LockConnection/statementCanceller``; 1 s by default.
    ///
    /// The wait is then made of waits of this length, and goes to the end of the server's queue after each.
    public var cancellationLatency = Duration.seconds(1)

    /// How many times the lock is held: more than once only in shared mode.
    ///
    /// What a transaction has locked counts until it is asked for again, released or rolled back by this object, though the
    /// transaction may have ended since. ``isHeld(isolation:)`` asks the server.
    public var holdCount: Int {
        if case .held(let count) = state { count } else { 0 }
    }

    private enum State {
        case free
        case held(count: Int)
        /// The connection failed before the server's answer was there.
        case unknown
    }

    private let statements: ConnectionLockStatements
    private let logger: Logger
    private var state = State.free
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
    }

    // MARK: SQL

    /// The statement that waits for the lock. It is sent in a block that takes care of what a failed wait leaves behind.
    public var lockQuery: String { statements.lock }

    /// The statement that takes the lock if it is free.
    public var tryLockQuery: String { statements.tryLock }

    /// The statement that releases the lock; `nil` if it ends with its transaction.
    public var unlockQuery: String? { scope == .session ? statements.unlock : nil }

    // MARK: Acquiring

    /// Takes the lock, waiting for it if need be.
    ///
    /// Cancelling the task ends the wait at once if the connection has a ``LockConnection/statementCanceller``, and within
    /// ``cancellationLatency`` if not.
    ///
    /// - Parameters:
    ///   - timeout: How long to wait at the server; `.zero` tries without waiting, `nil` waits without limit. How long a server that
    ///     can't be reached is put up with is up to the driver.
    ///   - isolation: The caller's, by default.
    /// - Throws: ``LockError`` with the codes ``LockError/Code/timedOut``, ``LockError/Code/deadlock``,
    ///   ``LockError/Code/alreadyHeld`` if the lock is exclusive and held by this object, ``LockError/Code/invalidArgument``, above
    ///   all if the scope is a transaction and there is none, or ``LockError/Code/statementFailed`` with the driver's error;
    ///   `CancellationError`.
    public func acquire(timeout: Duration? = nil, isolation: isolated (any Actor)? = #isolation) async throws {
        if let timeout, timeout < .zero {
            throw fault("The timeout for the lock \(key) is negative (\(timeout)). Use .zero to try without waiting.")
        }
        guard try await obtain(timeout: timeout, isolation: isolation) else {
            throw LockError(
                .timedOut,
                "Waited \(timeout ?? .zero) for the lock \(key), which is taken. Give it time, or try again later.",
                keys: [key]
            )
        }
    }

    /// Takes the lock if it is free.
    ///
    /// - Parameter isolation: The caller's, by default.
    /// - Returns: Whether the lock was taken.
    /// - Throws: As ``acquire(timeout:isolation:)``, but for the deadline and the deadlock.
    public func tryAcquire(isolation: isolated (any Actor)? = #isolation) async throws -> Bool {
        try await obtain(timeout: .zero, isolation: isolation)
    }

    private func obtain(timeout: Duration?, isolation: isolated (any Actor)?) async throws -> Bool {
        try begin()
        defer { isBusy = false }
        try Task.checkCancellation()
        if let isHeld = try await answerWithoutAsking(isolation) { return isHeld }
        let clock = ContinuousClock()
        let deadline = timeout.map { clock.now + $0 }
        if scope == .transaction {
            guard try await run(isolation, { try await self.isInTransaction(isolation) }) else {
                throw fault(
                    """
                    The lock \(key) is to end with a transaction, but the connection is in none: it would be released at once. \
                    Begin one before, or use the scope .session.
                    """
                )
            }
        }
        var isGranted = try await run(isolation) { try await self.ask(self.statements.tryLock, isolation) } == true
        while !isGranted {
            let left = deadline.map { clock.now.duration(to: $0) }
            if let left, left <= .zero { return false }
            isGranted = try await wait(atMost: left, isolation)
        }
        state = .held(count: 1)
        logger.debug("acquired a lock on a connection", metadata: [LogKey.key: "\(key)"])
        return true
    }

    /// What is known without the server, or is settled with it.
    private func answerWithoutAsking(_ isolation: isolated (any Actor)?) async throws -> Bool? {
        switch state {
        case .free:
            return nil
        case .unknown:
            throw fault(
                """
                Whether the lock \(key) is held is not known, since the connection failed when it was last used. Call \
                release() first, or close the connection.
                """
            )
        case .held(let count):
            // The transaction may have ended.
            if scope == .transaction, !(try await run(isolation, { try await self.ask(self.statements.isHeld, isolation) == true })) {
                state = .free
                return nil
            }
            guard mode == .shared else {
                throw LockError(
                    .alreadyHeld,
                    "The lock \(key) is held by this connection already (\(scope)). Use it, or another key.",
                    keys: [key]
                )
            }
            // The session's own hold is counted here, so that an answer that gets lost can't make it one too many.
            state = .held(count: count + 1)
            return true
        }
    }

    /// Waits once.
    ///
    /// - Returns: Whether the lock was granted.
    private func wait(atMost limit: Duration?, _ isolation: isolated (any Actor)?) async throws -> Bool {
        let canceller = connection.statementCanceller
        let slice = canceller == nil ? min(limit ?? cancellationLatency, cancellationLatency) : limit
        let sql = statements.wait(atMost: Self.milliseconds(slice))
        let outcome = try await run(isolation) {
            let interrupt = StatementInterrupt(canceller)
            do {
                _ = try await self.ask(sql, isolation) { interrupt.begin() }
            } catch {
                await interrupt.end()
                throw error
            }
            await interrupt.end()
            return try await self.ask(ConnectionLockStatements.waitOutcome, isolation)
        }
        switch outcome {
        case true?:
            return true
        case false?:
            try Task.checkCancellation()
            return false
        case nil:
            if try await run(isolation, { try await self.ask(ConnectionLockStatements.hasDeadlocked, isolation) == true }) {
                throw LockError(
                    .deadlock,
                    "PostgreSQL has found a deadlock, and broken it by refusing the lock \(key). Take locks in the same order everywhere.",
                    sqlState: "40P01",
                    keys: [key]
                )
            }
            try Task.checkCancellation()
            throw LockError(
                .statementFailed,
                """
                The wait for the lock \(key) was canceled by the server: by the session's statement_timeout, or by somebody's \
                pg_cancel_backend. It is not held.
                """,
                sqlState: "57014",
                keys: [key]
            )
        }
    }

    /// For `lock_timeout`, where 0 is no limit, and what exceeds its range may as well be none.
    private static func milliseconds(_ limit: Duration?) -> Int32 {
        guard let limit else { return 0 }
        return Int32(exactly: max(1, (limit / .milliseconds(1)).rounded(.up))) ?? 0
    }

    // MARK: Releasing

    /// Releases the lock; without effect if it is not held.
    ///
    /// Not ended by cancellation: a cancelled task releases its locks all the same.
    ///
    /// - Parameter isolation: The caller's, by default.
    /// - Returns: Whether the lock was held, and is not any more: false also if shared holds remain.
    /// - Throws: ``LockError`` with the code ``LockError/Code/invalidArgument`` if the lock ends with its transaction, which has
    ///   not ended; ``LockError/Code/lockLost`` if the server knows nothing of the lock; ``LockError/Code/notReleased`` if the
    ///   connection failed: then it may be tried again.
    @discardableResult
    public func release(isolation: isolated (any Actor)? = #isolation) async throws -> Bool {
        try begin()
        defer { isBusy = false }
        return try await letGo(isolation)
    }

    private func letGo(_ isolation: isolated (any Actor)?) async throws -> Bool {
        switch state {
        case .free:
            return false
        case .held(let count) where count > 1 && scope == .session:
            state = .held(count: count - 1)
            return false
        case .held where scope == .transaction:
            guard try await run(isolation, { try await self.ask(self.statements.isHeld, isolation) == true }) else {
                state = .free
                return false
            }
            throw fault(
                "The lock \(key) ends with its transaction, and can't be released by hand. Commit or roll back, or use the scope .session."
            )
        case .held:
            state = .unknown
            guard try await releasing(isolation, statements.unlock) == true else {
                state = .free
                throw LockError(
                    .lockLost,
                    """
                    The connection's session does not hold the lock \(key) any more. Either it is not the session that has acquired it, \
                    since a pool or the driver has put another one in its place, or somebody has released it by SQL. Others may \
                    have held the lock meanwhile: stop, and check what was done.
                    """,
                    keys: [key]
                )
            }
            state = .free
            logger.debug("released a lock on a connection", metadata: [LogKey.key: "\(key)"])
            return true
        case .unknown:
            let wasHeld = try await releasing(isolation, statements.unlockIfHeld) == true
            state = .free
            return wasHeld
        }
    }

    private func releasing(_ isolation: isolated (any Actor)?, _ sql: String) async throws -> Bool? {
        do {
            return try await ask(sql, isolation)
        } catch {
            let sqlState = connection.sqlState(of: error)
            throw LockError(
                .notReleased,
                sqlState == "25P02"
                    ? """
                    The lock \(key) is still held: the connection is in a transaction that PostgreSQL has aborted, in which nothing can \
                    be released. Roll back, then call release().
                    """
                    : """
                    The lock \(key) could not be released, and may still be held: the connection has failed, or is in a transaction that \
                    PostgreSQL has aborted. Roll back, then call release(); or close the connection.
                    """,
                sqlState: sqlState,
                keys: [key],
                underlying: error
            )
        }
    }

    /// Whether the connection's session holds the lock at the moment, as the server sees it, by whatever means.
    ///
    /// Looks through the server's lock table: not for every statement.
    ///
    /// - Parameter isolation: The caller's, by default.
    /// - Throws: ``LockError`` if the server could not be asked.
    public func isHeld(isolation: isolated (any Actor)? = #isolation) async throws -> Bool {
        try begin()
        defer { isBusy = false }
        return try await run(isolation, isSettled: true) { try await self.ask(self.statements.isHeld, isolation) == true }
    }

    /// Rolls back the transaction that the connection is in, if it is in one.
    ///
    /// ``withLock(timeout:isolation:_:)`` does so when its body throws, unless ``rollsBackOnError`` is off. Those who acquire and
    /// release by hand call it before the release, when something in between has failed. Session locks are kept.
    ///
    /// - Parameter isolation: The caller's, by default.
    /// - Throws: ``LockError`` with the code ``LockError/Code/statementFailed`` if the connection could not do it.
    public func rollBack(isolation: isolated (any Actor)? = #isolation) async throws {
        try begin()
        defer { isBusy = false }
        // Without a transaction a ROLLBACK is a warning in the server's log. An aborted one refuses to answer.
        let isOutside = (try? await isInTransaction(isolation)) == false
        if !isOutside {
            let connection = UncheckedTransfer(connection)
            try await run(isolation, isSettled: true) {
                try await Self.shielded(isolation) { try await connection.value.rollBackTransaction() }
            }
        }
        if scope == .transaction { state = .free }
    }

    // MARK: Scope

    /// Takes the lock, runs the body, and releases it, also if the body throws.
    ///
    /// If the body throws, the connection's transaction is rolled back before the release, unless ``rollsBackOnError`` is off. What
    /// a transaction has locked stays locked until it ends.
    ///
    /// - Parameters:
    ///   - timeout: As for ``acquire(timeout:isolation:)``.
    ///   - isolation: The caller's, by default.
    ///   - body: Its result is passed on.
    /// - Returns: What the body returns.
    /// - Throws: What the body throws; what ``acquire(timeout:isolation:)`` throws, then the body has not run; what
    ///   ``release(isolation:)`` throws, with the body's error in ``LockError/underlying``: it says what state the connection is in.
    @discardableResult
    public func withLock<Result>(
        timeout: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: nonisolated(nonsending) () async throws -> Result
    ) async throws -> Result {
        do {
            try await acquire(timeout: timeout, isolation: isolation)
        } catch {
            if case .unknown = state {
                // As far as it goes: the error says already that it may not have gone well.
                if rollsBackOnError { try? await rollBack(isolation: isolation) }
                _ = try? await release(isolation: isolation)
            }
            throw error
        }
        let result: Result
        do {
            result = try await body()
        } catch {
            do {
                if rollsBackOnError { try await rollBack(isolation: isolation) }
                if scope == .session { try await release(isolation: isolation) }
            } catch let failure as LockError {
                throw failure.caused(by: error)
            }
            throw error
        }
        if scope == .session { try await release(isolation: isolation) }
        return result
    }

    // MARK: The connection

    private func begin() throws {
        KeyCollisions.shared.report(to: logger)
        guard key.name?.isEmpty != true else {
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

    private func isInTransaction(_ isolation: isolated (any Actor)?) async throws -> Bool {
        _ = try await ask(ConnectionLockStatements.markTransaction, isolation)
        return try await ask(ConnectionLockStatements.isTransactionMarked, isolation) == true
    }

    /// Runs what may fail with the lock half acquired, and settles then whether it is held.
    ///
    /// - Parameter isSettled: Nothing is acquired by it.
    private func run<Result>(
        _ isolation: isolated (any Actor)?,
        isSettled: Bool = false,
        _ body: nonisolated(nonsending) () async throws -> Result
    ) async throws -> Result {
        do {
            return try await body()
        } catch {
            var isSettled = isSettled || holdCount > 0
            let sqlState = connection.sqlState(of: error)
            // A transaction's lock goes with it, and an aborted one has refused the statement altogether.
            if scope == .transaction || sqlState == "25P02" { isSettled = true }
            if !isSettled { isSettled = await hasPutBack(isolation) }
            if !isSettled { state = .unknown }
            // The cancel that it has asked for may come before the wait has begun, or after.
            if isSettled, Task.isCancelled, sqlState == nil || sqlState == "57014" { throw CancellationError() }
            if let error = error as? LockError, isSettled { throw error }
            throw LockError(
                .statementFailed,
                isSettled
                    ? "The connection failed to run a statement for the lock \(key). Look at the driver's error (underlying)."
                    : """
                    The connection failed to run a statement for the lock \(key), and whether it is held could not be found out: roll back \
                    and call release(), or close the connection. Look at the driver's error (underlying).
                    """,
                sqlState: sqlState,
                keys: [key],
                underlying: error
            )
        }
    }

    /// Releases what a statement may have acquired without an answer, and says whether that is certain.
    private func hasPutBack(_ isolation: isolated (any Actor)?) async -> Bool {
        do {
            _ = try await ask(statements.unlockIfHeld, isolation)
            return true
        } catch {
            return false
        }
    }

    /// Runs a statement to its end, whatever becomes of the task: of half a statement nothing would be known.
    private func ask(
        _ sql: String,
        _ isolation: isolated (any Actor)?,
        onCancel: @Sendable @escaping () -> Void = {}
    ) async throws -> Bool? {
        let connection = UncheckedTransfer(connection)
        return try await Self.shielded(isolation, onCancel: onCancel) { try await connection.value.queryBoolean(sql) }
    }

    private static func shielded<Result: Sendable>(
        _ isolation: isolated (any Actor)?,
        onCancel: @Sendable @escaping () -> Void = {},
        _ body: nonisolated(nonsending) @escaping () async throws -> Result
    ) async throws -> Result {
        // Awaited before this returns, and in the caller's isolation: the connection is never used by two at once.
        let input = UncheckedTransfer(body)
        let task = Task {
            _ = isolation
            return try await input.value()
        }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            onCancel()
        }
    }

    private func fault(_ message: String) -> LockError {
        LockError(.invalidArgument, message, keys: [key])
    }
}
