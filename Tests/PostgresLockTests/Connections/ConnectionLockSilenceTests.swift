import FaultTools
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("Locks on a connection whose server does not answer")
struct ConnectionLockSilenceTests {
    @Test(
        "if the network loses everything, waits and tries end after their timeouts, and by cancellation",
        .server(),
        arguments: 0..<3
    )
    func blackHole(kind: Int) async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let held = try await database.manager().acquire("a")
        let waiting = Task {
            let owned = try OwnedLibPQ("host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)")
            let lock = ConnectionLock("a", on: owned.connection)
            // Both are long enough for a busy machine to begin the wait before the silence.
            lock.responseTimeout = .seconds(15)
            if kind == 2 { link.swallowEverything() }
            let error = await lockError {
                if kind == 2 { _ = try await lock.tryAcquire() } else { try await lock.acquire(timeout: kind == 0 ? .seconds(15) : nil) }
            }
            #expect(error?.message.contains("could not be found out") == true)
            #expect(await lockError { try await lock.release() }?.code == .notReleased)
        }
        if kind < 2 {
            try await database.eventually("a wait") { try await database.locks(granted: false) == 1 }
            link.swallowEverything()
            if kind == 1 { waiting.cancel() }
        }
        try await waiting.value
        try await held.release()
        try await database.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    }
}
