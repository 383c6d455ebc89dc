import PostgresLock
import Testing

@Suite("Waits of sessions", .lockServers)
struct SessionWaitTests {
    @Test(
        "a deadlock of two sessions fails one wait by an error with the keys, and that session keeps its locks",
        .lockServers,
        arguments: ServerKind.allCases
    )
    func deadlock(on kind: ServerKind) async throws {
        let server = try await kind.start()
        @Sendable func cross(_ first: LockKey, _ second: LockKey) async throws -> LockError? {
            try await server.manager().withSession { session in
                try await session.acquire("own \(first)")
                try await session.acquire(first)
                try await server.eventually("both hold their first") { try await server.locks() == 4 }
                do {
                    try await session.acquire(second)
                    return nil
                } catch let error as LockError {
                    // The other one waits for what this session still holds.
                    #expect(try await server.locks() == 4)
                    if kind == .postgres { try await session.execute("SELECT 1") }
                    try await session.release(first)
                    try await server.eventually("the other one got it, and is done") { try await server.locks() == 1 }
                    return error
                }
            }
        }
        async let one = cross("a", "b")
        async let two = cross("b", "a")
        let errors = [try await one, try await two]
        #expect(errors.count { $0 == nil } == 1)
        let error = try #require(errors.compactMap(\.self).first)
        #expect(error.code == .deadlock)
        #expect(error.sqlState == "40P01")
        #expect(Set(error.keys).isSuperset(of: ["a", "b"]))
        #expect(error.message.contains("\"a\"") && error.message.contains("\"b\""))
    }

    @Test(
        "the first lock of a session waits without limit, and later ones have a limit, which their error explains",
        arguments: ServerKind.allCases
    )
    func nestedLimit(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager { $0.timeouts.nested = .seconds(8) }
        let other = try server.manager()
        let taken = try await other.acquire("taken")
        let first = try await other.acquire("first")
        let waiting = Task {
            try await locks.withSession { session in
                try await session.acquire("first")
                return await lockError { try await session.withLock("taken") { _ in } }
            }
        }
        try await server.eventually("it waits") { try await server.locks(granted: false) == 1 }
        // Longer than the limit of nested locks, which does not apply here.
        try await Task.sleep(for: .seconds(9))
        try await first.release()
        let error = try await waiting.value
        #expect(error?.code == .timedOut)
        #expect(error?.message.contains("timeouts.nested") == true)
        #expect(error?.keys == ["taken", "first"])
        try await locks.withLock("outer") { _ in
            try await locks.withSession { session in
                let error = await lockError { try await session.acquire("taken") }
                #expect(error?.code == .timedOut)
            }
        }
        try await locks.withSession { session in
            try await session.acquire("first")
            await expectTimedOut { try await session.acquire("taken", timeout: $0) }
            #expect(try await server.locks() == 2)
        }
        try await taken.release()
    }

    @Test("cancelling a nested wait ends it, and the session keeps its locks", arguments: ServerKind.allCases)
    func cancellation(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (locks, other) = (try server.manager(), try server.manager())
        let taken = try await other.acquire("taken")
        try await locks.withSession { session in
            try await session.withLock("a") { lock in
                let waiting = Task { try await session.acquire("taken") }
                try await server.eventually("it waits") { try await server.locks(granted: false) == 1 }
                waiting.cancel()
                await #expect(throws: CancellationError.self) { try await waiting.value }
                #expect(lock.isHeld)
                #expect(try await server.locks() == 2)
                #expect(try await session.tryAcquire("b"))
            }
        }
        let cancelled = Task {
            try await locks.withSession { session in
                try await session.acquire("a")
                try await session.withLock("taken") { _ in }
            }
        }
        try await server.eventually("it waits") { try await server.locks(granted: false) == 1 }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        #expect(try await other.isFree("a"))
        try await taken.release()
    }

    @Test(
        "a request that waits behind another one of the same session is ended by cancellation and by its deadline",
        arguments: ServerKind.allCases
    )
    func line(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (locks, other) = (try server.manager(), try server.manager())
        let (end, continuation) = AsyncStream.makeStream(of: Void.self)
        let holding = Task { try await other.withLock("taken") { _ in for await _ in end {} } }
        try await server.eventually("it is taken") { try await server.locks() == 1 }
        try await locks.withSession { session in
            let waiting = Task { try await session.acquire("taken") }
            try await server.eventually("it waits") { try await server.locks(granted: false) == 1 }
            let cancelled = Task { try await session.acquire("a") }
            let error = await lockError { try await session.acquire("b", timeout: .milliseconds(20)) }
            // The server was not asked for it.
            #expect(error?.code == .noAnswer)
            let patient = Task { try await session.tryAcquire("c") }
            cancelled.cancel()
            await #expect(throws: CancellationError.self) { try await cancelled.value }
            #expect(try await server.locks(granted: false) == 1)
            continuation.finish()
            try await holding.value
            try await waiting.value
            #expect(try await patient.value)
            #expect(try await server.locks() == 2)
        }
    }

    @Test("a wait for a connection has a limit if it is given or nested, and its error names the pool", arguments: ServerKind.allCases)
    func noConnection(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager {
            $0.pool.maximumConnections = 2
            $0.timeouts.nested = .milliseconds(50)
        }
        try await locks.withSession { _ in
            for timeout in [Duration.zero, .milliseconds(10), nil] {
                let error = await lockError { try await locks.withSession(timeout: timeout) { _ in } }
                #expect(error?.code == .poolExhausted)
                #expect(error?.message.contains("maximumConnections") == true)
                #expect(error?.message.contains("1 of them by scopes around this task") == true, "\(String(describing: error))")
            }
            let other = await Task.detached { await lockError { try await locks.withTransaction(timeout: .zero) { _ in } } }.value
            #expect(other?.code == .poolExhausted)
            #expect(other?.message.contains("in use by other tasks") == true, "\(String(describing: other))")
        }
        let negative = await lockError { try await locks.withSession(timeout: .seconds(-1)) { _ in } }
        #expect(negative?.code == .invalidArgument)
    }
}
