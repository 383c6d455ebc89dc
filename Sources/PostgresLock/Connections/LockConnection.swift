/// A connection of any driver on which a ``ConnectionLock`` can be held.
///
/// One method is enough:
///
/// ```swift
/// extension MyConnection: LockConnection {
///     func queryBoolean(_ sql: String) async throws -> Bool? {
///         try await query(sql).first?[0] as? Bool
///     }
/// }
/// ```
///
/// All statements of a lock must go to one session of the server. So a pool that picks a connection for each statement can't conform, but
/// a connection that is checked out of it can.
public protocol LockConnection {
    /// Runs one SQL statement without parameters, to its end, and returns the first column of its first row.
    ///
    /// The task that calls it is never cancelled: waits are ended by the ``cancelRequestSender``.
    ///
    /// - Parameter sql: The first column of its result, if it has one, is a `boolean`.
    /// - Returns: The value; `nil` if that is NULL, or there is no row.
    /// - Throws: Any error of the driver's, if the statement failed or may have failed.
    nonisolated(nonsending) func queryBoolean(_ sql: String) async throws -> Bool?

    /// A closure that sends a cancel request for the statement that the connection runs, as `pg_cancel_backend` and libpq's `PQcancel`
    /// do; `nil`, the default, if the driver can't.
    ///
    /// The property is read before a wait, in the isolation that uses the connection. The closure is called on any thread while the wait
    /// lasts, maybe several times, since a request that the server gets before the statement has no effect. It must not return before
    /// the server has got the request: a later one could cancel another statement.
    var cancelRequestSender: (@Sendable () async -> Void)? { get }

    /// A closure that closes the connection at once, so that the statement that it runs fails; `nil`, the default, if the driver can't,
    /// or has time limits of its own.
    ///
    /// It is called if the server does not answer within ``ConnectionLock/responseTimeout``. The property is read before each statement;
    /// the closure is called on any thread, at most once for each statement.
    var connectionCloser: (@Sendable () -> Void)? { get }

    /// Rolls the connection's transaction back after an error, aborted or not.
    ///
    /// Called only if there may be a transaction. Sends `ROLLBACK` by default. A driver that tracks its transactions may have to roll back
    /// by its own method.
    nonisolated(nonsending) func rollBackTransaction() async throws

    /// The scopes that a lock on this connection can have; both by default.
    var lockScopes: Set<LockScope> { get }

    /// The SQLSTATE of an error that this connection has thrown, for more precise messages; `nil` if it is not known.
    ///
    /// By default that of a ``LockError``.
    func sqlState(of error: any Error) -> String?
}

extension LockConnection {
    /// None.
    public var cancelRequestSender: (@Sendable () async -> Void)? { nil }

    /// None.
    public var connectionCloser: (@Sendable () -> Void)? { nil }

    /// Sends `ROLLBACK`.
    public nonisolated(nonsending) func rollBackTransaction() async throws {
        _ = try await queryBoolean("ROLLBACK")
    }

    /// Both.
    public var lockScopes: Set<LockScope> { [.session, .transaction] }

    /// That of a ``LockError``.
    public func sqlState(of error: any Error) -> String? {
        (error as? LockError)?.sqlState
    }
}
