import Foundation
import LibPQ
import Logging
import PostgresLock
import PostgresLockTesting
import Testing

/// The database of one test, on a server that all tests share. See the trait ``Testing/Trait/database``.
final class TestDatabase: TestServer {
    @TaskLocal static var current: TestDatabase?

    /// Longer than the default, which a busy machine may need to connect, or to answer a call that waits for no other holder.
    private static let unreachable = Duration.seconds(120)

    let server: EphemeralPostgres
    let name: String
    /// The pooler between the test and the server, if the tests run behind one.
    let pooler: Pgbouncer?
    private let shutdowns = Locked<[@Sendable () async -> Void]>([])

    init(server: EphemeralPostgres, name: String, pooler: Pgbouncer? = nil) {
        self.server = server
        self.name = name
        self.pooler = pooler
    }

    /// Creates a database.
    static func open(on server: EphemeralPostgres) async throws -> TestDatabase {
        let name = "test_\(UInt32.random(in: .min ... .max))"
        let pooler =
            DatabaseTrait.isPooled ? try await Pgbouncer("session", poolSize: 90, server: server, database: name) : nil
        try await server.query("CREATE DATABASE \(name)")
        return TestDatabase(server: server, name: name, pooler: pooler)
    }

    /// The database of the running test.
    static func get() throws -> TestDatabase {
        try #require(current, "The test needs the trait .database.")
    }

    var url: String { pooler?.url ?? server.connectionString(database: name) }

    /// A manager on this database, shut down after the test.
    func manager(_ configure: (inout LockManager.Configuration) -> Void) throws -> LockManager {
        var configuration = LockManager.Configuration(url: url)
        // Tests count the locks on the server.
        configuration.publicationDelay = .seconds(86_400)
        configuration.timeouts.unreachable = Self.unreachable
        configuration.timeouts.nested = Self.unreachable
        configure(&configuration)
        let manager = try LockManager(configuration: configuration)
        shutdowns.withLock { $0.append { await manager.shutdown(gracePeriod: .seconds(5)) } }
        return manager
    }

    /// Lets tasks of the process share a lock, or pass it on, however long a busy machine takes for the steps of a test. A test that holds a
    /// shared handle and asks for another one would wait for itself otherwise, once the handoff limit is over.
    static func unlimitedHandoff(_ configuration: inout LockManager.Configuration) {
        configuration.handoff.maximumDuration = .seconds(3600)
    }

    /// A manager of transactions on this database, shut down after the test.
    func transactionManager(_ configure: (inout TransactionLockManager.Configuration) -> Void = { _ in }) throws -> TransactionLockManager {
        var configuration = TransactionLockManager.Configuration(url: url)
        configuration.timeouts.unreachable = Self.unreachable
        configuration.timeouts.nested = Self.unreachable
        configure(&configuration)
        let manager = try TransactionLockManager(configuration: configuration)
        shutdowns.withLock { $0.append { await manager.shutdown(gracePeriod: .seconds(5)) } }
        return manager
    }

    @discardableResult
    func query(_ sql: String) async throws -> [[String?]] {
        try await server.query(sql, database: name)
    }

    /// The same, but not ended by cancellation: a body that ends the session of its own lock is cancelled before it has the answer, and
    /// would check nothing of what follows.
    func queryUncancelled(_ sql: String) async throws {
        _ = try await Task { [server, name] in try await server.query(sql, database: name) }.value
    }

    /// Restarts the server as a hot standby without a primary; `pg_promote()` ends that.
    func becomeStandby() async throws {
        try await server.stop()
        // Writable for all, because the server runs under another account.
        let isCreated = FileManager.default.createFile(
            atPath: "\(server.dataDirectory)/standby.signal",
            contents: nil,
            attributes: [.posixPermissions: 0o666]
        )
        try #require(isCreated)
        try await server.resume()
    }

    /// The number of advisory locks in this database that are granted, or waited for.
    func locks(granted: Bool) async throws -> Int {
        let rows = try await query(
            """
            SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted = \(granted)
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """
        )
        return try #require(rows.first?.first.flatMap { $0 }.flatMap { Int($0) })
    }

    /// The number of sessions in this database, without the one that asks.
    func sessions() async throws -> Int {
        let rows = try await query(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return try #require(rows.first?.first.flatMap { $0 }.flatMap { Int($0) })
    }

    func endSessions(holding key: LockKey?) async throws {
        let locks = "SELECT 1 FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted"
        let filter = key.map { "AND EXISTS (\(locks) AND \(condition($0)))" } ?? ""
        try await queryUncancelled(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity a WHERE datname = current_database() AND pid <> pg_backend_pid() \(filter)
            """
        )
    }

    private func condition(_ key: LockKey) -> String {
        let (high, low, space) = key.advisory.shown
        return "l.classid = \(high) AND l.objid = \(low) AND l.objsubid = \(space)"
    }

    private func shutDownManagers() async {
        for shutDown in shutdowns.withLock({ $0 }) { await shutDown() }
    }

    func abandon() async {
        await shutDownManagers()
        await pooler?.stop()
    }

    func close() async throws {
        await shutDownManagers()
        try await eventually("no advisory lock remains") { try await self.locks() == 0 }
        try await eventually("no wait remains") { try await self.locks(granted: false) == 0 }
        // The pooler keeps sessions open.
        await pooler?.stop()
        try await eventually("no session remains") { try await self.sessions() == 0 }
        try await server.query("DROP DATABASE \(name) WITH (FORCE)")
    }
}
