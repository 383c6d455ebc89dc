import PostgresLock
import Testing

/// Suspect locks: their sessions may live, so the locks still have to be released.
@Suite("Suspect locks")
struct SuspectLockTests {
    enum Way: CaseIterable {
        case acquire
        case tryAcquire
        case withLock
        case acquireAll
        case withLocks

        /// Acquires the lock "a", or "a" and "b" where several are taken, and releases them.
        func use(_ locks: LockManager) async throws {
            switch self {
            case .acquire: try await locks.acquire("a").release()
            case .tryAcquire: try await locks.tryAcquire("a")?.release()
            case .withLock: try await locks.withLock("a") { _ in Issue.record("The body runs without its lock.") }
            case .acquireAll: try await locks.acquire(all: [.exclusive("a"), .shared("b")]).release()
            case .withLocks:
                try await locks.withLocks([.exclusive("a"), .shared("b")]) { _ in Issue.record("The body runs without its locks.") }
            }
        }
    }

    /// A manager whose session is asked nothing for the time of a test but what the test asks. Any answer would prove that the session
    /// lives, and so renew a validity that a test has ended.
    private func quietManager() async throws -> LockManager {
        let locks = try TestDatabase.get().manager {
            $0.lease = .seconds(3600)
            $0.releaseLookInterval = .seconds(3600)
        }
        // A new session is also asked how full the lock table is. Answers come in order.
        for _ in 0..<2 { try await locks.withLock("warm") { _ in } }
        return locks
    }

    /// Checks that another manager gets the locks while this one and its sessions live.
    private func expectFree(_ keys: LockKey...) async throws {
        let others = try TestDatabase.get().manager()
        for key in keys {
            try await others.withLock(key, timeout: .seconds(15)) { _ in }
        }
    }

    @Test(
        "an acquire whose lock becomes suspect before its caller goes on throws the loss, and leaves no lock",
        .database,
        arguments: Way.allCases
    )
    func doubtBeforeResumption(_ way: Way) async throws {
        let locks = try TestDatabase.get().manager()
        let executor = GatedExecutor()
        let task = Task(executorPreference: executor) {
            executor.hold()
            try await way.use(locks)
        }
        await executor.arrival()
        await locks.makeLocksSuspect()
        executor.letGo()
        let error = await lockError { try await task.value }
        #expect(error?.code == .lockLost)
        try await expectFree("a", "b")
    }

    @Test(
        "an acquire whose lease ends by the clock before its caller goes on throws the loss, and leaves no lock",
        .database,
        arguments: Way.allCases
    )
    func expiryBeforeResumption(_ way: Way) async throws {
        let locks = try TestDatabase.get().manager()
        let executor = GatedExecutor()
        let task = Task(executorPreference: executor) {
            executor.hold()
            try await way.use(locks)
        }
        await executor.arrival()
        // The caller goes on before the loop reads a further answer, which would prove that the session lives.
        await locks.expireValidities { executor.runHeld() }
        let error = await lockError { try await task.value }
        #expect(error?.code == .lockLost)
        try await expectFree("a", "b")
    }

    @Test("release() of a suspect lock releases it on the server, and throws the loss", .database)
    func release() async throws {
        let locks = try TestDatabase.get().manager()
        let one = try await locks.acquire("a")
        let several = try await locks.acquire(all: [.exclusive("b"), .exclusive("c")])
        await locks.makeLocksSuspect()
        let isHeld = (one.isHeld, several.isHeld)
        #expect(isHeld == (false, false))
        do {
            try await one.release()
            Issue.record("The release says nothing of the loss.")
        } catch let error as LockError {
            #expect(error.code == .lockLost)
        }
        do {
            try await several.release()
            Issue.record("The release says nothing of the loss.")
        } catch let error as LockError {
            #expect(error.code == .lockLost)
            #expect(Set(error.keys) == ["b", "c"])
        }
        try await expectFree("a", "b", "c")
    }

    @Test("dropping the handle of a suspect lock releases it on the server", .database)
    func drop() async throws {
        let locks = try TestDatabase.get().manager()
        do {
            let one = try await locks.acquire("a")
            let several = try await locks.acquire(all: [.exclusive("b"), .exclusive("c")])
            await locks.makeLocksSuspect()
            let isHeld = (one.isHeld, several.isHeld)
            #expect(isHeld == (false, false))
        }
        try await expectFree("a", "b", "c")
    }

    @Test("release() throws the loss after the lease has ended by the clock, whether the event loop has noticed or not", .database)
    func releaseAfterExpiry() async throws {
        let locks = try await quietManager()
        let one = try await locks.acquire("a")
        await locks.expireValidities()
        do {
            try await one.release()
            Issue.record("The release says nothing of the loss.")
        } catch let error as LockError {
            #expect(error.code == .lockLost)
        }
        let several = try await locks.acquire(all: [.exclusive("b"), .exclusive("c")])
        await locks.expireValidities()
        do {
            try await several.release()
            Issue.record("The release says nothing of the loss.")
        } catch let error as LockError {
            #expect(error.code == .lockLost)
        }
        try await expectFree("a", "b", "c")
    }

    @Test("a session whose lease has ended by the clock releases its locks, and throws the loss", .database)
    func sessionAfterExpiry() async throws {
        let locks = try await quietManager()
        try await locks.withSession { session in
            let scoped = await lockError { try await session.withLock("a") { _ in await locks.expireValidities() } }
            #expect(scoped?.code == .lockLost)
            try await session.acquire("b")
            await locks.expireValidities()
            let unlocked = await lockError { try await session.release("b") }
            #expect(unlocked?.code == .lockLost)
            try await expectFree("a", "b")
        }
        let ended = await lockError {
            try await locks.withSession { session in
                try await session.acquire("c")
                await locks.expireValidities()
            }
        }
        #expect(ended?.code == .lockLost)
        try await expectFree("c")
    }
}
