import LockCore
import PostgresLock
import Testing

/// A manager comes to a server of another timeline while it holds a lock. The test's own server has never been promoted.
@Suite("A server of another timeline", .database)
struct PromotionTests {
    @Test("of a later promotion takes the place of the one that sessions are on, whose locks are lost at once")
    func later() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let held = try await locks.acquire("a")
        let lease = held.lease
        #expect(await locks.replaced(by: 2) == nil, "the session on it is fit")
        try await database.eventually("the lock is lost") { lease.loss != nil }
        #expect(lease.loss?.code == .lockLost)
        #expect(lease.loss?.message.contains("promoted (timeline 2)") == true, "\(String(describing: lease.loss))")
        _ = try? await held.release()
        // Nothing is remembered of what the test has made up.
        try await locks.withLock("a", timeout: .seconds(60)) { lock in #expect(lock.isHeld) }
    }

    @Test("of an earlier promotion, of the same, or of none that is known does no harm to what is held; the earlier is not used")
    func earlier() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let held = try await locks.acquire("a")
        let failure = await locks.replaced(by: 0)
        #expect(failure?.kind == .connectionLost)
        guard case .said(let reason) = failure?.cause else {
            Issue.record("It was not refused.")
            return
        }
        #expect(reason.contains("promoted (timeline 1)"))
        #expect(await locks.replaced(by: 1) == nil)
        #expect(await locks.replaced(by: nil) == nil)
        #expect(held.lease.isHeld)
        try await held.release()
    }
}
