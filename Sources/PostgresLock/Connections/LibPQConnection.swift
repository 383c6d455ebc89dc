import LibPQ

/// A libpq connection of the caller's, as something that can carry a lock.
///
/// ```swift
/// let connection = LibPQConnection(pointer)    // PGconn *, as PQconnectdb or PQconnectPoll has made it
/// try await ConnectionLock("nightly-report", on: connection).withLock { … }
/// ```
///
/// No thread waits for the server: statements are sent by `PQsendQuery`, and the socket is watched by Dispatch.
public struct LibPQConnection: LockConnection {
    private let connection: CallersConnection

    /// - Parameter connection: A `PGconn *`, connected and not in pipeline mode. It stays the caller's, who finishes it, but not
    ///   before all locks on it have been released, and who uses it, but not while a method of a lock runs.
    public init(_ connection: OpaquePointer) {
        self.connection = CallersConnection(connection)
    }

    /// Runs a statement.
    ///
    /// - Throws: ``LockError`` with the server's SQLSTATE, if it is the server's error; with the code ``LockError/Code/invalidArgument`` if
    ///   libpq can't take the SQL, which then is not sent.
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

    /// Shuts the socket down. The `PGconn` stays, and has failed.
    public var connectionCloser: (@Sendable () -> Void)? {
        connection.closer()
    }

    /// `PQcancel`, on a thread of Dispatch's.
    public var cancelRequestSender: (@Sendable () async -> Void)? {
        connection.cancelRequestSender()
    }
}
