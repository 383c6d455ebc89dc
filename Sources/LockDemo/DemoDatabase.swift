import CommandSupport
import Logging
import PostgresLock

/// The demonstration's tables and the statements on them.
struct DemoDatabase: Sendable {
    let url: String
    let locks: LockManager

    /// The contents of the tables at one moment.
    struct Totals: Equatable, Sendable {
        var counter = 0
        /// The number of rows of the journal: one for each committed addition.
        var committed = 0

        var lost: Int { committed - counter }
    }

    /// Runs the body with a database, and closes its connections afterwards.
    ///
    /// - Parameter lease: How long the server waits for a silent holder. If it is given, locks have fencing tokens too.
    static func with<Result>(
        url: String,
        lease: Duration? = nil,
        _ body: (DemoDatabase) async throws -> Result
    ) async throws -> Result {
        let database = try DemoDatabase(url: url, lease: lease)
        do {
            let result = try await body(database)
            await database.locks.shutdown(gracePeriod: .zero)
            return result
        } catch {
            await database.locks.shutdown(gracePeriod: .zero)
            throw error
        }
    }

    private init(url: String, lease: Duration?) throws {
        self.url = url
        var configuration = LockManager.Configuration(url: url)
        configuration.applicationName = "LockDemo"
        configuration.pool.maximumConnections = 3
        if let lease {
            configuration.lease = lease
            configuration.fencingTokens = true
            configuration.pool.maximumConnections = 4
        }
        locks = try LockManager(configuration: configuration, logger: Logger(label: "pglock") { _ in SwiftLogNoOpLogHandler() })
    }

    func prepare() async throws {
        try await locks.withTransaction { transaction in
            try await transaction.execute("CREATE TABLE counter (run int PRIMARY KEY, value bigint NOT NULL)")
            try await transaction.execute("CREATE TABLE journal (run int NOT NULL, worker int NOT NULL)")
            try await transaction.execute("CREATE TABLE account (writer text, token uuid)")
            try await transaction.execute("INSERT INTO account VALUES (NULL, NULL)")
        }
    }

    func begin(run: Int) async throws {
        _ = try await locks.withTransaction { transaction in
            try await transaction.execute("INSERT INTO counter VALUES ($1, 0)", [.int(run)])
        }
    }

    /// Reads both numbers by one statement, so they belong to the same moment.
    func totals(run: Int) async throws -> Totals {
        try await locks.withTransaction { transaction in
            let rows = try await transaction.query(
                "SELECT value, (SELECT count(*) FROM journal j WHERE j.run = c.run) FROM counter c WHERE c.run = $1",
                [.int(run)]
            )
            guard let row = rows.first else { return Totals() }
            return Totals(counter: try row.decode(0), committed: try row.decode(1))
        }
    }

    /// Reads the counter, in a transaction of its own.
    func read(run: Int) async throws -> Int {
        try await locks.withTransaction { transaction in
            let rows = try await transaction.query("SELECT value FROM counter WHERE run = $1", [.int(run)])
            guard let row = rows.first else { throw CommandFailure(ExitStatus.failure, "The counter is gone.") }
            return try row.decode(0)
        }
    }

    /// Overwrites the counter, even if it has changed, and adds a row to the journal in the same transaction.
    func write(_ value: Int, run: Int, worker: Int) async throws {
        try await locks.withTransaction { transaction in
            try await transaction.execute("UPDATE counter SET value = $2 WHERE run = $1", [.int(run), .int(value)])
            try await transaction.execute("INSERT INTO journal VALUES ($1, $2)", [.int(run), .int(worker)])
        }
    }

    /// Writes the account, unless a later holder of the lock has written it before.
    ///
    /// - Returns: Whether the write was accepted.
    func write(_ writer: String, fencedBy token: FencingToken?) async throws -> Bool {
        guard let token else { throw CommandFailure(ExitStatus.failure, "The lock has no fencing token.") }
        return try await locks.withTransaction { transaction in
            try await transaction.execute(
                "UPDATE account SET writer = $1, token = $2::uuid WHERE token IS NULL OR token <= $2::uuid",
                [.string(writer), .string(token.description)]
            ) == 1
        }
    }

    /// The process that has written the account last.
    func lastWriter() async throws -> String? {
        try await locks.withTransaction { transaction in
            try await transaction.query("SELECT writer FROM account").first?.decode(0)
        }
    }
}
