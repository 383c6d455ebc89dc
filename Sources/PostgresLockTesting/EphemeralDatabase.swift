/// A database of a temporary server, for one test.
///
/// An advisory lock belongs to a database. So tests that run at the same time can share a server and use the same keys, if each has a database
/// of its own. See ``EphemeralPostgres/withDatabase(_:)``.
public struct EphemeralDatabase: Sendable {
    /// The server.
    public let server: EphemeralPostgres
    /// The name of the database.
    public let name: String

    /// A connection string for the user `postgres`, of libpq's keywords and values. For other forms see
    /// ``EphemeralPostgres/connectionString(database:user:overTCP:)`` and ``EphemeralPostgres/connectionURL(database:user:overTCP:)``.
    public var connectionString: String { server.connectionString(database: name) }

    /// Runs SQL in the database: see ``EphemeralPostgres/query(_:database:)``.
    ///
    /// - Parameter sql: One or several statements. Several statements run in one transaction.
    /// - Returns: The rows of the last statement. Values are text, nil for NULL.
    /// - Throws: The errors of ``EphemeralPostgres/query(_:database:)``.
    @discardableResult
    public func query(_ sql: String) async throws -> [[String?]] {
        try await server.query(sql, database: name)
    }
}

extension EphemeralPostgres {
    /// Runs a body with a new database, and drops the database when the body returns or throws. Sessions that are open in it then are ended.
    ///
    /// - Parameter body: The code that uses the database.
    /// - Returns: The body's result.
    /// - Throws: The body's error, or an ``EphemeralPostgresError`` when the database can't be created or dropped.
    public nonisolated(nonsending) func withDatabase<Result>(
        _ body: nonisolated(nonsending) (EphemeralDatabase) async throws -> Result
    ) async throws -> Result {
        let database = EphemeralDatabase(server: self, name: "test_\(UInt32.random(in: .min ... .max))")
        try await query("CREATE DATABASE \(database.name)")
        let result: Result
        do {
            result = try await body(database)
        } catch {
            // The body's error says more than one of this.
            try? await drop(database)
            throw error
        }
        try await drop(database)
        return result
    }

    /// Also if the task is cancelled.
    private func drop(_ database: EphemeralDatabase) async throws {
        try await Task { _ = try await query("DROP DATABASE \(database.name) WITH (FORCE)") }.value
    }
}
