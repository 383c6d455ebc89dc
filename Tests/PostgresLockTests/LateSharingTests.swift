import PostgresLock
import Testing

/// A process that has held a shared lock for longer than the time for which its tasks join it without asking the server.
@Suite("Shared locks that are held for long", .lockServers)
struct LateSharingTests {
    private static let limit = Duration.milliseconds(1)

    private static func manager(_ server: any TestServer) throws -> LockManager {
        try server.manager { $0.handoff.maximumDuration = limit }
    }

    /// Lets the time for joining run out.
    private func pass() async throws { try await Task.sleep(for: Self.limit * 3) }

    @Test("other tasks of the process get it, whether they wait or not, and the server keeps one lock", arguments: ServerKind.allCases)
    func joined(_ kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try Self.manager(server)
        var handles = [try await locks.acquire("a", mode: .shared).copyable()]
        for _ in 0..<3 {
            try await pass()
            handles.append(try await locks.acquire("a", mode: .shared).copyable())
            try await pass()
            let tried = try await locks.tryAcquire("a", mode: .shared)?.copyable()
            handles.append(try #require(tried))
        }
        try await server.eventually("what was asked with is given back") { try await server.locks() == 1 }
        let isFree = try await locks.isFree("a")
        #expect(!isFree)
        for handle in handles { try await handle.release() }
        #expect(try await server.locks() == 0)
    }

    @Test("a request for one of several keys gets it, too", arguments: ServerKind.allCases)
    func anyOfSeveral(_ kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try Self.manager(server)
        let other = try await server.manager().acquire("b")
        let held = try await locks.acquire("a", mode: .shared)
        try await pass()
        let joined = try await locks.tryAcquire(anyOf: ["a", "b"], mode: .shared)?.copyable()
        #expect(joined?.lock.key == "a")
        try await joined?.release()
        try await held.release()
        try await other.release()
    }

    /// A process holds the lock in shared mode, another process waits to have it alone, and behind that a task of the former waits to join.
    private struct Blocked {
        let server: any TestServer
        let locks: LockManager
        let held: CopyableLockHandle
        let alone: Task<CopyableLockHandle, any Error>
        let joining: Task<CopyableLockHandle, any Error>

        init(_ kind: ServerKind) async throws {
            let server = try await kind.start()
            let (locks, other) = (try LateSharingTests.manager(server), try server.manager())
            held = try await locks.acquire("a", mode: .shared).copyable()
            alone = Task { try await other.acquire("a").copyable() }
            try await server.eventually("the other process waits") { try await server.locks(granted: false) == 1 }
            try await Task.sleep(for: LateSharingTests.limit * 3)
            joining = Task { try await locks.acquire("a", mode: .shared).copyable() }
            try await server.eventually("the task waits behind it") { try await server.locks(granted: false) == 2 }
            (self.server, self.locks) = (server, locks)
        }
    }

    @Test("a task does not join past another process that wants the lock alone, and gets it after that one", arguments: ServerKind.allCases)
    func exclusiveFirst(_ kind: ServerKind) async throws {
        let blocked = try await Blocked(kind)
        try await pass()
        let tried = try await blocked.locks.tryAcquire("a", mode: .shared)?.copyable()
        #expect(tried == nil)
        try await blocked.held.release()
        let second = try await blocked.alone.value
        #expect(try await blocked.server.locks(granted: false) == 1)
        try await second.release()
        try await blocked.joining.value.release()
    }

    @Test("a task that gives up waiting behind another process leaves nothing; the holder keeps its lock", arguments: ServerKind.allCases)
    func cancelled(_ kind: ServerKind) async throws {
        let blocked = try await Blocked(kind)
        blocked.joining.cancel()
        await #expect(throws: CancellationError.self) { _ = try await blocked.joining.value }
        try await blocked.server.eventually("its wait has ended") { try await blocked.server.locks(granted: false) == 1 }
        #expect(blocked.held.lock.isHeld)
        try await blocked.held.release()
        try await blocked.alone.value.release()
    }

    @Test("when the session that holds it is lost, tasks that wait to join get it all the same", arguments: ServerKind.allCases)
    func lost(_ kind: ServerKind) async throws {
        let blocked = try await Blocked(kind)
        try await blocked.server.endSessions(holding: "a")
        try await blocked.alone.value.release()
        try await blocked.joining.value.release()
        #expect(await lockError { try await blocked.held.release() }?.code == .lockLost)
    }
}
