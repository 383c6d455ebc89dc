import LibPQ
import PostgresLock
import PostgresLockTesting
import Testing

/// Nothing that connecting has to wait for is waited for without a limit.
@Suite("Connecting")
struct ConnectingTests {
    @Test("a credentials provider that hangs fails the attempt at the connect timeout, and is cancelled", .database)
    func hangingProvider() async throws {
        let database = try TestDatabase.get()
        let hangs = Locked(true)
        let cancelled = AsyncStream.makeStream(of: Void.self)
        let locks = try database.manager {
            $0.timeouts.connect = .milliseconds(500)
            $0.timeouts.unreachable = .milliseconds(100)
            $0.credentials = {
                guard hangs.withLock({ $0 }) else { return .init(password: nil) }
                await withTaskCancellationHandler {
                    // Does not end when it is cancelled, either.
                    while hangs.withLock({ $0 }) { try? await Task.sleep(for: .milliseconds(10)) }
                } onCancel: {
                    cancelled.continuation.finish()
                }
                return .init(password: nil)
            }
        }
        for ask in [
            { _ = try await locks.withLock("a") { _ in } }, { try await locks.withLock("a", timeout: .zero) { _ in } },
            { _ = try await locks.tryAcquire("a") }, { try await locks.withTransaction(timeout: .zero) { _ in } },
        ] as [@Sendable () async throws -> Void] {
            let error = await lockError(of: ask)
            #expect(error?.code == .cannotConnect)
            #expect(error?.message.contains("credentials provider") == true, "\(String(describing: error))")
        }
        for await _ in cancelled.stream {}
        hangs.withLock { $0 = false }
        try await locks.withLock("a", timeout: .seconds(20)) { lock in #expect(lock.isHeld) }
    }

    @Test("calls of the system that are stuck keep no other attempt from connecting")
    func stuckThreads() async {
        let connector = Connector(oldestServer: 120_000)
        let gate = Gate()
        defer { gate.open() }
        for _ in 0..<300 { connector.run { gate.wait() } }
        await withCheckedContinuation { continuation in connector.run { continuation.resume() } }
    }
}
