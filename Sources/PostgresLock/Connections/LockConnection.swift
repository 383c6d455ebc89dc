/// A connection of any driver's that can carry a lock: see ``ConnectionLock``.
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
/// All statements of a lock must go to one session of the server. A pool that picks another connection for every statement can't
/// conform; the connection that it lends out for a while can.
public protocol LockConnection {
    /// Runs one SQL statement without parameters, to its end, and returns the first column of its first row.
    ///
    /// It is never called by a cancelled task: see ``cancelRequestSender`` for how waits are ended.
    ///
    /// - Parameter sql: The first column of its result, if it has one, is a `boolean`.
    /// - Returns: The value; `nil` if that is NULL, or there is no row.
    /// - Throws: If the statement failed, or may have failed. Any error of the driver's.
    nonisolated(nonsending) func queryBoolean(_ sql: String) async throws -> Bool?

    /// A closure that makes the server end the statement that the connection runs, as `pg_cancel_backend` and libpq's `PQcancel` do;
    /// `nil`, the default, if the driver can't.
    ///
    /// Read before a wait, by whoever uses the connection; called from anywhere while it lasts, maybe several times, since a
    /// request that comes before the statement is without effect. It must return only when the server has got it: what
    /// arrives later could end another statement.
    var cancelRequestSender: (@Sendable () async -> Void)? { get }

    /// A closure that ends the connection at once, whatever it does, so that the statement that it runs fails; `nil`, the default, if
    /// the driver can't, or has time limits of its own.
    ///
    /// It is for networks that swallow everything: see ``ConnectionLock/responseTimeout``. Read before each statement; called from
    /// anywhere, at most once for each.
    var connectionCloser: (@Sendable () -> Void)? { get }

    /// Rolls the connection's transaction back after an error, aborted or not.
    ///
    /// Called only if there may be one. Sends `ROLLBACK` by default; a driver that keeps account of its transactions may have
    /// to do it by its own means.
    nonisolated(nonsending) func rollBackTransaction() async throws

    /// The scopes that a lock on this connection can have; both by default.
    var lockScopes: Set<LockScope> { get }

    /// The server's code for an error that this connection has thrown, for more precise messages; `nil` if it is not known.
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
