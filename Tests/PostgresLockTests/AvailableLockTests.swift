import PostgresLock
import Testing

@Suite("Locks that are taken only if they are free", .lockServers)
struct AvailableLockTests {
    enum Scope: CaseIterable {
        case lock
        case locks
        case session

        /// Takes the lock `a` if it is free, with `b` where there are several.
        func run<Result>(
            _ locks: LockManager,
            mode: LockMode = .exclusive,
            _ body: nonisolated(nonsending) (HeldLock) async throws -> Result
        ) async throws -> Result? {
            switch self {
            case .lock: try await locks.withLockIfAvailable("a", mode: mode, body)
            case .locks:
                try await locks.withLocksIfAvailable([.exclusive("b"), LockRequest("a", mode: mode)]) {
                    try await body(try #require($0["a"]))
                }
            case .session: try await locks.withSession { try await $0.withLockIfAvailable("a", mode: mode, body) }
            }
        }
    }

    @Test(
        "a scope whose lock is taken returns nil at once, holds nothing, and its body does not run",
        arguments: Scope.allCases,
        ServerKind.allCases
    )
    func taken(scope: Scope, on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (holder, locks) = (try server.manager(), try server.manager())
        let held = try await holder.acquire("a", mode: .shared)
        var hasRun = false
        #expect(try await scope.run(locks) { _ in hasRun = true } == nil)
        #expect(!hasRun)
        #expect(try await server.locks() == 1)
        #expect(try await scope.run(locks, mode: .shared) { $0.mode } == .shared)
        try await held.release()
    }

    @Test("a scope whose lock is free holds it for as long as its body runs", arguments: Scope.allCases, ServerKind.allCases)
    func free(scope: Scope, on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (locks, other) = (try server.manager(), try server.manager())
        let isHeld = try await scope.run(locks) { lock in
            let isFree = try await other.isFree("a")
            return lock.isHeld && !isFree
        }
        #expect(isHeld == true)
        #expect(try await server.locks() == 0)
        struct Failure: Error {}
        await #expect(throws: Failure.self) { try await scope.run(locks) { _ in throw Failure() } }
        #expect(try await server.locks() == 0)
    }

    @Test("a body's own nil is told from that of a lock that is taken", arguments: Scope.allCases, ServerKind.allCases)
    func optionalResult(scope: Scope, on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        let result: Int?? = try await scope.run(locks) { _ in Int?.none }
        #expect(result == .some(.none))
    }

    @Test(
        "a task that was cancelled takes no lock, and one that is cancelled in the body ends it",
        arguments: Scope.allCases,
        ServerKind.allCases
    )
    func cancellation(scope: Scope, on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        let cancelled = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await scope.run(locks) { _ in Issue.record("The body ran.") }
        }
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        let (started, continuation) = AsyncStream.makeStream(of: Void.self)
        let running = Task {
            try await scope.run(locks) { _ in
                continuation.yield()
                try await Task.sleep(for: .seconds(600))
            }
        }
        for await _ in started { break }
        running.cancel()
        await #expect(throws: CancellationError.self) { try await running.value }
        #expect(try await server.locks() == 0)
    }

    @Test("the loss of a lock cancels the body and is thrown", arguments: Scope.allCases, ServerKind.allCases)
    func loss(scope: Scope, on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        let error = await lockError {
            try await scope.run(locks) { lock in
                try await server.endSessions()
                #expect(await lock.waitForEnd()?.code == .lockLost)
                #expect(await becomesCancelled())
            }
        }
        #expect(error?.code == .lockLost)
    }

    @Test(
        "a task that holds a lock is refused it, and does not take it for another holder's",
        arguments: Scope.allCases,
        ServerKind.allCases
    )
    func own(scope: Scope, on kind: ServerKind) async throws {
        let locks = try await kind.start().manager()
        try await locks.withLock("a") { _ in
            let error = await lockError { try await scope.run(locks) { _ in } }
            #expect(error?.code == .alreadyHeld)
        }
    }
}
