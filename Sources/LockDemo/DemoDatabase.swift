import CommandSupport
import Logging
import PostgresLock

/// The demonstration's tables, and what is done with them.
struct DemoDatabase: Sendable {
    let url: String
    let locks: LockManager

    /// What stands in the tables at one moment.
    struct Totals: Equatable, Sendable {
        var counter = 0
        /// The rows of the journal: one for each addition that was committed.
        var committed = 0

        var lost: Int { committed - counter }
    }

    /// - Parameter lease: How long the server waits for a silent holder. With one, there are fencing tokens too.
    init(url: String, lease: Duration? = nil) throws {
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
            try await transaction.execute("CREATE TABLE account (writer text, fence uuid)")
            try await transaction.execute("INSERT INTO account VALUES (NULL, NULL)")
        }
    }

    func begin(run: Int) async throws {
        _ = try await locks.withTransaction { transaction in
            try await transaction.execute("INSERT INTO counter VALUES ($1, 0)", [.int(run)])
        }
    }

    /// Both numbers come from one statement, and so from one moment.
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

    /// Writes the counter, whatever it holds by now, and notes the addition in the same transaction.
    func write(_ value: Int, run: Int, worker: Int) async throws {
        try await locks.withTransaction { transaction in
            try await transaction.execute("UPDATE counter SET value = $2 WHERE run = $1", [.int(run), .int(value)])
            try await transaction.execute("INSERT INTO journal VALUES ($1, $2)", [.int(run), .int(worker)])
        }
    }

    /// Writes under a lock, unless a later holder of that lock has written before.
    ///
    /// - Returns: Whether it was written.
    func write(_ writer: String, fencedBy token: FencingToken?) async throws -> Bool {
        guard let token else { throw CommandFailure(ExitStatus.failure, "The lock has no fencing token.") }
        return try await locks.withTransaction { transaction in
            try await transaction.execute(
                "UPDATE account SET writer = $1, fence = $2::uuid WHERE fence IS NULL OR fence <= $2::uuid",
                [.string(writer), .string(token.description)]
            ) == 1
        }
    }

    /// Who has written last.
    func lastWriter() async throws -> String? {
        try await locks.withTransaction { transaction in
            try await transaction.query("SELECT writer FROM account").first?.decode(0)
        }
    }

    func close() async {
        await locks.shutdown(gracePeriod: .zero)
    }
}
