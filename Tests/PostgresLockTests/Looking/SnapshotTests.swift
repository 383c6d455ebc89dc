import PostgresLock
import PostgresLockTesting
import Testing

@Suite("Snapshots of a manager", .lockServers)
struct SnapshotTests {
    @Test("a manager without locks has an empty one, and no session", arguments: ServerKind.allCases)
    func empty(kind: ServerKind) async throws {
        let snapshot = try await kind.start().manager().snapshot()
        #expect(snapshot.held.isEmpty && snapshot.waiting.isEmpty && snapshot.sessions.isEmpty)
        #expect(snapshot.maximumConnections == 8 && snapshot.waitingForSession == 0 && snapshot.capacity.taken == 0)
        #expect(!snapshot.instance.isEmpty)
    }

    @Test(
        "it has what is held, by handles, transactions and sessions, what is waited for in order, and the sessions",
        arguments: ServerKind.allCases
    )
    func full(kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        let handle = try await locks.acquire("a")
        let inside = AsyncGate()
        let mayEnd = AsyncGate()
        let scopes = Task {
            try await locks.withTransaction(locking: "t") { _ in
                try await locks.withSession { session in
                    try await session.acquire("s", mode: .shared)
                    inside.open()
                    await mayEnd.passed()
                }
            }
        }
        await inside.passed()
        let waits = ["a", "a"].map { key in Task { try await locks.withLock(LockKey(key), timeout: .seconds(300)) { _ in } } }
        try await server.eventually("both wait") { await locks.snapshot().waiting.count == 2 }
        let snapshot = await locks.snapshot()
        #expect(
            Set(snapshot.held.map { "\($0.key.name ?? "") \($0.scope) \($0.mode)" }) == [
                "a lock exclusive", "t transaction exclusive", "s session shared",
            ]
        )
        #expect(snapshot.held.allSatisfy { $0.age >= .zero && $0.age < .seconds(600) && !$0.isReleaseRequested })
        #expect(snapshot.held.map(\.age) == snapshot.held.map(\.age).sorted(by: >))
        #expect(snapshot.waiting.allSatisfy { $0.key == "a" && $0.key.name == "a" && $0.mode == .exclusive && $0.age >= .zero })
        #expect(snapshot.waiting.allSatisfy { ($0.remaining ?? .zero) > .zero && ($0.remaining ?? .zero) <= .seconds(300) })
        #expect(snapshot.sessions.map(\.role).sorted() == ["checkedOut", "checkedOut", "shared"])
        #expect(snapshot.sessions.map(\.heldCount).reduce(0, +) == 3)
        #expect(snapshot.capacity.taken == 1)
        mayEnd.open()
        try await scopes.value
        try await handle.release()
        for wait in waits { try await wait.value }
        let end = await locks.snapshot()
        #expect(end.held.isEmpty && end.waiting.isEmpty)
    }

    @Test("a key that another process holds is waited for on a session of its own, which then holds it", arguments: ServerKind.allCases)
    func contended(kind: ServerKind) async throws {
        let server = try await kind.start()
        let (locks, other) = (try server.manager(), try server.manager())
        let theirs = try await other.acquire("a")
        let wait = Task { try await locks.acquire("a").copyable() }
        try await server.eventually("it waits") { try await server.locks(granted: false) == 1 }
        let session = try #require(await locks.snapshot().sessions.first { $0.role == "waiting" })
        #expect(session.key == "a" && session.state == "waiting" && session.heldCount == 0)
        try await theirs.release()
        let handle = try await wait.value
        let holding = try #require(await locks.snapshot().sessions.first { $0.role == "waiting" })
        #expect(holding.key == "a" && holding.state == "holding a lock" && holding.heldCount == 1)
        try await handle.release()
    }
}
