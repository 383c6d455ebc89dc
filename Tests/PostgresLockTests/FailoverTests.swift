import LibPQ
import PostgresLock
import PostgresLockTesting
import Testing

/// Two servers that were one, without a cluster manager: copies of one cluster, which share its system identifier.
@Suite("Failover", .timeLimit(.minutes(40)))
struct FailoverTests {
    @Test(
        "of two standbys that took the same timeline, the one that is behind what was seen is refused until it has caught up",
        .server(),
        .direct("there is no pooler before two servers")
    )
    func behind() async throws {
        let database = try TestDatabase.get()
        try await withCopy(of: database) { other in
            try await promote(database)
            try await promote(other)
            let locks = try manager([database, other]) {
                $0.fencingTokens = true
                $0.timeouts.unreachable = .milliseconds(500)
            }
            // The other one is ahead of what was seen upon connecting, and behind the token.
            try await locks.withLock("b", timeout: .seconds(120)) { _ in }
            try await write(megabytes: 10, on: other)
            try await write(megabytes: 30, on: database)
            let before = try await locks.withLock("a", timeout: .seconds(120)) { $0.fencingToken }
            try await database.server.stop()
            var error: LockError?
            try await database.eventually("the other one is refused") {
                error = await lockError { try await locks.withLock("a") { _ in } }
                return error?.code == .anotherServer
            }
            #expect(error?.message.contains("behind one that was seen before") == true, "\(String(describing: error))")
            try await write(megabytes: 50, on: other)
            let after = try await locks.withLock("a", timeout: .seconds(120)) { $0.fencingToken }
            #expect(try #require(before) < #require(after))
            await locks.shutdown()
            try await database.server.resume()
        }
    }

    @Test("a server that crashes is not taken for one that is behind", .server())
    func crash() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.fencingTokens = true }
        for _ in 0..<3 {
            try await locks.withLock("a", timeout: .seconds(60)) { lock in #expect(lock.fencingToken != nil) }
            // Not on the disk yet when the server crashes, for all that it promises.
            try await database.query("SET synchronous_commit = off; SELECT pg_logical_emit_message(true, 'test', repeat('x', 100000))")
            try await locks.withTransaction(timeout: .seconds(60)) { _ in }
            try await database.server.crash()
            try await database.server.resume()
        }
        try await locks.withLock("a", timeout: .seconds(60)) { lock in #expect(lock.isHeld) }
    }

    @Test(
        "a promotion that was undone is forgotten once every host has answered for long enough, and not while one is silent",
        .server(),
        .direct("there is no pooler before two servers")
    )
    func undone() async throws {
        let database = try TestDatabase.get()
        try await withCopy(of: database) { other in
            try await promote(other)
            let connector = Connector(oldestServer: 120_000, forgetAfter: .seconds(1))
            #expect(try await connect(connector, [other]).get().raw.session.timeline == 2)
            let patient = Connector(oldestServer: 120_000, forgetAfter: .seconds(3600))
            #expect(await connect(patient, [other]).isSuccess)
            let both = [database, other]
            // The one that was promoted may be the right one: it is only out of reach.
            try await other.server.stop()
            for _ in 0..<4 {
                #expect(await connect(connector, both).failure != nil)
                try await Task.sleep(for: .milliseconds(500))
            }
            try await other.server.resume()
            try await other.becomeStandby()
            #expect(await connect(connector, both).failure?.kind == .anotherServer)
            var session: PreparedSession?
            try await database.eventually("the real primary is accepted") {
                session = try? await connect(connector, both).get()
                return session != nil
            }
            #expect(session?.raw.session.timeline == 1)
            #expect(session?.forgottenTimeline == 2)
            for _ in 0..<3 { #expect(await connect(patient, both).failure?.kind == .anotherServer) }
        }
    }

    @Test(
        "while something is held, a promotion elsewhere is noticed, and the locks on the server that was replaced are given up",
        .server(),
        .direct("there is no pooler before two servers")
    )
    func watched() async throws {
        let database = try TestDatabase.get()
        try await withCopy(of: database) { other in
            try await other.becomeStandby()
            let locks = try manager([database, other]) { $0.lease = .seconds(5) }
            let held = try await locks.acquire("a", timeout: .seconds(120))
            let view = held.lock
            try await other.query("SELECT pg_promote()")
            try await database.eventually("the lock is lost") { view.loss != nil }
            let loss = try #require(view.loss)
            #expect(loss.code == .lockLost)
            #expect(loss.message.contains("promoted (timeline 2)"), "\(loss)")
            // The one that was replaced comes first, and lives.
            try await locks.withLock("a", timeout: .seconds(120)) { lock in #expect(lock.isHeld) }
            #expect(try await other.sessions() > 0)
            _ = try? await held.release()
            await locks.shutdown()
        }
    }

    // MARK: Servers

    private func withCopy(of database: TestDatabase, _ body: (TestDatabase) async throws -> Void) async throws {
        try await EphemeralPostgres.withServer { server in
            try await server.query("CREATE DATABASE \(database.name)")
            try await body(TestDatabase(server: server, name: database.name))
        }
    }

    private func promote(_ database: TestDatabase) async throws {
        try await database.becomeStandby()
        try await database.query("SELECT pg_promote()")
    }

    private func write(megabytes: Int, on database: TestDatabase) async throws {
        try await database.query(
            "SELECT pg_logical_emit_message(true, 'test', repeat('x', 1000000)) FROM generate_series(1, \(megabytes))"
        )
    }

    private func url(_ databases: [TestDatabase]) -> String {
        let hosts = databases.map(\.server.socketDirectory).joined(separator: ",")
        let ports = databases.map { "\($0.server.port)" }.joined(separator: ",")
        return "host='\(hosts)' port='\(ports)' dbname='\(databases[0].name)' user='postgres'"
    }

    private func manager(
        _ databases: [TestDatabase],
        _ configure: (inout LockManager.Configuration) -> Void
    ) throws -> LockManager {
        try databases[0].manager {
            $0.url = url(databases)
            configure(&$0)
        }
    }

    private func connect(_ connector: Connector, _ databases: [TestDatabase]) async -> Result<PreparedSession, ConnectionFailure> {
        await withCheckedContinuation { continuation in
            let parameters = ConnectionParameters(string: url(databases), applicationName: "test")
            connector.connect(parameters, within: .seconds(20), attempt: .init(), onNotice: { _ in }) {
                continuation.resume(returning: $0)
            }
        }
    }
}
