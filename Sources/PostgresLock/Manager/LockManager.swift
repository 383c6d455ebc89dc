package import LibPQ
public import Logging

/// Gives out distributed locks, on PostgreSQL advisory locks.
///
/// ```swift
/// let locks = try LockManager(configuration: .init(url: "postgres://app@db/app"))
///
/// try await locks.withLock("nightly-report", timeout: .seconds(5)) { lock in
///     try await buildReport()
/// }
/// ```
///
/// A manager owns a small pool of connections, opened when they are needed. Nothing has to be started; when the process
/// shuts down, call ``shutdown(gracePeriod:)``. Use one manager per database and process: tasks that share a manager
/// wait for each other in memory, and cost the server nothing.
///
/// The connections stay open as long as the manager exists, or a handle, or a body that runs inside a scope; a ``HeldLock`` does
/// not keep them open. Then they are closed, and the server releases what was held.
///
/// A process that dies loses its locks, as soon as the server notices that the connection is gone.
public actor LockManager {
    /// What the manager was made with. A duration of more than a century counts as one.
    public nonisolated var configuration: Configuration { driver.configuration }

    /// Carries out the calls.
    nonisolated let driver: LockDriver

    /// How its calls are observed; `nil` if they are not.
    nonisolated let observation: Observation?
    /// The name that it has as a view.
    private nonisolated let name: String?

    /// Makes a manager. Nothing is connected before the first lock is asked for.
    ///
    /// - Parameters:
    ///   - configuration: Where to connect, and what to allow.
    ///   - logger: Gets what happens to connections, at `info` or quieter, except for what needs attention. Its handler may block:
    ///     it gets the lines in their order on a thread of its own, and loses some if it does not keep up.
    /// - Throws: ``LockError`` with the code ``LockError/Code/badConfiguration``, which says what is wrong.
    public init(configuration: Configuration = .init(), logger: Logger = Logger(label: "PostgresLock")) throws {
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
        transport: @Sendable (Configuration, EventLoop, LogRelay) -> any LockTransport
    ) throws {
        try configuration.validate()
        driver = LockDriver(configuration.bounded, logger: LogRelay(logger), clock: clock, transport: transport)
        observation = driver.telemetry.observation()
        name = nil
    }

    private init(_ driver: LockDriver, name: String?, _ observation: Observation?) {
        self.driver = driver
        self.name = name
        self.observation = observation
    }

    /// The same for all views of a manager.
    package nonisolated var identity: ObjectIdentifier { ObjectIdentifier(driver) }

    /// The same manager, for calls of the library's own, which are no calls of users.
    nonisolated var unobserved: LockManager { observation == nil ? self : LockManager(driver, name: nil, nil) }

    /// The same manager, for calls that are to be told apart in metrics, spans and the log.
    ///
    /// ```swift
    /// let orders = locks.observed(as: "order")
    ///
    /// try await orders.withLock("order:17") { _ in
    ///     try await transfer()
    /// }
    /// ```
    ///
    /// What it returns has the same connections and locks, and costs an allocation: make one per request for a logger, or keep one for a
    /// name. Both stay the same for what is not given. Shutting it down shuts the manager down.
    ///
    /// - Parameters:
    ///   - name: What the locks are for. It is the dimension `pglock.name` of the metrics of calls, an attribute of their spans and part of
    ///     the spans' names. Keys themselves are none of that, so take a name for each kind of lock, not for each lock: beyond 100 names
    ///     of a manager, further ones have no metrics of their own.
    ///   - logger: Gets lines about the calls and their locks, with the metadata that the logger has: at `debug` what was granted,
    ///     refused and released, at `warning` what was lost. Without a logger there are no such lines. It is used on the callers' tasks;
    ///     lines about losses come from another thread.
    /// - Returns: A view of the manager.
    public nonisolated func observed(as name: String? = nil, logger: Logger? = nil) -> LockManager {
        let name = name ?? self.name
        return LockManager(driver, name: name, driver.telemetry.observation(name: name, logger: logger ?? observation?.logger))
    }

    // MARK: Looking

    /// What the manager holds and waits for at present, and what it has for that. It asks the server nothing.
    ///
    /// It goes through all locks and calls of the manager: some milliseconds for 100,000.
    public func snapshot() async -> LockSnapshot { await driver.snapshot }

    /// Which sessions hold a lock, as the server shows it, also those of other programs and in other languages.
    ///
    /// It takes no lock, needs no right, and takes a session of the pool for a moment. The server walks through all its locks, a millisecond for
    /// each thousand: don't call it in a loop.
    ///
    /// - Parameter key: The lock. A `String` will do.
    /// - Returns: The holders; several if they share the lock. Tasks of one process that share it are one holder.
    /// - Throws: ``LockError`` if the server can't be asked; `CancellationError`.
    public nonisolated func holders(of key: LockKey) async throws -> [LockHolder] { try await ServerLooks(driver: driver).holders(of: key) }

    /// The error for a lock that is taken, and was not waited for. It names the sessions that hold the lock, if the server says so within
    /// `timeouts.explanation`.
    package nonisolated func explainRefusal(of key: LockKey) async -> any Error {
        let subject = "\([key].described.capitalizedFirst) in \(driver.databaseName)"
        let refusal = LockError(.timedOut, "\(subject) is taken, and was not waited for.", keys: [key])
        return await driver.explanations.explain(refusal, by: driver)
    }

    /// Which sessions wait for a lock, as the server shows it.
    ///
    /// It costs what ``holders(of:)`` costs. All tasks of a manager that wait for a lock are one wait on the server, or none, if another task of the
    /// manager has it, or if there is no connection for the wait: see ``snapshot()``.
    ///
    /// - Parameter key: The lock. A `String` will do.
    /// - Returns: The waiting sessions, in their order.
    /// - Throws: As ``holders(of:)``.
    public nonisolated func waiters(of key: LockKey) async throws -> [LockWaiter] { try await ServerLooks(driver: driver).waiters(of: key) }

    /// Asks the holders of a lock to release it, in whichever process they are, and waits until they have.
    ///
    /// A holder that is a lock manager sees the request within about a second, and cancels the body that holds the lock, and no other:
    /// ``Configuration/releaseRequests``. When that ends is its own affair. Each role that can connect to the database can ask. The request ends with
    /// the call, also if this process dies, and is not for those who get the lock afterwards.
    ///
    /// Holders in this process are asked, too. But for a lock that a scope around the call holds, the call would wait for itself, and is refused.
    ///
    /// It takes a session of the pool for each holder.
    ///
    /// - Parameters:
    ///   - key: The lock. A `String` will do.
    ///   - processID: The holder's process on the server, if only one of several is to be asked.
    ///   - timeout: How long to wait.
    /// - Returns: The holders that have released the lock; none if there were none.
    /// - Throws: ``LockError`` with the code ``LockError/Code/timedOut`` if a holder has not released the lock when the time is over, with
    ///   ``LockError/Code/alreadyHeld`` if a scope around this call is a holder, with other codes if the server can't be asked; `CancellationError`.
    @discardableResult
    public nonisolated func requestRelease(
        of key: LockKey,
        from processID: Int32? = nil,
        timeout: Duration = .seconds(10)
    ) async throws -> [LockHolder] {
        try await ReleaseCall(locks: self, key: key, timeout: timeout).run(processID)
    }

    /// The manager runs on the event loop of its connections.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { driver.unownedExecutor }

    /// Ends the manager's work, and returns when its connections are closed.
    ///
    /// New calls, and those that wait, fail with ``LockError/Code/shutDown``. Locks and transactions that are held may end by
    /// themselves during the grace period; what is held after it is lost. Further calls wait for the same end, and the shortest of
    /// their grace periods counts. Called inside the body of a scope of the manager's own, it waits for that scope, to the end of the
    /// grace period.
    ///
    /// Cancelling the task ends the grace period at once.
    ///
    /// - Parameter gracePeriod: Instead of ``Configuration/Timeouts/shutdownGrace``.
    public func shutdown(gracePeriod: Duration? = nil) async {
        await driver.shutdown(gracePeriod: gracePeriod ?? configuration.timeouts.shutdownGrace)
    }
}

// Names as keys.
extension LockManager {
    /// See ``holders(of:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    public nonisolated func holders(of name: some StringProtocol) async throws -> [LockHolder] {
        try await holders(of: LockKey(String(name)))
    }

    /// See ``waiters(of:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    public nonisolated func waiters(of name: some StringProtocol) async throws -> [LockWaiter] {
        try await waiters(of: LockKey(String(name)))
    }

    /// See ``requestRelease(of:from:timeout:)``.
    @_disfavoredOverload @_documentation(visibility: internal)
    @discardableResult
    public nonisolated func requestRelease(
        of name: some StringProtocol,
        from processID: Int32? = nil,
        timeout: Duration = .seconds(10)
    ) async throws -> [LockHolder] {
        try await requestRelease(of: LockKey(String(name)), from: processID, timeout: timeout)
    }
}
