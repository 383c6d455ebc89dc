#if ServiceLifecycleSupport
    import LibPQ
    import Logging

    import ServiceLifecycle
    import Testing

    @testable import PostgresLock

    @Suite("A service that runs on one instance", .database)
    struct SingletonServiceTests {
        /// Counts where it runs, and runs until it is shut down gracefully, or ends by itself.
        private struct Child: Service {
            struct Failure: Error {}

            enum End { case onRequest, byItself, byFailure }

            let runs: Locked<[String]>
            let running: Locked<Int>
            let name: String
            var end = End.onRequest

            func run() async throws {
                runs.withLock { $0.append(name) }
                let count = running.withLock { count in
                    count += 1
                    return count
                }
                #expect(count == 1)
                defer { running.withLock { $0 -= 1 } }
                switch end {
                case .onRequest: try await gracefulShutdown()
                case .byItself: return
                case .byFailure: throw Failure()
                }
            }
        }

        private let runs = Locked<[String]>([])
        private let running = Locked(0)

        private func group(_ name: String, _ end: Child.End = .onRequest) throws -> (ServiceGroup, LockManager) {
            let locks = try TestDatabase.get().manager()
            let child = Child(runs: runs, running: running, name: name, end: end)
            let service = SingletonService("importer", of: child, locks: locks)
            return (ServiceGroup(services: [service], logger: Logger(label: "test")), locks)
        }

        @Test(
            "it runs on one instance at a time; a request to step down, and a graceful shutdown, shut it down gracefully, and another runs it"
        )
        func handOver() async throws {
            let database = try TestDatabase.get()
            let (first, locks) = try group("first")
            let (second, _) = try group("second")
            let groups = [first, second].map { group in Task { try await group.run() } }
            try await database.eventually("one runs") { runs.withLock(\.count) == 1 }
            try await locks.requestStepDown(of: "importer", timeout: .seconds(60))
            try await database.eventually("the other one runs") { Set(runs.withLock { $0 }).count == 2 }
            let last = try #require(runs.withLock(\.last))
            let (leading, standingBy) = last == "first" ? (first, 1) : (second, 0)
            await leading.triggerGracefulShutdown()
            try await groups[1 - standingBy].value
            try await database.eventually("the other one runs again") { runs.withLock(\.last) != last }
            await (standingBy == 0 ? first : second).triggerGracefulShutdown()
            try await groups[standingBy].value
            #expect(running.withLock { $0 } == 0)
        }

        @Test("if the child fails or returns by itself, so does the service, and the lead is free", arguments: [true, false])
        func end(fails: Bool) async throws {
            let locks = try TestDatabase.get().manager()
            let child = Child(runs: runs, running: running, name: "a", end: fails ? .byFailure : .byItself)
            let service = SingletonService("importer", of: child, locks: locks)
            if fails {
                await #expect(throws: Child.Failure.self) { try await service.run() }
            } else {
                try await service.run()
            }
            #expect(try await locks.isFree("importer"))
        }

        @Test("an election that stands by ends with the graceful shutdown of its group")
        func standBy() async throws {
            let database = try TestDatabase.get()
            let holder = try database.manager()
            let (group, locks) = try group("first")
            try await holder.withLock("importer") { _ in
                let run = Task { try await group.run() }
                try await database.eventually("it stands by") { await locks.statementCount > 0 }
                await group.triggerGracefulShutdown()
                try await run.value
            }
            #expect(runs.withLock(\.isEmpty))
        }
    }
#endif
