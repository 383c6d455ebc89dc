import PostgresLock
import PostgresLockTesting
import Testing

@Suite("Errors that say who holds a lock", .lockServers)
struct ExplanationTests {
    private static func patient(_ configuration: inout LockManager.Configuration) { configuration.timeouts.explanation = .seconds(120) }

    @Test("a wait that has come to its deadline names the holder, in the message and as a value", arguments: ServerKind.allCases)
    func named(kind: ServerKind) async throws {
        let server = try await kind.start()
        let (holder, locks) = (try server.manager { $0.applicationName = "web-3" }, try server.manager(Self.patient))
        let held = try await holder.acquire("a")
        let waits: [@Sendable (Duration) async throws -> Void] = [
            { try await locks.withLock("a", timeout: $0) { _ in } },
            { try await locks.acquire("a", timeout: $0).release() },
            { try await locks.withLocks([.exclusive("a"), .exclusive("b")], timeout: $0) { _ in } },
            { try await locks.withTransaction(locking: "a", timeout: $0) { _ in } },
            { timeout in try await locks.withTransaction { try await $0.acquire("a", timeout: timeout) } },
            { timeout in try await locks.withSession { try await $0.acquire("a", timeout: timeout) } },
        ]
        for (index, wait) in waits.enumerated() {
            var limit = Duration.milliseconds(100)
            var error = await lockError { try await wait(limit) }
            while error?.code == .noAnswer, limit < .seconds(20) {
                limit *= 4
                error = await lockError { try await wait(limit) }
            }
            #expect(error?.code == .timedOut, "\(index)")
            let seen = try #require(error?.holders.first, "\(index): \(error?.message ?? "")")
            #expect(error?.holders.count == 1 && seen.key == "a" && seen.mode == .exclusive)
            let holder = try await locks.holders(of: "a").first
            #expect(seen.processID == holder?.processID)
            #expect(error?.message.contains("Held by \(seen)") == true, "\(error?.message ?? "")")
        }
        try await held.release()
    }

    @Test("a holder in this process is said to be one", arguments: ServerKind.allCases)
    func own(kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager(Self.patient)
        let held = try await locks.acquire("a")
        let error = await lockError { try await locks.acquire("a", timeout: .milliseconds(50)).release() }
        #expect(error?.code == .timedOut)
        #expect(error?.message.contains("Held by this process") == true || kind == .inMemory, "\(error?.message ?? "")")
        #expect(error?.holders.count == 1)
        try await held.release()
    }

    @Test("a try, and a manager that is not to explain, look at nothing", arguments: ServerKind.allCases)
    func off(kind: ServerKind) async throws {
        let server = try await kind.start()
        let holder = try server.manager()
        let held = try await holder.acquire("a")
        let locks = try server.manager { $0.timeouts.explanation = .zero }
        await expectTimedOut { timeout in
            do {
                try await locks.withLock("a", timeout: timeout) { _ in }
            } catch let error as LockError {
                #expect(error.holders.isEmpty)
                throw error
            }
        }
        let explaining = try server.manager(Self.patient)
        let refused = await lockError { try await explaining.acquire("a", timeout: .zero).release() }
        #expect(refused?.code == .timedOut && refused?.holders.isEmpty == true)
        try await held.release()
    }

    @Test("a nested wait that has come to its limit says that two processes wait for each other", arguments: ServerKind.allCases)
    func ring(kind: ServerKind) async throws {
        let server = try await kind.start()
        let (first, second) = (try server.manager(Self.patient), try server.manager())
        let firstHasA = AsyncGate()
        let opposite = Task {
            await firstHasA.passed()
            try await second.withLock("b") { _ in
                try await second.withLock("a", timeout: .seconds(300)) { _ in }
            }
        }
        let error = await lockError {
            try await first.withLock("a") { _ in
                firstHasA.open()
                try await server.eventually("the other one waits") { try await server.locks(granted: false) == 1 }
                var limit = Duration.milliseconds(100)
                while true {
                    do {
                        return try await first.withLock("b", timeout: limit) { _ in }
                    } catch LockError.Code.noAnswer {
                        limit *= 4
                    }
                }
            }
        }
        #expect(error?.code == .timedOut)
        #expect(error?.message.contains("the two wait for each other") == true, "\(error?.message ?? "")")
        try await opposite.value
    }

    @Test(
        "a nested wait that has come to its limit says that three processes wait for each other in a ring",
        arguments: ServerKind.allCases
    )
    func ringOfThree(kind: ServerKind) async throws {
        let server = try await kind.start()
        let managers = [try server.manager(Self.patient), try server.manager(), try server.manager()]
        let (firstHasA, thirdHasC) = (AsyncGate(), AsyncGate())
        let second = Task {
            await thirdHasC.passed()
            try await managers[1].withLock("b") { _ in try await managers[1].withLock("c", timeout: .seconds(300)) { _ in } }
        }
        let third = Task {
            await firstHasA.passed()
            try await managers[2].withLock("c") { _ in
                thirdHasC.open()
                try await managers[2].withLock("a", timeout: .seconds(300)) { _ in }
            }
        }
        let error = await lockError {
            try await managers[0].withLock("a") { _ in
                firstHasA.open()
                try await server.eventually("both wait") { try await server.locks(granted: false) == 2 }
                var limit = Duration.milliseconds(100)
                while true {
                    do {
                        return try await managers[0].withLock("b", timeout: limit) { _ in }
                    } catch LockError.Code.noAnswer {
                        limit *= 4
                    }
                }
            }
        }
        #expect(error?.code == .timedOut)
        #expect(error?.message.contains("which this task holds: they wait for each other in a ring") == true, "\(error?.message ?? "")")
        try await second.value
        try await third.value
    }

    @Test("when many waits for one lock end together, all are explained, by few looks")
    func crowd() async throws {
        let server = try await ServerKind.postgres.start()
        let (holder, locks) = (try server.manager(), try server.manager(Self.patient))
        let held = try await holder.acquire("a")
        await withTaskGroup { group in
            for _ in 0..<200 {
                group.addTask {
                    do {
                        try await locks.withLock("a", timeout: .seconds(2)) { _ in }
                    } catch let error as LockError {
                        #expect(error.code != .timedOut || error.holders.count == 1)
                    } catch {
                        Issue.record("\(error)")
                    }
                }
            }
        }
        #expect(await locks.explanationCount < 20)
        try await held.release()
    }

    @Test("an explanation that takes too long is left out, and holds the error up no longer than its limit")
    func limit() async throws {
        let server = try await ServerKind.postgres.start()
        let holder = try server.manager()
        let held = try await holder.acquire("a")
        let locks = try server.manager {
            $0.pool.maximumConnections = 2
            $0.timeouts.explanation = .milliseconds(1)
        }
        // All sessions for a look are taken, to the end: the wait has none, which a look could have after it.
        try await locks.withSession { _ in
            await expectTimedOut { timeout in
                do {
                    try await locks.withLock("a", timeout: timeout) { _ in }
                } catch let error as LockError {
                    #expect(error.holders.isEmpty)
                    throw error
                }
            }
        }
        try await held.release()
    }
}
