import LibPQ
import PostgresLockTesting
import Testing

@testable import PostgresLock

@Suite("Shares of work", .lockServers)
struct SharesTests {
    private struct Failure: Error {}

    /// So many that each of three members gets some, whatever numbers chance gives them. (Of 16, one in 200 would get none.)
    private static let count = 64

    private let log = ShareLog()

    /// A member that takes part until it is cancelled.
    private func member(_ name: String, _ locks: LockManager, count: Int = count) -> Task<Void, any Error> {
        Task { [log] in try await locks.withShares(of: "mailboxes", count: count, log.body(name)) }
    }

    private func end(_ members: [Task<Void, any Error>]) async {
        for member in members { member.cancel() }
        for member in members { await #expect(throws: CancellationError.self) { try await member.value } }
    }

    @Test(
        "members that join and leave share the work, each share is with one of them, and few of them move",
        arguments: ServerKind.allCases
    )
    func joinAndLeave(_ kind: ServerKind) async throws {
        let server = try await kind.start()
        let first = member("a", try server.manager())
        try await server.eventually("it has all shares") { log.count(of: "a") == Self.count }
        var further: [Task<Void, any Error>] = []
        // One after the other, since what has gone to the one moves again if the other one comes later.
        for name in ["b", "c"] {
            let (members, begun) = (further.count + 2, log.beginnings.count)
            further.append(member(name, try server.manager()))
            try await server.eventually("each has some") { log.members.count == members && log.owners.count == Self.count }
            try await server.eventually("they are at rest") { try await isAtRest(server) }
            #expect(log.beginnings.count == begun + log.count(of: name), "Only what it has now has moved.")
        }
        let before = log.owners
        await end([first])
        try await server.eventually("the others have them") { log.owners.count == Self.count }
        #expect(log.owners.filter { before[$0.key] != "a" } == before.filter { $0.value != "a" }, "No other share has moved.")
        #expect(!log.hadTwo)
        await end(further)
        #expect(log.owners.isEmpty)
    }

    /// Whether what is locked stays the same over some looks.
    private func isAtRest(_ server: any TestServer) async throws -> Bool {
        let before = log.beginnings.count
        try await Task.sleep(for: ShareMembership.leastLookPause * 3)
        return log.beginnings.count == before && log.owners.count == Self.count
    }

    @Test(
        "a member that leaves works on until the others have noticed that, so that each of its bodies ends with another member waiting for its share"
    )
    func leaving() async throws {
        let server = try await ServerKind.inMemory.start()
        let locks = try server.manager()
        let look = { @Sendable in try await ShareLook.read(try ShareKeys("mailboxes", count: Self.count), by: locks) }
        let visible = Locked<[Int]>([])
        let begun = Locked(0)
        let leaving = Task {
            try await locks.withShares(of: "mailboxes", count: Self.count) { _, lock in
                begun.withLock { $0 += 1 }
                _ = await lock.waitForEnd()
                let members = await Task { try? await look().members.count }.value
                visible.withLock { $0.append(members ?? -1) }
            }
        }
        try await server.eventually("it has all shares") { begun.withLock { $0 } == Self.count }
        let members = try await look().members.count
        #expect(members == 1)
        leaving.cancel()
        await #expect(throws: CancellationError.self) { try await leaving.value }
        let expected = Array(repeating: 0, count: Self.count)
        #expect(visible.withLock { $0 } == expected, "Its bodies were cancelled before the others could see it.")
    }

    @Test("a share moves when its body has returned, however long that takes", arguments: ServerKind.allCases)
    func slowBody(_ kind: ServerKind) async throws {
        let server = try await kind.start()
        let gate = AsyncGate()
        let body = log.body("a") { _ in await gate.passed() }
        let locks = try server.manager()
        let first = Task { try await locks.withShares(of: "mailboxes", count: Self.count, body) }
        try await server.eventually("it has all shares") { log.count(of: "a") == Self.count }
        let second = member("b", try server.manager())
        try await server.eventually("it is asked for some") { try await server.locks() == Self.count + 4 }
        try await Task.sleep(for: ShareMembership.leastLookPause * 3)
        #expect(log.count(of: "a") == Self.count, "None has moved.")
        gate.open()
        try await server.eventually("some have moved") { log.members.count == 2 && log.owners.count == Self.count }
        #expect(!log.hadTwo)
        await end([first, second])
    }

    @Test("the error of a body ends the membership, once the other bodies have ended", arguments: ServerKind.allCases)
    func failure(_ kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        let body = log.body("a")
        await #expect(throws: Failure.self) {
            try await locks.withShares(of: "mailboxes", count: 8) { share, lock in
                if share == 3 {
                    while log.count(of: "a") < 7 { try await Task.sleep(for: .milliseconds(1)) }
                    throw Failure()
                }
                try await body(share, lock)
            }
        }
        #expect(log.endings == 7)
        #expect(try await server.locks() == 0)
    }

    @Test("what a body makes of its cancellation is no failure")
    func errorAfterCancellation() async throws {
        let server = try await ServerKind.inMemory.start()
        let (locks, begun) = (try server.manager(), Locked(0))
        let first = Task {
            try await locks.withShares(of: "mailboxes", count: Self.count) { _, lock in
                begun.withLock { $0 += 1 }
                _ = await lock.waitForEnd()
                throw Failure()
            }
        }
        try await server.eventually("it has all shares") { begun.withLock { $0 } == Self.count }
        let second = member("b", try server.manager())
        try await server.eventually("some have moved") { log.count(of: "b") > 0 }
        try await server.endSessions(holding: nil)
        try await server.eventually("some were begun anew") { begun.withLock { $0 } > Self.count }
        await end([first, second])
    }

    @Test("a body that returns early keeps its share, and is begun anew only after a loss", arguments: ServerKind.allCases)
    func earlyReturn(_ kind: ServerKind) async throws {
        let server = try await kind.start()
        let (locks, begun) = (try server.manager(), Locked(0))
        let first = Task { try await locks.withShares(of: "mailboxes", count: 4) { _, _ in begun.withLock { $0 += 1 } } }
        try await server.eventually("all have returned") { begun.withLock { $0 } == 4 }
        try await Task.sleep(for: ShareMembership.leastLookPause * 2)
        #expect(begun.withLock { $0 } == 4)
        // The member, the number of shares, the shares; and for a moment what a look for requests takes.
        try await server.eventually("six keys are locked") { try await server.locks() == 6 }
        try await server.endSessions(holding: nil)
        try await server.eventually("they were begun anew") { begun.withLock { $0 } == 8 }
        await end([first])
    }

    @Test(
        "after a loss the bodies are cancelled, awaited, and begun anew; members keep their numbers and their shares",
        arguments: ServerKind.allCases
    )
    func loss(_ kind: ServerKind) async throws {
        let server = try await kind.start()
        let managers = try (0..<2).map { _ in try server.manager { $0.cancelsBodyOnLoss = false } }
        let members = managers.enumerated().map { member("\($0.offset)", $0.element) }
        try await server.eventually("each has some") { log.members.count == 2 && log.owners.count == Self.count }
        try await server.eventually("they are at rest") { try await isAtRest(server) }
        let before = log.owners
        let ids = try await ShareLook.read(try ShareKeys("mailboxes", count: Self.count), by: managers[0]).members
        // On a busy machine a member may be back later than the other one counts on it. Then its shares move, and move back.
        var hasMovedNone = false
        for _ in 0..<5 where !hasMovedNone {
            let begun = log.beginnings.count
            try await server.endSessions(holding: nil)
            try await server.eventually("all were begun anew") { log.beginnings.count >= begun + Self.count && log.owners == before }
            try await server.eventually("they are at rest") { try await isAtRest(server) }
            hasMovedNone = log.owners == before && log.beginnings.count == begun + Self.count
        }
        #expect(hasMovedNone)
        #expect(try await ShareLook.read(try ShareKeys("mailboxes", count: Self.count), by: managers[1]).members == ids)
        await end(members)
    }

    @Test(
        "a member that counts on another number of shares gets an error that names both, and disturbs no other one",
        arguments: ServerKind.allCases
    )
    func mismatch(_ kind: ServerKind) async throws {
        let server = try await kind.start()
        let first = member("a", try server.manager())
        try await server.eventually("it has all shares") { log.count(of: "a") == Self.count }
        let locks = try server.manager()
        let error = await lockError { try await locks.withShares(of: "mailboxes", count: 32, log.body("b")) }
        #expect(error?.code == .shareMismatch)
        let message = error?.message ?? ""
        #expect(message.contains("32 shares") && message.contains("into \(Self.count)"), "\(message)")
        #expect(log.count(of: "a") == Self.count && log.beginnings.count == Self.count)
        await end([first])
    }

    @Test("as long as a body of a member that leaves runs, no member can count on another number of shares")
    func mismatchWhileLeaving() async throws {
        let server = try await ServerKind.inMemory.start()
        let (gate, returning) = (AsyncGate(), AsyncGate())
        let locks = try server.manager()
        let body = log.body("a") { _ in
            returning.open()
            await gate.passed()
        }
        let first = Task { try await locks.withShares(of: "mailboxes", count: 4, body) }
        try await server.eventually("it has all shares") { log.count(of: "a") == 4 }
        first.cancel()
        await returning.passed()
        let other = try server.manager()
        let error = await lockError { try await other.withShares(of: "mailboxes", count: 8, log.body("b")) }
        #expect(error?.code == .shareMismatch)
        gate.open()
        await end([first])
    }

    @Test("two members whose first numbers are the same take part both", arguments: ServerKind.allCases)
    func equalNumbers(_ kind: ServerKind) async throws {
        let server = try await kind.start()
        let keys = try ShareKeys("mailboxes", count: Self.count)
        let members = try ["a", "b"].map { name in
            let member = ShareMember(locks: try server.manager(), keys: keys, seed: 5, body: log.body(name))
            return Task { try await member.run() }
        }
        try await server.eventually("each has some") { log.members.count == 2 && log.owners.count == Self.count }
        #expect(!log.hadTwo)
        await end(members)
    }

    @Test("a foreign lock in the members' class keeps no share from being worked on", arguments: ServerKind.allCases)
    func phantom(_ kind: ServerKind) async throws {
        let server = try await kind.start()
        let other = try server.manager()
        let phantom = try await other.acquire(try ShareKeys("mailboxes", count: Self.count).member(4711))
        let first = member("a", try server.manager())
        try await server.eventually("it has all shares") { log.count(of: "a") == Self.count }
        try await phantom.release()
        await end([first])
    }

    @Test("two members of one manager share the work, too")
    func oneManager() async throws {
        let server = try await ServerKind.inMemory.start()
        let locks = try server.manager()
        let members = ["a", "b"].map { member($0, locks) }
        try await server.eventually("each has some") { log.members.count == 2 && log.owners.count == Self.count }
        await end(members)
        #expect(!log.hadTwo)
    }

    @Test(
        "a name that is empty, and a number of shares that makes no sense, are refused at once",
        arguments: [("", 4), ("mailboxes", 0), ("mailboxes", 10_001)]
    )
    func arguments(name: String, count: Int) async throws {
        let locks = try await ServerKind.inMemory.start().manager()
        let error = await lockError { try await locks.withShares(of: name, count: count) { _, _ in } }
        #expect(error?.code == .invalidArgument)
    }

    @Test("a manager that is shut down ends the membership with an error")
    func shutdown() async throws {
        let server = try await ServerKind.inMemory.start()
        let locks = try server.manager()
        let first = member("a", locks, count: 4)
        try await server.eventually("it has all shares") { log.count(of: "a") == 4 }
        await locks.shutdown(gracePeriod: .zero)
        let error = await lockError { try await first.value }
        #expect(error?.code == .shutDown)
        #expect(log.owners.isEmpty)
    }
}
