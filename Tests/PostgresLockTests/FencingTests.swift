import ChildProcesses
import FaultTools
import Foundation
import LibPQ
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("Fencing tokens")
struct FencingTests {
    private static func fencing(_ configuration: inout LockManager.Configuration) {
        configuration.fencingTokens = true
        TestDatabase.unlimitedHandoff(&configuration)
    }

    @Test("there are none unless they are asked for", .lockServers, arguments: ServerKind.allCases)
    func off(on kind: ServerKind) async throws {
        let locks = try await kind.start().manager()
        try await locks.withLock("a") { lock in #expect(lock.fencingToken == nil) }
    }

    @Test(
        "grow with every grant, over tasks and managers, and in every form of theirs",
        .lockServers,
        arguments: [0, 3, 256],
        ServerKind.allCases
    )
    func growth(handoffs: Int, on kind: ServerKind) async throws {
        let server = try await kind.start()
        let managers = try (0..<3).map { _ in
            try server.manager {
                $0.fencingTokens = true
                $0.handoff.maximumCount = handoffs
            }
        }
        let order = Locked<[FencingToken]>([])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for locks in managers {
                for _ in 0..<20 {
                    group.addTask {
                        try await locks.withLock("a") { lock in
                            let token = try #require(lock.fencingToken)
                            order.withLock { $0.append(token) }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        let tokens = order.withLock { $0 }
        #expect(tokens.count == 60)
        #expect(zip(tokens, tokens.dropFirst()).allSatisfy { $0 < $1 })
        #expect(zip(tokens, tokens.dropFirst()).allSatisfy { $0.description < $1.description })
        #expect(zip(tokens, tokens.dropFirst()).allSatisfy { $0.bytes.lexicographicallyPrecedes($1.bytes) })
    }

    @Test("fencing tokens sort in PostgreSQL as UUIDs", .database)
    func uuids() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager(Self.fencing)
        var tokens: [FencingToken] = []
        for _ in 0..<20 { try await locks.withLock("a") { tokens.append(try #require($0.fencingToken)) } }
        let uuids = tokens.shuffled().map { "('\($0)'::uuid)" }.joined(separator: ",")
        let sorted = try await database.query("SELECT u FROM (VALUES \(uuids)) v (u) ORDER BY u")
        #expect(sorted.map { $0.first.flatMap(\.self) } == tokens.map(\.description))
    }

    @Test(
        "are there for sets, sessions and what was tried; one that is exclusive anew has one above all who shared",
        .lockServers,
        arguments: ServerKind.allCases
    )
    func everywhere(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (one, other) = (try server.manager(Self.fencing), try server.manager(Self.fencing))
        let set = try await one.withLocks([.exclusive("a"), .exclusive("b")]) { locks in locks.map(\.fencingToken) }
        let token = try await other.withLock("b", timeout: .zero) { lock in lock.fencingToken }
        #expect(try #require(token) > #require(set[1]))
        let session = try await one.withSession { session in
            try await session.withLock("a") { lock in lock.fencingToken }
        }
        #expect(try #require(session) > #require(set[0]))

        let shared = try await one.acquire("c", mode: .shared)
        let first = shared.fencingToken
        let second = try await other.withLock("c", mode: .shared) { lock in lock.fencingToken }
        #expect(try #require(second) > #require(first))
        let isUpgraded = try await shared.tryUpgrade()
        #expect(isUpgraded)
        let third = shared.fencingToken
        #expect(try #require(third) > #require(second))
        try await shared.downgrade()
        let same = shared.fencingToken
        #expect(same == third)
        let joined = try await one.withLock("c", mode: .shared) { lock in lock.fencingToken }
        #expect(try #require(joined) > #require(third))
        try await shared.release()
    }

    @Test("refuse the write of a holder that has not noticed its end", .server())
    func guardedWrite() async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE TABLE account (balance int, fence uuid); INSERT INTO account VALUES (0, NULL)")
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let cut = try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
            $0.fencingTokens = true
            $0.lease = .seconds(1)
            $0.timeouts.response = .seconds(2)
        }
        func write(_ balance: Int, _ token: FencingToken?) async throws -> Int {
            let fence = try #require(token)
            return try await database.query(
                """
                UPDATE account SET balance = \(balance), fence = '\(fence)'
                WHERE fence IS NULL OR fence <= '\(fence)' RETURNING balance
                """
            ).count
        }
        let stale = try await cut.acquire("account")
        let token = stale.fencingToken
        #expect(try await write(1, token) == 1)
        link.swallowEverything()
        let locks = try database.manager(Self.fencing)
        try await locks.withLock("account") { lock in
            let count = try await write(2, lock.fencingToken)
            #expect(count == 1)
        }
        #expect(try await write(3, token) == 0)
        #expect(try await database.query("SELECT balance FROM account") == [["2"]])
        try? await stale.release()
    }

    /// `PGLOCK_CRASHES` for more of them.
    @Test(
        "never go back over crashes of the server, also where commits don't wait for the disk",
        .server(["synchronous_commit": "off", "wal_writer_delay": "10s"])
    )
    func crashes() async throws {
        let database = try TestDatabase.get()
        let crashes = ProcessInfo.processInfo.environment["PGLOCK_CRASHES"].flatMap { Int($0) } ?? 5
        let highest = Locked<FencingToken?>(nil)
        let count = Locked(0)
        let isOver = Locked(false)
        let managers = try (0..<2).map { _ in
            try database.manager {
                $0.fencingTokens = true
                $0.handoff.maximumCount = 2
                $0.timeouts.unreachable = .seconds(30)
            }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for locks in managers {
                for _ in 0..<4 {
                    group.addTask {
                        while !isOver.withLock({ $0 }) {
                            do {
                                let lock = try await locks.acquire("a")
                                let view = lock.lock
                                let token = try #require(view.fencingToken)
                                // A holder of long ago may come here late, but only with a low one: then it has lost its lock.
                                highest.withLock { highest in
                                    if let last = highest, token <= last { #expect(!view.isHeld, "\(token) came after \(last)") }
                                    highest = max(highest ?? token, token)
                                }
                                count.withLock { $0 += 1 }
                                try await lock.release()
                            } catch is LockError {}
                        }
                    }
                }
            }
            group.addTask {
                // Something else that is written to the log, and lost.
                while !isOver.withLock({ $0 }) {
                    _ = try? await database.query("SELECT pg_logical_emit_message(true, 'other', repeat('x', 100))")
                }
            }
            for _ in 0..<crashes {
                let before = count.withLock { $0 }
                while count.withLock({ $0 }) < before + 10 { try await Task.sleep(for: .milliseconds(5)) }
                try await database.server.crash()
                try await database.server.resume()
            }
            isOver.withLock { $0 = true }
            try await group.waitForAll()
        }
    }

    @Test("go on growing when a standby that lags behind is promoted", .server())
    func promotion() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager(Self.fencing)
        let data = database.server.dataDirectory
        try await database.server.stop()
        // What the standby has got so far.
        try await Self.run("cp", "-a", data, data + ".standby")
        try await database.server.resume()
        for _ in 0..<50 { try await database.query("SELECT pg_logical_emit_message(true, 'lost', repeat('x', 10000))") }
        let before = try await locks.withLock("a") { lock in lock.fencingToken }
        try await database.server.crash()
        try await Self.run("rm", "-r", data)
        try await Self.run("mv", data + ".standby", data)
        try await database.server.resume()
        try await database.becomeStandby()
        try await database.query("SELECT pg_promote()")
        let after = try await locks.withLock("a") { lock in lock.fencingToken }
        #expect(try #require(after) > #require(before))
    }

    @Test("don't wait for a standby that is not there", .server())
    func absentStandby() async throws {
        let database = try TestDatabase.get()
        // Not before now: the database itself would have waited for it.
        try await database.server.restart(settings: ["synchronous_standby_names": "nobody"])
        let locks = try database.manager(Self.fencing)
        try await locks.withLock("a", timeout: .seconds(120)) { lock in #expect(lock.fencingToken != nil) }
        try await locks.withSession { session in
            try await session.withLock("b", timeout: .seconds(120)) { lock in #expect(lock.fencingToken != nil) }
        }
        await locks.shutdown()
        try await database.server.restart(settings: ["synchronous_standby_names": ""])
    }

    @Test("a pool without a place for writing them is refused")
    func smallPool() {
        var configuration = LockManager.Configuration(url: "postgres://nowhere")
        configuration.fencingTokens = true
        configuration.pool.maximumConnections = 2
        let error = #expect(throws: LockError.self) { try LockManager(configuration: configuration) }
        #expect(error?.code == .badConfiguration)
    }

    @Test(
        "an upgrade that can't have its token, since there is no connection for it, says so",
        .database,
        .direct("a pooler keeps the sessions of a role"),
        .timeLimit(.minutes(40))
    )
    func upgradeWithoutFencingSession() async throws {
        let database = try TestDatabase.get()
        let role = "role_\(UInt32.random(in: .min ... .max))"
        try await database.query("CREATE ROLE \(role) LOGIN CONNECTION LIMIT 2")
        let url = database.server.connectionString(database: database.name, user: role)
        let locks = try database.manager {
            $0.url = url
            $0.fencingTokens = true
            $0.pool.idleTimeout = .milliseconds(50)
            // Long enough for an attempt to be refused.
            $0.timeouts.unreachable = .seconds(5)
        }
        let held = try await locks.acquire("a", mode: .shared, timeout: .seconds(120))
        try await database.eventually("the writer of tokens is idle, and closed") { try await database.sessions() == 1 }
        let owned = try OwnedLibPQ(url)
        do {
            let isUpgraded = try await held.tryUpgrade()
            Issue.record("Upgraded: \(isUpgraded)")
        } catch let error as LockError {
            #expect(error.code == .tooManyConnections)
        }
        let (mode, token) = (held.mode, held.fencingToken)
        #expect(mode == .exclusive)
        #expect(token == nil)
        try await held.release()
        _ = owned
        await locks.shutdown()
        try await database.query("DROP ROLE \(role)")
    }

    @Test("where none can be written, the lock is given back, and the caller is told", .database)
    func impossible() async throws {
        let database = try TestDatabase.get()
        let role = "role_\(UInt32.random(in: .min ... .max))"
        try await database.query("CREATE ROLE \(role) LOGIN; REVOKE EXECUTE ON FUNCTION pg_walfile_name(pg_lsn) FROM PUBLIC")
        let locks = try database.manager {
            $0.url = database.server.connectionString(database: database.name, user: role)
            $0.fencingTokens = true
        }
        let error = await lockError { try await locks.withLock("a") { _ in } }
        #expect(error?.sqlState == "42501")
        try await database.eventually("the lock is given back") { try await database.locks() == 0 }
        let inside = await lockError { try await locks.withSession { try await $0.withLock("a") { _ in } } }
        #expect(inside?.sqlState == "42501")
        await locks.shutdown()
        try await database.query("DROP ROLE \(role)")
    }

    private static func run(_ command: String...) async throws {
        let result = try await CapturedProcess(["/usr/bin/env"] + command).finish()
        try #require(result.succeeded, "\(command): \(result.error)")
    }
}

@Suite("The text of a fencing token")
struct FencingTokenTests {
    @Test("is read as it is written")
    func text() throws {
        let text = "00000001-0000-0000-0abc-def000000002"
        let token = try #require(FencingToken(text))
        #expect(token.description == text)
        #expect(FencingToken(bytes: token.bytes) == token)
        #expect(FencingToken(text.filter { $0 != "-" }.uppercased()) == token)
        #expect(try JSONDecoder().decode(FencingToken.self, from: JSONEncoder().encode(token)) == token)
    }

    @Test(
        "is refused if it is none",
        arguments: ["", "1", "00000001-0000-0000-0abc-def00000000g", "00000001-0000-0000-0abc-def0000000020"]
    )
    func nonsense(text: String) {
        #expect(FencingToken(text) == nil)
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(FencingToken.self, from: JSONEncoder().encode(text)) }
    }
}
