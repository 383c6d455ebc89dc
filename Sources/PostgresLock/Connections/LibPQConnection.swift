import LibPQ

/// A libpq connection of the caller's, for a ``ConnectionLock``.
///
/// ```swift
/// let connection = LibPQConnection(pointer)    // PGconn *, as PQconnectdb or PQconnectPoll has made it
/// try await ConnectionLock("nightly-report", on: connection).withLock { … }
/// ```
///
/// No thread is blocked while the server works: statements are sent by `PQsendQuery`, and Dispatch watches the socket.
public struct LibPQConnection: LockConnection {
    private let connection: CallersConnection

    /// - Parameter connection: A `PGconn *`, connected and not in pipeline mode. The caller owns it, and calls `PQfinish` after all
    ///   locks on it have been released. It must not be used while a method of a lock runs.
    public init(_ connection: OpaquePointer) {
        self.connection = CallersConnection(connection)
    }

    /// Runs a statement.
    ///
    /// - Throws: ``LockError``: with the server's SQLSTATE if the server refuses the statement; with the code
    ///   ``LockError/Code/connectionLost`` if the connection can't be used; with ``LockError/Code/invalidArgument`` if libpq can't send the
    ///   SQL.
    public nonisolated(nonsending) func queryBoolean(_ sql: String) async throws -> Bool? {
        if let obstacle = Statement.obstacle(sql, []) { throw LockError(obstacle) }
        do {
            return try await connection.run(sql, isolation: #isolation)?.boolean()
        } catch let error as ServerError {
            throw LockError(.statementFailed, "The server refused a statement: \(error.text)", sqlState: error.sqlState)
        } catch let error as ConnectionFailure {
            throw LockError(.connectionLost, "The connection can't be used: \(error.message.sentence)")
        }
    }

    /// Shuts the socket down. The `PGconn` remains, with the status `CONNECTION_BAD`.
    public var connectionCloser: (@Sendable () -> Void)? {
        connection.closer()
    }

    /// Calls `PQcancel` on a Dispatch queue.
    public var cancelRequestSender: (@Sendable () async -> Void)? {
        connection.cancelRequestSender()
    }
}
