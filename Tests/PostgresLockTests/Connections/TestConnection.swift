import PostgresLock

/// A connection of one of several drivers, which the tests of locks on the caller's connection are about.
struct TestConnection: LockConnection {
    enum Driver: String, CaseIterable, Sendable {
        /// Independent of libpq as we use it; its waits can't be cancelled.
        case psql
        /// Another connection cancels its waits.
        case psqlWithCancelRequest
        case libpq
    }

    private let base: any LockConnection
    /// Kept for as long as the connection.
    private let owner: AnyObject
    private let psql: PsqlConnection?

    init(_ driver: Driver, _ database: TestDatabase) async throws {
        switch driver {
        case .psql, .psqlWithCancelRequest:
            let connection = try await PsqlConnection(database, cancelling: driver == .psqlWithCancelRequest)
            (base, owner, psql) = (connection, connection, connection)
        case .libpq:
            let owned = try OwnedLibPQ(database.url)
            (base, owner, psql) = (owned.connection, owned, nil)
        }
    }

    /// To the database of the running test.
    static func connect(_ driver: Driver) async throws -> (TestDatabase, TestConnection) {
        let database = try TestDatabase.get()
        return (database, try await TestConnection(driver, database))
    }

    nonisolated(nonsending) func queryBoolean(_ sql: String) async throws -> Bool? {
        try await base.queryBoolean(sql)
    }

    /// Runs SQL as the connection's owner would.
    nonisolated(nonsending) func run(_ sql: String) async throws {
        _ = try await base.queryBoolean(sql)
    }

    var cancelRequestSender: (@Sendable () async -> Void)? { base.cancelRequestSender }

    func sqlState(of error: any Error) -> String? { base.sqlState(of: error) }

    /// The SQLSTATEs of the warnings that it got, where the driver tells.
    var warnings: [String] { psql?.warnings ?? [] }
}
