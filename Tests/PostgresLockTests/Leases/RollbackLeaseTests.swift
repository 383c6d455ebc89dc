import FaultTools
import LibPQ
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("The lock of a transaction that is rolled back")
struct RollbackLeaseTests {
    private struct Stop: Error {}

    @Test(
        "a transaction's lock does not count as held from the time when ROLLBACK is sent, since the server releases it before it answers",
        .server()
    )
    func rollback() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
            // Long, so that neither the clock nor the silence ends the lock.
            $0.lease = nil
            $0.timeouts.response = .seconds(3600)
        }
        let seen = Locked<HeldLock?>(nil)
        let transaction = Task {
            try await locks.withTransaction(locking: "a") { transaction in
                #expect(transaction.lock?.isHeld == true)
                // The rollback is never answered.
                link.swallowEverything()
                seen.withLock { $0 = transaction.lock }
                throw Stop()
            }
        }
        try await database.eventually("the lock is not believed in") { seen.withLock { $0 }?.isHeld == false }
        #expect(seen.withLock { $0 }?.loss == nil, "it has ended as it should")
        link.swallowNothing()
        await link.cut()
        await #expect(throws: (any Error).self) { try await transaction.value }
    }
}
