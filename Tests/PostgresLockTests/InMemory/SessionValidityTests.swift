import PostgresLockTesting
import Testing

@testable import PostgresLock

@Suite("Until when locks are held for certain, by the session that has granted them")
struct SessionValidityTests {
    @Test("a lock is certain for as long as the session that has granted it, also if another session has granted a lock just before")
    func ofItsSession() async throws {
        let server = InMemoryLockServer()
        let (locks, other) = (try server.makeManager(), try server.makeManager())
        let taken = try await other.acquire("b")
        let first = try await locks.acquire("a")
        // It is granted by the session that waits for it.
        async let waiting = locks.acquire("b").copyable()
        #expect(await server.hasWaiting(1))
        try await taken.release()
        let second = try await waiting
        let third = try await locks.acquire("c")
        let validities = try [first.lock, second.lock, third.lock].map { try #require($0.state.validity) }
        #expect(validities[0] === validities[2], "One session has granted both.")
        #expect(validities[0] !== validities[1], "Two sessions have granted them.")
        try await first.release()
        try await second.release()
        try await third.release()
        await locks.shutdown(gracePeriod: .zero)
        await other.shutdown(gracePeriod: .zero)
        await server.expectNothingLeft()
    }
}
