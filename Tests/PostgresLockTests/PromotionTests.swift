import LockCore
import PostgresLock
import Testing

/// A manager comes to a server of another timeline while it holds a lock. The test's own server has never been promoted.
@Suite("Servers of another timeline", .database)
struct PromotionTests {
    @Test("a server with a higher timeline replaces the one that sessions are on, and their locks are lost at once")
    func later() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let held = try await locks.acquire("a")
        let view = held.lock
        #expect(await locks.replaced(by: 2) == nil, "the session on it is fit")
        try await database.eventually("the lock is lost") { view.loss != nil }
        #expect(view.loss?.code == .lockLost)
        #expect(view.loss?.message.contains("promoted (timeline 2)") == true, "\(String(describing: view.loss))")
        _ = try? await held.release()
        // The manager must not remember the timelines that the test has made up.
        try await locks.withLock("a", timeout: .seconds(60)) { lock in #expect(lock.isHeld) }
    }

    @Test(
        "a server with the same timeline, a lower one or an unknown one ends no lock that is held, and one with a lower timeline is not used"
    )
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
        #expect(held.lock.isHeld)
        try await held.release()
    }
}
