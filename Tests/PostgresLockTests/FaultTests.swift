import PostgresLock
import PostgresLockTesting
import Testing

@Suite("Faults")
struct FaultTests {
    @Test("sessions that are terminated at any moment end every call at once, and the manager goes on", .server())
    func termination() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.timeouts.response = .seconds(60) }
        let killer = Task {
            while !Task.isCancelled {
                try await database.query(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                try await Task.sleep(for: .milliseconds(50))
            }
        }
        defer { killer.cancel() }
        var losses = 0
        for round in 0..<500 {
            do {
                try await locks.withLock(LockKey(number: Int64(round))) { _ in await Task.yield() }
            } catch let error as LockError {
                losses += 1
                #expect([.lockLost, .connectionLost].contains(error.code), "\(error)")
            }
        }
        killer.cancel()
        _ = await killer.result
        try await locks.withLock("a", timeout: .seconds(20)) { lock in #expect(lock.isHeld) }
        print("terminated: \(losses) of 500 rounds lost their lock")
    }
}
