import PostgresLockTesting
import Testing

@testable import PostgresLock

// Not in a suite of databases: two tests of one that have a server of their own besides would wait for each other's place.
@Suite("Shares of work while the server is away", .server())
struct SharesOutageTests {
    private let log = ShareLog()

    @Test("an outage of the server is no reason to end: the work goes on when it is up again")
    func outage() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.timeouts.unreachable = .milliseconds(300) }
        let member = Task { [log] in try await locks.withShares(of: "mailboxes", count: 8, log.body("a")) }
        try await database.eventually("it has all shares") { log.count(of: "a") == 8 }
        try await database.server.stop()
        try await database.eventually("its bodies have ended") { log.owners.isEmpty }
        try await database.server.resume()
        try await database.eventually("it has all shares again") { log.count(of: "a") == 8 }
        member.cancel()
        await #expect(throws: CancellationError.self) { try await member.value }
    }

    @Test("a member can leave while the server is away")
    func leaveInOutage() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.timeouts.unreachable = .milliseconds(300) }
        let member = Task { [log] in try await locks.withShares(of: "mailboxes", count: 8, log.body("a")) }
        try await database.eventually("it has all shares") { log.count(of: "a") == 8 }
        try await database.server.stop()
        member.cancel()
        await #expect(throws: CancellationError.self) { try await member.value }
        #expect(log.owners.isEmpty)
        try await database.server.resume()
    }
}
