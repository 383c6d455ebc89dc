#if ServiceLifecycleSupport
    import LibPQ
    import MetricsTestKit
    import PostgresLock
    import ServiceLifecycle
    import ServiceLifecycleTestKit
    import Testing

    @Suite("waits at the graceful shutdown of their service", .database)
    struct GracefulShutdownTests {
        /// What is waited for, while another manager holds the key, or other tasks hold what the pool has.
        enum Wait: CaseIterable, CustomTestStringConvertible {
            case lock, handle, oneOfSeveral, set, session, transaction, lockInMemory, transactionInMemory

            var testDescription: String { "\(self)" }

            func run(on locks: LockManager) async throws {
                switch self {
                case .lock, .lockInMemory: try await locks.withLock("a") { _ in }
                case .handle: try await locks.acquire("a").release()
                case .oneOfSeveral: try await locks.withLock(anyOf: ["a"]) { _ in }
                case .set: try await locks.withLocks([.exclusive("a"), .shared("free")]) { _ in }
                case .session: try await locks.withSession { _ in }
                case .transaction, .transactionInMemory: try await locks.withTransaction(locking: "a") { _ in }
                }
            }

            /// Occupies what is waited for until the body ends.
            func occupied(_ locks: LockManager, _ other: LockManager, _ body: () async throws -> Void) async throws {
                switch self {
                case .lock, .handle, .oneOfSeveral, .set, .transaction, .lockInMemory, .transactionInMemory:
                    // By a handle: a wait in the body of a scope goes on.
                    let isInMemory = self == .lockInMemory || self == .transactionInMemory
                    let handle = try await (isInMemory ? locks : other).acquire("a")
                    try await body()
                    try await handle.release()
                case .session:
                    let isOpen = AsyncGate()
                    let inUse = AsyncGate()
                    let session = Task {
                        try await locks.withSession { _ in
                            inUse.open()
                            await isOpen.passed()
                        }
                    }
                    await inUse.passed()
                    try await body()
                    isOpen.open()
                    try await session.value
                }
            }
        }

        private static let wait = "pglock.wait.duration"

        private static func manager(_ configure: (inout LockManager.Configuration) -> Void = { _ in }) throws -> LockManager {
            try TestDatabase.get().manager {
                $0.pool.maximumConnections = 2
                $0.endsWaitsOnGracefulShutdown = true
                configure(&$0)
            }
        }

        @Test("a wait ends, and says so", arguments: Wait.allCases)
        func ends(_ wait: Wait) async throws {
            let (locks, other) = (try Self.manager(), try Self.manager())
            try await wait.occupied(locks, other) {
                try await testGracefulShutdown { trigger in
                    async let error = lockError { try await wait.run(on: locks) }
                    // Whether it waits already makes no difference to the outcome, and both come to pass.
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...100)))
                    trigger.triggerGracefulShutdown()
                    let code = await error?.code
                    #expect(code == .shutDown)
                }
            }
            try await wait.run(on: locks)
        }

        @Test("metrics name the shutdown as the reason, and no cancellation", arguments: Wait.allCases)
        func metrics(_ wait: Wait) async throws {
            let metrics = TestMetrics()
            let (locks, other) = (try Self.manager { $0.metrics.factory = metrics }, try Self.manager())
            try await wait.occupied(locks, other) {
                try await testGracefulShutdown { trigger in
                    async let error = lockError { try await wait.run(on: locks) }
                    try await TestDatabase.get().eventually("it waits") { await locks.waitingCount >= 1 }
                    trigger.triggerGracefulShutdown()
                    _ = await error
                }
            }
            await locks.shutdown()
            #expect(metrics.times(Self.wait, ("pglock.outcome", "shut_down")).count == 1)
            #expect(metrics.times(Self.wait, ("pglock.outcome", "cancelled")).isEmpty)
        }

        @Test("metrics name the shutdown as the reason for a call that begins after it, and gets nothing", arguments: Wait.allCases)
        func metricsOfLaterWaits(_ wait: Wait) async throws {
            let metrics = TestMetrics()
            let (locks, other) = (try Self.manager { $0.metrics.factory = metrics }, try Self.manager())
            try await wait.occupied(locks, other) {
                await testGracefulShutdown { trigger in
                    trigger.triggerGracefulShutdown()
                    let error = await lockError { try await wait.run(on: locks) }
                    #expect(error?.code == .shutDown)
                }
            }
            #expect(metrics.times(Self.wait, ("pglock.outcome", "shut_down")).count == 1)
            // The others are those of what occupies it.
            let others = metrics.times(Self.wait).count - metrics.times(Self.wait, ("pglock.outcome", "granted")).count
            #expect(others == 1)
            await locks.shutdown()
        }

        @Test("a call that does not wait is told that the lock is taken, also after the shutdown has begun")
        func laterTries() async throws {
            let metrics = TestMetrics()
            let (locks, other) = (try Self.manager { $0.metrics.factory = metrics }, try Self.manager())
            let blocker = try await other.acquire("a").copyable()
            try await testGracefulShutdown { trigger in
                trigger.triggerGracefulShutdown()
                let isFree = try await locks.isFree("a")
                #expect(!isFree)
                let error = await lockError { try await locks.withLock("a", timeout: .zero) { _ in } }
                #expect(error?.code == .timedOut)
            }
            #expect(metrics.times(Self.wait, ("pglock.outcome", "not_available")).count == 2)
            try await blocker.release()
        }

        @Test("a wait that begins later takes what is free", arguments: Wait.allCases)
        func later(_ wait: Wait) async throws {
            let (locks, other) = (try Self.manager(), try Self.manager())
            try await testGracefulShutdown { trigger in
                trigger.triggerGracefulShutdown()
                try await wait.run(on: locks)
                try await wait.occupied(locks, other) {
                    let error = await lockError { try await wait.run(on: locks) }
                    #expect(error?.code == .shutDown)
                }
            }
        }

        @Test("a body goes on while a wait of the same service ends")
        func body() async throws {
            let (locks, other) = (try Self.manager(), try Self.manager())
            let blocker = try await other.acquire("b").copyable()
            let (isHeld, mayEnd) = (AsyncGate(), AsyncGate())
            try await testGracefulShutdown { trigger in
                async let body = locks.withLock("a") { lock in
                    isHeld.open()
                    await mayEnd.passed()
                    return lock.isHeld && !Task.isCancelled
                }
                await isHeld.passed()
                async let error = lockError { try await locks.withLock("b") { _ in } }
                trigger.triggerGracefulShutdown()
                let code = await error?.code
                #expect(code == .shutDown)
                mayEnd.open()
                let isHeldToTheEnd = try await body
                #expect(isHeldToTheEnd)
            }
            try await blocker.release()
        }

        @Test("a body can wait for a further lock")
        func nested() async throws {
            let database = try TestDatabase.get()
            let (locks, other) = (try Self.manager(), try Self.manager())
            let blocker = try await other.acquire("b").copyable()
            let release = AsyncGate()
            let releasing = Task {
                await release.passed()
                try await blocker.release()
            }
            try await testGracefulShutdown { trigger in
                try await locks.withLock("a") { _ in
                    async let inner: Void = locks.withLock("b") { _ in }
                    trigger.triggerGracefulShutdown()
                    try await database.eventually("the inner lock is waited for") { try await database.locks(granted: false) == 1 }
                    release.open()
                    try await inner
                }
            }
            try await releasing.value
        }

        @Test("with endsWaitsOnGracefulShutdown off, a wait goes on until it has its lock")
        func off() async throws {
            let database = try TestDatabase.get()
            let (locks, other) = (try Self.manager { $0.endsWaitsOnGracefulShutdown = false }, try Self.manager())
            let blocker = try await other.acquire("a").copyable()
            try await testGracefulShutdown { trigger in
                async let result = locks.withLock("a") { _ in true }
                try await database.eventually("the task waits") { try await database.locks(granted: false) == 1 }
                trigger.triggerGracefulShutdown()
                try await blocker.release()
                let hasRun = try await result
                #expect(hasRun)
            }
        }

        @Test("a task that is cancelled, too, gets CancellationError")
        func cancelled() async throws {
            let (locks, other) = (try Self.manager(), try Self.manager())
            let blocker = try await other.acquire("a").copyable()
            await testGracefulShutdown { trigger in
                let waiting = Task { try await locks.withLock("a") { _ in } }
                waiting.cancel()
                trigger.triggerGracefulShutdown()
                await #expect(throws: CancellationError.self) { try await waiting.value }
            }
            try await blocker.release()
        }

        @Test("a lock that is granted while the shutdown begins is held by its caller, or released")
        func race() async throws {
            let database = try TestDatabase.get()
            let (locks, other) = (try Self.manager(), try Self.manager())
            let outcomes = Locked((granted: 0, ended: 0))
            for _ in 0..<100 {
                let blocker = try await other.acquire("a").copyable()
                try await testGracefulShutdown { trigger in
                    async let outcome: Void = {
                        do {
                            try await locks.withLock("a") { #expect($0.isHeld) }
                            outcomes.withLock { $0.granted += 1 }
                        } catch LockError.Code.shutDown {
                            outcomes.withLock { $0.ended += 1 }
                        }
                    }()
                    try await Task.sleep(for: .microseconds(Int.random(in: 0...2000)))
                    async let release: Void = blocker.release()
                    trigger.triggerGracefulShutdown()
                    try await release
                    try await outcome
                }
                // What a wait was granted while it ended is released a moment later.
                try await database.eventually("the lock is free") { try await other.isFree("a") }
            }
            let (granted, ended) = outcomes.withLock { $0 }
            #expect(granted + ended == 100)
        }
    }
#endif
