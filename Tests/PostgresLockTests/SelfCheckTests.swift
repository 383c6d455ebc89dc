import FaultTools
import Foundation
import PostgresLock
import PostgresLockTesting
import Testing

/// The checks of a manager before it takes its first lock.
@Suite("Self-checks")
struct SelfCheckTests {
    @Test("a server whose locks don't exclude is refused, until they do", .database)
    func noOps() async throws {
        let database = try TestDatabase.get()
        try await database.query(
            """
            SET allow_system_table_mods = on;
            ALTER FUNCTION pg_catalog.pg_try_advisory_lock(bigint) RENAME TO the_real_one;
            CREATE FUNCTION pg_catalog.pg_try_advisory_lock(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true'
            """
        )
        let locks = try database.manager()
        for _ in 0..<2 {
            let error = await lockError { try await locks.withLock("a") { _ in } }
            #expect(error?.code == .locksDoNotExclude)
            #expect(error?.message.contains("two sessions") == true)
        }
        try await database.query(
            """
            SET allow_system_table_mods = on;
            DROP FUNCTION pg_catalog.pg_try_advisory_lock(bigint);
            ALTER FUNCTION pg_catalog.the_real_one(bigint) RENAME TO pg_try_advisory_lock
            """
        )
        try await locks.withLock("a") { lock in #expect(lock.isHeld) }
    }

    @Test("a server that grants nothing is refused", .database)
    func neverGrants() async throws {
        let database = try TestDatabase.get()
        try await database.query(
            """
            SET allow_system_table_mods = on;
            ALTER FUNCTION pg_catalog.pg_try_advisory_lock(bigint) RENAME TO the_real_one;
            CREATE FUNCTION pg_catalog.pg_try_advisory_lock(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT false'
            """
        )
        let error = await lockError { try await database.manager().withLock("a") { _ in } }
        #expect(error?.code == .locksDoNotExclude)
    }

    @Test(
        "a server that does not release locks, or reports that it has not, is refused",
        .database,
        arguments: ["SELECT true", "SELECT NOT pg_catalog.the_real_one($1)"]
    )
    func neverReleases(body: String) async throws {
        let database = try TestDatabase.get()
        try await database.query(
            """
            SET allow_system_table_mods = on;
            ALTER FUNCTION pg_catalog.pg_advisory_unlock(bigint) RENAME TO the_real_one;
            CREATE FUNCTION pg_catalog.pg_advisory_unlock(bigint) RETURNS boolean LANGUAGE sql AS '\(body)'
            """
        )
        let error = await lockError { try await database.manager().withLock("a") { _ in } }
        #expect(error?.code == .locksDoNotExclude)
        #expect(error?.message.contains("not released") == true, "\(String(describing: error))")
    }

    @Test("a standby is refused until it is promoted; meanwhile a call waits as for a server that starts", .server())
    func standby() async throws {
        let database = try TestDatabase.get()
        try await database.becomeStandby()
        let hasty = try database.manager { $0.timeouts.unreachable = .milliseconds(200) }
        let error = await lockError { try await hasty.withLock("a") { _ in } }
        #expect(error?.code == .notPrimary)
        #expect(error?.message.contains("target_session_attrs=read-write") == true)

        let patient = try database.manager()
        let waiting = Task { try await patient.withLock("a") { $0.isHeld } }
        try await database.query("SELECT pg_promote()")
        #expect(try await waiting.value)
        // Its connect deadline can be too short for a busy machine.
        try await database.eventually("the hasty one gets it, too") {
            (try? await hasty.withLock("a") { lock in lock.isHeld }) == true
        }
    }

    @Test("a manager that knows one cluster refuses another one, and a new manager accepts it", .server())
    func anotherCluster() async throws {
        let database = try TestDatabase.get()
        try await EphemeralPostgres.withServer(.init(hasOwnSystemIdentifier: true)) { other in
            try await other.query("CREATE DATABASE \(database.name)")
            let error = try await errorAfterFailover(to: other)
            #expect(error?.code == .anotherServer)
            #expect(error?.message.contains("system identifier") == true)
        }
    }

    @Test("a server with a timeline from before a promotion is refused", .server())
    func oldTimeline() async throws {
        let database = try TestDatabase.get()
        try await database.becomeStandby()
        try await database.query("SELECT pg_promote()")
        // A copy of the same cluster, so it has the same system identifier.
        try await EphemeralPostgres.withServer { other in
            try await other.query("CREATE DATABASE \(database.name)")
            let error = try await errorAfterFailover(to: other)
            #expect(error?.code == .anotherServer)
            #expect(error?.message.contains("timeline") == true)
        }
    }

    @Test("a promotion of the known cluster is accepted at the next connection", .server())
    func newTimeline() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        try await locks.withLock("a") { _ in }
        try await database.becomeStandby()
        try await database.query("SELECT pg_promote()")
        try await locks.withLock("a") { lock in #expect(lock.isHeld) }
    }

    @Test(
        "locks on a server that was replaced by a promotion are lost as soon as the promoted server is seen",
        .server(),
        .direct("there is no pooler before two servers"),
        .timeLimit(.minutes(40))
    )
    func replaced() async throws {
        let database = try TestDatabase.get()
        try await EphemeralPostgres.withServer { server in
            let other = TestDatabase(server: server, name: database.name)
            try await server.query("CREATE DATABASE \(database.name)")
            try await other.becomeStandby()
            try await other.query("SELECT pg_promote()")
            let hosts = "\(database.server.socketDirectory),\(server.socketDirectory)"
            let locks = try database.manager {
                $0.url = "host='\(hosts)' port='\(database.server.port),\(server.port)' dbname='\(database.name)' user='postgres'"
                // No survey of the hosts comes before it is seen.
                $0.lease = .seconds(3600)
            }
            let held = try await locks.acquire("a")
            let view = held.lock
            // New connections lead to the promoted server, and existing ones stay open.
            let socket = "\(database.server.socketDirectory)/.s.PGSQL.\(database.server.port)"
            try FileManager.default.moveItem(atPath: socket, toPath: socket + ".hidden")
            defer { try? FileManager.default.moveItem(atPath: socket + ".hidden", toPath: socket) }
            try await locks.withTransaction { _ in }
            try await database.eventually("the lock is lost") { view.loss != nil }
            let loss = try #require(view.loss)
            #expect(loss.code == .lockLost)
            #expect(loss.message.contains("promoted (timeline 2)"))
            try await locks.withLock("a") { lock in #expect(lock.isHeld) }
            await locks.shutdown()
            _ = try? await held.release()
        }
    }

    @Test("a server with long round trips is connected to", .server(), .direct("is slow enough"))
    func farAway() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .milliseconds(180))
        defer { link.close() }
        let locks = try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
        }
        try await locks.withLock("a", timeout: .seconds(60)) { lock in #expect(lock.isHeld) }
    }

    @Test("for a role that may not read the control file, servers are compared by what it may read", .database)
    func unreadable() async throws {
        let database = try TestDatabase.get()
        let role = "role_\(UInt32.random(in: .min ... .max))"
        try await database.query("CREATE ROLE \(role) LOGIN; REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        let locks = try database.manager { $0.url = database.server.connectionString(database: database.name, user: role) }
        try await locks.withLock("a") { lock in #expect(lock.isHeld) }
        try await locks.withTransaction(locking: "b") { _ in }
        await locks.shutdown()
        // A refused question is asked together with others, then by itself, and never again.
        let refusals = try database.server.serverLog().split(separator: "permission denied for function pg_control_system")
        #expect(refusals.count == 3)
        try await database.query("DROP ROLE \(role)")
    }

    @Test("the server checks use at most two connections, however many are opened at once", .server())
    func connections() async throws {
        let database = try TestDatabase.get()
        // Counted here, because the server notices late that a connection is closed.
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
            $0.pool.maximumConnections = 2
        }
        async let lock: Void = locks.withLock("a") { _ in }
        async let transaction: Void = locks.withTransaction { _ in }
        _ = try await (lock, transaction)
        await locks.shutdown()
        #expect(link.peak == 2)
    }

    /// A manager that has taken a lock on the test's server connects to another server that its URL also names.
    private func errorAfterFailover(to other: EphemeralPostgres) async throws -> LockError? {
        let database = try TestDatabase.get()
        let hosts = "\(database.server.socketDirectory),\(other.socketDirectory)"
        let url = "host='\(hosts)' port='\(database.server.port),\(other.port)' dbname='\(database.name)' user='postgres'"
        let locks = try database.manager {
            $0.url = url
            $0.timeouts.unreachable = .milliseconds(500)
        }
        try await locks.withLock("a") { _ in }
        try await database.server.stop()
        let error = await lockError { try await locks.withLock("a") { _ in } }
        let fresh = try LockManager(configuration: .init(url: url))
        try await fresh.withLock("a") { lock in #expect(lock.isHeld) }
        await fresh.shutdown()
        try await database.server.resume()
        // The next attempt may begin later than a call without a timeout waits.
        try await locks.withLock("a", timeout: .seconds(120)) { lock in #expect(lock.isHeld) }
        return error
    }
}
