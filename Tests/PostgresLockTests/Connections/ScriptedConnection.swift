import PostgresLock

/// A connection whose driver makes the mistakes that a test tells it to, and knows of no SQLSTATE.
final class ScriptedConnection: LockConnection {
    struct Failure: Error {}

    let base: TestConnection
    /// Instead of the connection, for the statements that it takes; `nil` leaves them to the connection.
    var intercept: (_ sql: String) -> Mistake? = { _ in nil }
    var failsToRollBack = false
    var cancelRequestSender: (@Sendable () async -> Void)?

    enum Mistake {
        /// The statement is run, and its answer lost.
        case losesAnswer
        /// Whatever it returns is not understood.
        case isNotUnderstood
        case isRunElsewhere(TestConnection)
    }

    init(_ database: TestDatabase) async throws {
        base = try await TestConnection(.libpq, database)
    }

    nonisolated(nonsending) func queryBoolean(_ sql: String) async throws -> Bool? {
        switch intercept(sql) {
        case .losesAnswer?:
            _ = try await base.queryBoolean(sql)
            throw Failure()
        case .isNotUnderstood?:
            _ = try await base.queryBoolean(sql)
            return nil
        case .isRunElsewhere(let other)?:
            return try await other.queryBoolean(sql)
        case nil:
            return try await base.queryBoolean(sql)
        }
    }

    nonisolated(nonsending) func rollBackTransaction() async throws {
        if failsToRollBack { throw Failure() }
        try await base.run("ROLLBACK")
    }

    func sqlState(of error: any Error) -> String? { nil }
}
