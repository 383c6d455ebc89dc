import ChildProcesses
import FaultTools
import Foundation
import PostgresLock
import PostgresLockTesting
import Testing

/// One address that leads to several servers, as that of a load balancer or of a router for shards.
@Suite("Several servers behind one address", .serialized)
struct SeveralServersTests {
    /// An address that leads to the test's server and to another one in turn.
    private struct Address {
        let link: SlowLink
        let other: EphemeralPostgres

        func url() throws -> String { "host='\(link.folder)' port='\(link.port)' dbname='\(try TestDatabase.get().name)' user='postgres'" }

        func manager(_ configure: (inout LockManager.Configuration) -> Void = { _ in }) throws -> LockManager {
            let url = try url()
            return try TestDatabase.get().manager {
                $0.url = url
                configure(&$0)
            }
        }

        /// Runs `pglock doctor`, which must not find the address fit.
        func doctor(status: Int32) async throws -> [String] {
            let program = try ChildProcess.helper("pglock", ["doctor", url()])
            var lines: [String] = []
            for await line in program.lines { lines.append(line) }
            let ended = await program.status()
            #expect(ended == status, "\(lines.joined(separator: "\n"))")
            return lines
        }
    }

    /// - Parameters:
    ///   - order: Which connection leads where, again and again: 0 is the test's server, 1 the other one.
    ///   - isCopy: Whether the other server has the same system identifier.
    private func with(_ order: [Int], isCopy: Bool = true, _ body: (Address) async throws -> Void) async throws {
        let database = try TestDatabase.get()
        try await EphemeralPostgres.withServer(.init(hasOwnSystemIdentifier: !isCopy)) { other in
            try await other.query("CREATE DATABASE \(database.name)")
            let servers = [database.server, other].map { (folder: $0.socketDirectory, port: $0.port) }
            let link = try SlowLink(spreadingOver: order.map { servers[$0] })
            defer { link.close() }
            try await body(Address(link: link, other: other))
            try await database.eventually("nothing is locked") {
                try await other.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [["0"]]
            }
        }
    }

    @Test(
        "an address that leads to two servers in turn is refused before the first lock, by an error that tells them apart",
        .server(),
        .direct("there is no pooler before two servers"),
        arguments: [false, true]
    )
    func inTurn(isCopy: Bool) async throws {
        try await with([0, 1], isCopy: isCopy) { address in
            let locks = try address.manager()
            for _ in 0..<2 {
                let error = await lockError { try await locks.withLock("a") { _ in } }
                #expect(error?.code == .locksDoNotExclude)
                let message = error?.message ?? ""
                #expect(message.contains("have led to two servers"), "\(message)")
                #expect(message.contains("with copies of the same data") == isCopy, "\(message)")
                let starts = message.matches(of: #/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}/#).map { String($0.output) }
                #expect(Set(starts).count == 2, "\(message)")
                #expect(message.contains("Connect to one PostgreSQL server"), "\(message)")
            }
        }
    }

    @Test(
        "an address that also leads to a standby is refused as not primary, if the second connection is the standby's",
        .server(),
        .direct("there is no pooler before two servers")
    )
    func standby() async throws {
        try await with([0, 1]) { address in
            try await TestDatabase(server: address.other, name: TestDatabase.get().name).becomeStandby()
            let locks = try address.manager { $0.timeouts.unreachable = .milliseconds(500) }
            let error = await lockError { try await locks.withLock("a") { _ in } }
            #expect(error?.code == .notPrimary)
            #expect(error?.message.contains("standby") == true, "\(String(describing: error))")
        }
    }

    @Test(
        "a later connection that leads to a server with a copy of the data is not used, nor any further one while its locks don't exclude the others",
        .server(),
        .direct("there is no pooler before two servers")
    )
    func laterCopy() async throws {
        let database = try TestDatabase.get()
        try await with([0, 0, 1, 0]) { address in
            let locks = try address.manager()
            let held = try await locks.acquire("a")
            let error = await lockError { try await locks.withTransaction(locking: "b") { _ in } }
            #expect(error?.code == .locksDoNotExclude)
            #expect(error?.message.contains("two servers with copies of the same data") == true, "\(String(describing: error))")
            let isHeld = held.isHeld
            #expect(isHeld)
            // The address leads on as before, now with both connections of a check to the first server.
            try await locks.withTransaction(locking: "b") { transaction in
                #expect(transaction.lock?.isHeld == true)
                let locks = try await database.locks()
                #expect(locks == 2)
            }
            try await held.release()
        }
    }

    @Test(
        "a restart of the server is no reason to refuse it, also if the role has no connection left to check it once more",
        .server(),
        .direct("counts the connections of a role")
    )
    func restart() async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE ROLE app LOGIN")
        let locks = try database.manager { $0.url = database.server.connectionString(database: database.name, user: "app") }
        for limit in [-1, 1] {
            try await locks.withLock("a", timeout: .seconds(60)) { lock in #expect(lock.isHeld) }
            try await database.query("ALTER ROLE app CONNECTION LIMIT \(limit)")
            try await database.server.stop()
            try await database.server.resume()
        }
        try await locks.withLock("a", timeout: .seconds(60)) { lock in #expect(lock.isHeld) }
    }

    @Test(
        "pglock doctor finds the one connection that leads to another server, and says how many lead where",
        .server(),
        .direct("there is no pooler before two servers"),
        arguments: [[0, 1], [0, 0, 0, 0, 0, 0, 0, 1]]
    )
    func doctor(order: [Int]) async throws {
        try await with(order) { address in
            let lines = try await address.doctor(status: 2)
            let servers = try #require(lines.first { $0.contains(" servers ") })
            #expect(servers.hasPrefix("failed   servers      12 connections led to 2 servers: "), "\(servers)")
            // The other checks open connections as well, so in turn either server can have one more.
            let others = servers.firstMatch(of: #/; (\d+) to one that was started at /#).flatMap { Int($0.output.1) } ?? 0
            #expect(order.count == 2 ? (5...7).contains(others) : others == 1, "\(servers)")
            let exclusion = try #require(lines.first { $0.contains(" exclusion ") })
            #expect(exclusion.hasPrefix("failed   exclusion    "), "\(exclusion)")
            if others == 1 { #expect(exclusion.contains("1 of 11 other connections got a lock that the first one held"), "\(exclusion)") }
            let further = lines.filter { $0.contains(#/^\w+ +(visibility|lock) /#) }
            #expect(further == [])
        }
    }

    @Test(
        "pglock doctor warns of an address that leads to a standby at times",
        .server(),
        .direct("there is no pooler before two servers")
    )
    func doctorOnStandby() async throws {
        // The standby is the tenth connection's server, which only the survey opens.
        try await with([0, 0, 0, 0, 0, 0, 0, 0, 0, 1] + Array(repeating: 0, count: 100)) { address in
            try await TestDatabase(server: address.other, name: TestDatabase.get().name).becomeStandby()
            let lines = try await address.doctor(status: 0)
            let servers = try #require(lines.first { $0.contains(" servers ") })
            #expect(servers.hasPrefix("warning  servers      12 connections led to 2 servers: 11 to one "), "\(servers)")
            #expect(servers.contains("; 1 to a standby that was started at "), "\(servers)")
            #expect(lines.contains { $0.hasPrefix("ok       exclusion    none of 10 other connections ") }, "\(lines)")
        }
    }
}
