import Foundation
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("What waits leave in the server's log")
struct QuietWaitTests {
    @Test("a wait that times out, is cancelled, or runs into the server's own limit leaves no line in the server's log", .server())
    func quiet() async throws {
        let database = try TestDatabase.get()
        let holder = try database.manager()
        let locks = try database.manager()
        let keys = [LockKey(number: 7), LockKey(7, 8)]
        for key in keys {
            for mode in [LockMode.exclusive, .shared] {
                let lock = try await holder.acquire(key)
                let error = await #expect(throws: LockError.self) {
                    try await locks.withLock(key, mode: mode, timeout: .milliseconds(100)) { _ in }
                }
                #expect(error?.code == .timedOut)
                let waiting = Task { try await locks.withLock(key, mode: mode) { _ in } }
                try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
                waiting.cancel()
                await #expect(throws: CancellationError.self) { try await waiting.value }
                let patient = Task { try await locks.withLock(key, mode: mode) { lock in lock.isHeld } }
                try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
                try await lock.release()
                #expect(try await patient.value)
            }
        }
        await locks.shutdown()
        let log = try database.server.serverLog()
        #expect(!log.contains("ERROR:") && !log.contains("WARNING:"), "\(log)")
    }

    @Test("where PL/pgSQL is missing, or may not be used, waits go on without it", .database, arguments: [true, false])
    func noLanguage(isDropped: Bool) async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE ROLE \(database.name)_app LOGIN")
        if isDropped {
            try await database.query("DROP EXTENSION plpgsql")
        } else {
            try await database.query("REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC")
        }
        let holder = try database.manager()
        let locks = try database.manager {
            $0.url = database.server.connectionString(database: database.name, user: "\(database.name)_app")
        }
        let lock = try await holder.acquire("a")
        let error = await #expect(throws: LockError.self) { try await locks.withLock("a", timeout: .milliseconds(200)) { _ in } }
        #expect(error?.code == .timedOut)
        let waiting = Task { try await locks.withLock("a") { lock in lock.isHeld } }
        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
        try await lock.release()
        #expect(try await waiting.value)
        await locks.shutdown()
        try await database.query("DROP OWNED BY \(database.name)_app; DROP ROLE \(database.name)_app")
    }
}
