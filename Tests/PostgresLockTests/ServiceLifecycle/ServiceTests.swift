#if ServiceLifecycleSupport
    import Logging
    import PostgresLock
    import ServiceLifecycle
    import Testing

    @Suite("a manager in a service group", .database)
    struct ServiceTests {
        /// A service that does what a test says.
        private struct Worker: Service {
            let work: @Sendable () async throws -> Void

            func run() async throws { try await work() }
        }

        /// Runs services until the test triggers their graceful shutdown, or cancels the task.
        private func start(
            _ services: [any Service],
            maximumShutdown: Duration? = nil
        ) -> (group: ServiceGroup, running: Task<Void, any Error>) {
            let services = services.map {
                ServiceGroupConfiguration.ServiceConfiguration(service: $0, successTerminationBehavior: .ignore)
            }
            var configuration = ServiceGroupConfiguration(
                services: services,
                logger: Logger(label: "group") { _ in SwiftLogNoOpLogHandler() }
            )
            configuration.maximumGracefulShutdownDuration = maximumShutdown
            let group = ServiceGroup(configuration: configuration)
            return (group, Task { try await group.run() })
        }

        private func isShutDown(_ locks: LockManager) async -> Bool {
            do {
                _ = try await locks.isFree("probe")
                return false
            } catch {
                return LockError.Code.shutDown ~= error
            }
        }

        @Test("at the graceful shutdown waits end, new calls are refused, bodies run to their end, and then all connections are closed")
        func shutdown() async throws {
            let database = try TestDatabase.get()
            let (locks, other) = (try database.manager(), try database.manager())
            let (group, running) = start([locks])
            let blocker = try await other.acquire("b")
            let (isHeld, mayEnd) = (AsyncGate(), AsyncGate())
            let body = Task {
                try await locks.withLock("a") { lock in
                    isHeld.open()
                    await mayEnd.passed()
                    return lock.isHeld && !Task.isCancelled
                }
            }
            await isHeld.passed()
            let waiting = Task { await lockError { try await locks.withLock("b") { _ in } } }
            try await database.eventually("the task waits") { try await database.locks(granted: false) == 1 }
            await group.triggerGracefulShutdown()
            #expect(await waiting.value?.code == .shutDown)
            try await database.eventually("new calls are refused") { await isShutDown(locks) }
            #expect(try await !other.isFree("a"))
            mayEnd.open()
            #expect(try await body.value)
            try await running.value
            try await blocker.release()
            #expect(try await other.isFree("a"))
        }

        @Test("a service that is named after the manager can still lock during its own graceful shutdown")
        func order() async throws {
            let database = try TestDatabase.get()
            let locks = try database.manager()
            let hasLocked = AsyncGate()
            let worker = Worker {
                try await gracefulShutdown()
                try await locks.withLock("a") { _ in hasLocked.open() }
            }
            let (group, running) = start([locks, worker])
            await group.triggerGracefulShutdown()
            try await running.value
            #expect(hasLocked.isOpen)
            #expect(await isShutDown(locks))
        }

        @Test("when the group is cancelled, a body keeps its lock until it has ended")
        func cancellation() async throws {
            let database = try TestDatabase.get()
            let (locks, other) = (try database.manager { $0.timeouts.shutdownGrace = .seconds(300) }, try database.manager())
            let (isHeld, isCancelled, mayEnd) = (AsyncGate(), AsyncGate(), AsyncGate())
            let worker = Worker {
                try await locks.withLock("a") { lock in
                    isHeld.open()
                    if await becomesCancelled() { isCancelled.open() }
                    await mayEnd.passed()
                    #expect(lock.isHeld)
                }
            }
            let (_, running) = start([locks, worker])
            await isHeld.passed()
            running.cancel()
            await isCancelled.passed()
            try await database.eventually("new calls are refused") { await isShutDown(locks) }
            #expect(try await !other.isFree("a"))
            mayEnd.open()
            _ = await running.result
            #expect(await isShutDown(locks))
            #expect(try await other.isFree("a"))
        }

        @Test("a body that goes on after the group's time for a graceful shutdown loses its lock after the manager's grace period")
        func grace() async throws {
            let database = try TestDatabase.get()
            let locks = try database.manager { $0.timeouts.shutdownGrace = .milliseconds(100) }
            let isHeld = AsyncGate()
            let worker = Worker {
                let error = await lockError {
                    try await locks.withLock("a") { lock in
                        isHeld.open()
                        _ = await lock.waitForEnd()
                        while lock.isHeld { await Task.yield() }
                    }
                }
                #expect(error?.code == .lockLost)
            }
            let (group, running) = start([worker, locks], maximumShutdown: .milliseconds(100))
            await isHeld.passed()
            await group.triggerGracefulShutdown()
            _ = await running.result
            #expect(await isShutDown(locks))
        }

        @Test("a manager that is shut down by other code stays in its group until the group ends")
        func shutDownBefore() async throws {
            let locks = try TestDatabase.get().manager()
            let (group, running) = start([locks])
            await locks.shutdown()
            await group.triggerGracefulShutdown()
            try await running.value
        }

        @Test("a manager of transactions in a service group lets its transactions end, and refuses new ones")
        func transactions() async throws {
            let database = try TestDatabase.get()
            let locks = try database.transactionManager()
            let (group, running) = start([locks])
            let (isHeld, mayEnd) = (AsyncGate(), AsyncGate())
            let body = Task {
                try await locks.withTransaction(locking: "a") { transaction in
                    isHeld.open()
                    await mayEnd.passed()
                    try await transaction.execute("SELECT 1")
                }
            }
            await isHeld.passed()
            await group.triggerGracefulShutdown()
            try await database.eventually("new transactions are refused") {
                do {
                    try await locks.withTransaction { _ in }
                    return false
                } catch {
                    return LockError.Code.shutDown ~= error
                }
            }
            mayEnd.open()
            _ = try await body.value
            try await running.value
        }
    }
#endif
