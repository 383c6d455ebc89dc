import PostgresLock
import PostgresLockTesting
import Testing

@Suite("A test's own time")
struct InMemoryTimeTests {
    private let server = InMemoryLockServer(time: .manual)

    @Test("a timeout of an hour ends when the test has set the time forward by an hour, and not before")
    func timeout() async throws {
        let (locks, other) = (try server.makeManager(), try server.makeManager())
        let held = try await locks.acquire("a")
        let (ended, continuation) = AsyncStream.makeStream(of: LockError.Code?.self)
        let waiting = Task {
            continuation.yield(await lockError { try await other.withLock("a", timeout: .seconds(3600)) { _ in } }?.code)
            continuation.finish()
        }
        try await server.waitUntilQueued(for: "a")
        await server.advance(by: .seconds(3590))
        try await Task.sleep(for: .milliseconds(50))
        #expect(server.waitingCount(for: "a") == 1)
        await server.advance(by: .seconds(10))
        var codes = ended.makeAsyncIterator()
        #expect(await codes.next() == .timedOut)
        #expect(server.waitingCount(for: "a") == 0)
        await waiting.value
        try await held.release()
    }

    @Test("a lock is held for an hour, since the heartbeats of that time are sent")
    func heartbeats() async throws {
        let locks = try server.makeManager()
        let lock = try await locks.acquire("a")
        await server.advance(by: .seconds(3600))
        let isHeld = lock.isHeld
        #expect(isHeld)
        #expect(server.isHeld("a"))
        try await lock.release()
    }

    @Test("a holder that is cut off knows of its loss before another manager gets the lock, whose fencing token is greater")
    func lease() async throws {
        var configuration = LockManager.Configuration()
        configuration.fencingTokens = true
        let (cut, other) = (try server.makeManager(configuration: configuration), try server.makeManager(configuration: configuration))
        let stale = try await cut.acquire("account").copyable()
        let waiting = Task { try await other.acquire("account").copyable() }
        try await server.waitUntilQueued(for: "account")
        server.stopAnswering(cut)
        var hasLost = false
        for _ in 0..<60 where server.waitingCount(for: "account") > 0 {
            await server.advance(by: .seconds(1))
            hasLost = !stale.lock.isHeld
            if server.waitingCount(for: "account") > 0 { continue }
            #expect(hasLost)
        }
        #expect(hasLost)
        // Its sessions were ended for their silence, and it confirms the grant.
        let next = try await waiting.value
        #expect(next.lock.isHeld)
        #expect(try #require(next.lock.fencingToken) > #require(stale.lock.fencingToken))
        try await next.release()
    }

    @Test("the grace period of a shutdown ends by the test's time")
    func grace() async throws {
        let locks = try server.makeManager()
        let held = try await locks.acquire("a").copyable()
        let end = Task { await locks.shutdown(gracePeriod: .seconds(600)) }
        do {
            while true { try await locks.withLock("b") { _ in } }
        } catch LockError.Code.shutDown {}
        await server.advance(by: .seconds(599))
        #expect(held.lock.isHeld)
        await server.advance(by: .seconds(1))
        await end.value
        #expect(!held.lock.isHeld)
        #expect(server.sessionCount == 0)
    }

    @Test("a session's request behind another one times out by the test's time")
    func session() async throws {
        let (locks, other) = (try server.makeManager(), try server.makeManager())
        let taken = try await other.acquire("taken").copyable()
        try await locks.withSession { session in
            let waiting = Task { try await session.acquire("taken") }
            try await server.waitUntilQueued(for: "taken")
            let (ended, continuation) = AsyncStream.makeStream(of: LockError.Code?.self)
            let behind = Task {
                continuation.yield(await lockError { try await session.acquire("b", timeout: .seconds(60)) }?.code)
                continuation.finish()
            }
            // The queue of a session is in its manager, so the server can't say when the request is there.
            let clock = Task {
                while !Task.isCancelled { await server.advance(by: .seconds(60)) }
            }
            var codes = ended.makeAsyncIterator()
            #expect(await codes.next() == .noAnswer)
            clock.cancel()
            await behind.value
            try await taken.release()
            try await waiting.value
        }
    }

    @Test("answers that are delayed come when the test's time has come")
    func delay() async throws {
        let locks = try server.makeManager()
        try await locks.withLock("a") { _ in }
        server.delayAnswers(by: .seconds(1))
        let acquiring = Task { try await locks.acquire("a").copyable() }
        while !server.isHeld("a") { await Task.yield() }
        server.delayAnswers(by: .zero)
        await server.advance(by: .seconds(1))
        try await acquiring.value.release()
    }

    @Test("a test can wait until a call waits for a server that does not answer, on an open session or for its first one")
    func unanswered() async throws {
        let (open, new) = (try server.makeManager(), try server.makeManager())
        try await open.withLock("a") { _ in }
        server.stopAnswering()
        for locks in [open, new] {
            let call = Task { await lockError { try await locks.withLock("a", timeout: .seconds(5)) { _ in } }?.code }
            try await server.waitUntilUnanswered(locks)
            #expect(server.waitingCount(for: "a") == 0)
            await server.advance(by: .seconds(5))
            #expect(await call.value == .noAnswer)
        }
        server.resumeAnswering()
    }

    @Test("a wait for a call to a server that does not answer ends when its task is cancelled")
    func cancelledWaitUnanswered() async throws {
        let locks = try server.makeManager()
        let waiting = Task { [server] in try await server.waitUntilUnanswered(locks) }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
    }

    @Test("a server whose time is real goes on by itself")
    func real() async throws {
        let server = InMemoryLockServer()
        let (locks, other) = (try server.makeManager(), try server.makeManager())
        let held = try await locks.acquire("a")
        await expectTimedOut { timeout in try await other.withLock("a", timeout: timeout) { _ in } }
        try await held.release()
    }
}
