import PostgresLock
import Testing

@Suite("Sessions", .lockServers)
struct SessionTests {
    struct Mistake: Error {}

    @Test("nested locks are on one server session, exclude others, and are released with their scopes", .database)
    func nesting() async throws {
        let database = try TestDatabase.get()
        // To look for requests, a shared session is opened after a second.
        let (locks, other) = (try database.manager { $0.releaseRequests = .ignore }, try database.manager())
        let result = try await locks.withSession { session in
            try await session.withLock("a") { outer in
                try await session.withLock("b", mode: .shared) { inner in
                    #expect(outer.isHeld && inner.isHeld)
                    #expect(outer.key == "a" && inner.mode == .shared)
                    let sessions = try await database.query(
                        "SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                    )
                    #expect(sessions.count == 1)
                    let (isAFree, isBFree, isBShared) = (
                        try await other.isFree("a"), try await other.isFree("b"), try await other.isFree("b", mode: .shared)
                    )
                    #expect(!isAFree && !isBFree && isBShared)
                }
                #expect(try await other.isFree("b"))
                return outer
            }
        }
        #expect(!result.isHeld && result.loss == nil)
        #expect(try await database.locks() == 0)
        #expect(await locks.connectionPeak == 1)
    }

    @Test("locks without a scope are held until they are released or the session ends, in both key spaces", arguments: ServerKind.allCases)
    func handheld(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (locks, other) = (try server.manager(), try server.manager())
        let keys: [LockKey] = ["a", LockKey(number: -1), LockKey(1, 2), LockKey(3, -4)]
        try await locks.withSession { session in
            for key in keys { try await session.acquire(key) }
            #expect(try await session.tryAcquire("shared", mode: .shared))
            #expect(try await session.tryAcquire(LockKey(5, 6), mode: .shared))
            #expect(try await server.locks() == 6)
            try await session.release("a")
            try await session.release("shared")
            #expect(try await other.isFree("a"))
            #expect(try await other.isFree("shared"))
            #expect(try await server.locks() == 4)
        }
        #expect(try await server.locks() == 0)
    }

    @Test("tryLock takes a free lock, and returns false for a taken one", arguments: ServerKind.allCases)
    func trying(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (locks, other) = (try server.manager(), try server.manager())
        let taken = try await other.acquire("taken")
        let shared = try await other.acquire("shared", mode: .shared)
        try await locks.withSession { session in
            let (isTaken, isShared, isExclusive) = (
                try await session.tryAcquire("taken"), try await session.tryAcquire("shared", mode: .shared),
                try await session.tryAcquire("taken", mode: .shared)
            )
            #expect(!isTaken && isShared && !isExclusive)
            let error = await lockError { try await session.acquire("taken", timeout: .zero) }
            #expect(error?.code == .timedOut)
            #expect(error?.keys == ["taken", "shared"])
        }
        try await taken.release()
        try await shared.release()
    }

    @Test(
        "a session counts its shared locks, and refuses any other second request for a key, whichever task asks",
        arguments: ServerKind.allCases
    )
    func again(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (locks, other) = (try server.manager(), try server.manager())
        try await locks.withSession { session in
            try await session.acquire("s", mode: .shared)
            #expect(try await session.tryAcquire("s", mode: .shared))
            try await session.withLock("s", mode: .shared) { _ in }
            try await session.release("s")
            let isFree = try await other.isFree("s")
            #expect(!isFree)
            try await session.acquire("x")
            for (key, mode) in [("s", LockMode.exclusive), ("x", .exclusive), ("x", .shared)] as [(LockKey, LockMode)] {
                for task in [
                    Task { try await session.acquire(key, mode: mode) }, Task { _ = try await session.tryAcquire(key, mode: mode) },
                    Task { try await session.withLock(key, mode: mode) { _ in } },
                ] {
                    let error = await lockError { try await task.value }
                    #expect(error?.code == .alreadyHeld)
                    #expect(error?.keys == [key])
                }
            }
            try await session.release("s")
            #expect(try await other.isFree("s"))
            try await session.acquire("s")
        }
    }

    @Test("releases of a shared lock at the same time each count", arguments: ServerKind.allCases)
    func unlocksTogether(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (locks, other) = (try server.manager(), try server.manager())
        try await locks.withSession { session in
            for _ in 0..<10 { try await session.acquire("s", mode: .shared) }
            try await withThrowingTaskGroup { group in
                for _ in 0..<10 { group.addTask { try await session.release("s") } }
                try await group.waitForAll()
            }
            #expect(try await other.isFree("s"))
            let error = await lockError { try await session.release("s") }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test("unlocking a key that is not held, or that a scope holds, throws an error and has no effect", arguments: ServerKind.allCases)
    func badUnlock(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        try await locks.withSession { session in
            try await session.withLock("a") { lock in
                for key in ["a", "b"] as [LockKey] {
                    let error = await lockError { try await session.release(key) }
                    #expect(error?.code == .invalidArgument)
                }
                #expect(lock.isHeld)
                let count = try await server.locks()
                #expect(count == 1)
            }
        }
    }

    @Test("a body that throws or is cancelled leaves nothing locked, and its error is thrown", arguments: ServerKind.allCases)
    func throwing(on kind: ServerKind) async throws {
        let server = try await kind.start()
        // To look for requests, a shared session is opened after a second.
        let locks = try server.manager { $0.releaseRequests = .ignore }
        await #expect(throws: Mistake.self) {
            try await locks.withSession { session in
                try await session.acquire("a")
                try await session.acquire("b", mode: .shared)
                try await session.withLock("c") { _ in throw Mistake() }
            }
        }
        #expect(try await server.locks() == 0)
        let task = Task {
            try await locks.withSession { session in
                try await session.acquire("a")
                withUnsafeCurrentTask { $0?.cancel() }
                try await Task.sleep(for: .seconds(600))
            }
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await server.locks() == 0)
        // The next session gets the same connection.
        try await locks.withSession { try await $0.acquire("a") }
        if kind == .postgres { #expect(await locks.connectionPeak == 1) }
    }

    @Test(
        "a task is refused at once if it asks the manager for a key that its session holds, or a session for a key that its scope holds",
        arguments: ServerKind.allCases
    )
    func selfDeadlock(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        func expectHeld(_ key: LockKey, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void) async {
            let error = await lockError(sourceLocation: sourceLocation) { try await body() }
            #expect(error?.code == .alreadyHeld, sourceLocation: sourceLocation)
            #expect(error?.keys == [key], sourceLocation: sourceLocation)
        }
        try await locks.withSession { session in
            try await session.acquire("handheld")
            try await session.withLock("scoped") { _ in
                for key in ["handheld", "scoped"] as [LockKey] {
                    await expectHeld(key) { try await locks.withLock(key) { _ in } }
                    await expectHeld(key) { try await locks.withTransaction(locking: key) { _ in } }
                    await expectHeld(key) { try await locks.withTransaction { try await $0.acquire(key) } }
                    await expectHeld(key) { try await locks.withSession { try await $0.acquire(key, mode: .shared) } }
                    await expectHeld(key) { try await locks.withLock("between") { _ in try await locks.withLock(key) { _ in } } }
                }
            }
            try await locks.withLock("scoped") { _ in
                await expectHeld("scoped") { try await session.acquire("scoped") }
            }
            try await session.release("handheld")
            try await locks.withLock("handheld") { _ in }
        }
        try await locks.withLock("a") { _ in
            try await locks.withSession { session in
                await expectHeld("a") { try await session.acquire("a") }
                await expectHeld("a") { try await session.withLock("b") { _ in try await session.acquire("a", mode: .shared) } }
            }
        }
        try await locks.withTransaction(locking: "a") { _ in
            try await locks.withSession { session in
                await expectHeld("a") { try await session.acquire("a") }
            }
        }
        // A scope without a lock is no conflict.
        try await locks.withTransaction { _ in
            try await locks.withSession { _ in try await locks.withLock(LockKey(number: 0)) { _ in } }
        }
    }

    @Test("a session and its manager can share a lock", arguments: ServerKind.allCases)
    func sharedWithManager(on kind: ServerKind) async throws {
        let locks = try await kind.start().manager()
        try await locks.withSession { session in
            try await session.withLock("a", mode: .shared) { _ in
                try await locks.withLock("a", mode: .shared) { inner in #expect(inner.isHeld) }
            }
        }
    }

    @Test("a session that has ended refuses requests, and ends those of tasks that outlive its body", arguments: ServerKind.allCases)
    func escaped(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (locks, other) = (try server.manager(), try server.manager())
        let taken = try await other.acquire("taken")
        let (session, waiting, inLine) = try await locks.withSession { session in
            let waiting = Task { try await session.acquire("taken") }
            try await server.eventually("it waits") { try await server.locks(granted: false) == 1 }
            return (session, waiting, Task { try await session.acquire("a") })
        }
        await #expect(throws: CancellationError.self) { try await waiting.value }
        let errors = [
            await lockError { try await inLine.value },
            await lockError { try await session.acquire("a") },
            await lockError { try await session.release("a") },
            await lockError { try await session.execute("SELECT 1") },
        ]
        #expect(errors.allSatisfy { $0?.code == .invalidArgument })
        #expect(try await server.locks() == 1)
        try await taken.release()
    }

    @Test("a session's body can use non-Sendable values of its surroundings", arguments: ServerKind.allCases)
    func surroundings(on kind: ServerKind) async throws {
        final class Notebook { var lines: [String] = [] }
        let locks = try await kind.start().manager()
        let notebook = Notebook()
        var count = 0
        let same = try await locks.withSession { session in
            count += 1
            return try await session.withLock("a") { lock in
                count += 1
                notebook.lines.append("\(lock.key.name ?? "")")
                return notebook
            }
        }
        #expect(same === notebook)
        #expect(count == 2)
        #expect(notebook.lines == ["a"])
    }
}
