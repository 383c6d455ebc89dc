import LibPQ
import Testing

@testable import PostgresLock

// One after the other: each keeps a thread of the pool busy, of which there are as many as cores.
@Suite("Bodies that do not suspend", .serialized)
struct ImmediateBodyTests {
    /// Ends the sessions of this test's database that hold locks.
    private static let terminate = """
        SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
        WHERE d.datname = current_database() AND l.locktype = 'advisory'
        """

    /// Computes until the task is cancelled, or for a minute.
    ///
    /// - Returns: Whether the task was cancelled.
    private static func compute(_ hasBegun: Locked<Bool>) -> Bool {
        hasBegun.withLock { $0 = true }
        let end = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < end {
            if Task.isCancelled { return true }
        }
        return false
    }

    @Test("a body that computes without a suspension sees that its caller is cancelled", .database)
    func cancellation() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let hasBegun = Locked(false)
        let task = Task { try await locks.withLock("a") { _ in Self.compute(hasBegun) } }
        try await database.eventually("the body runs") { hasBegun.withLock { $0 } }
        task.cancel()
        #expect(try await task.value)
    }

    @Test("a body that computes without a suspension sees that its lock is lost", .database)
    func loss() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let (hasBegun, wasCancelled) = (Locked(false), Locked(false))
        let task = Task {
            try await locks.withLock("a") { _ in
                let isCancelled = Self.compute(hasBegun)
                wasCancelled.withLock { $0 = isCancelled }
            }
        }
        try await database.eventually("the body runs") { hasBegun.withLock { $0 } }
        try await database.query(Self.terminate)
        #expect(await lockError { try await task.value }?.code == .lockLost)
        #expect(wasCancelled.withLock { $0 })
    }

    @Test("a body whose caller was cancelled before it began finds itself cancelled")
    func cancelledBefore() async throws {
        let body = BodyTask()
        body.cancel()
        let isCancelled = await Task { await body.run { Task.isCancelled } }.value
        #expect(isCancelled)
    }

    @Test("the task of a body does not end while a thread uses it to cancel it")
    func endWaits() async throws {
        let body = BodyTask()
        let (hasBegun, isUsed, mayGoOn, hasEnded) = (AsyncGate(), AsyncGate(), Gate(), Locked(false))
        let task = Task {
            await body.run {
                hasBegun.open()
                await isUsed.passed()
            }
            hasEnded.withLock { $0 = true }
        }
        await hasBegun.passed()
        let isStarted = OwnThread.run {
            _ = body.use { _ in
                isUsed.open()
                mayGoOn.wait()
            }
        }
        #expect(isStarted)
        await isUsed.passed()
        // Long enough for an end that does not wait.
        try await Task.sleep(for: .milliseconds(50))
        #expect(!hasEnded.withLock { $0 })
        mayGoOn.open()
        await task.value
        #expect(hasEnded.withLock { $0 })
        #expect(body.use { _ in true } == nil)
    }
}

extension BodyTask {
    /// Runs a body in the current task, as a scope does.
    fileprivate nonisolated(nonsending) func run<Result>(_ body: nonisolated(nonsending) () async -> Result) async -> Result {
        begin()
        let result = await body()
        if end() { await waitUntilUnused() }
        return result
    }
}
