import LibPQ
import LockCore
import PostgresLock
import Testing

@testable import PostgresLockTesting

@Suite("Requests to release a lock", .lockServers)
struct ReleaseRequestTests {
    /// Asks as another process does.
    private static func request(_ key: LockKey, on server: any TestServer) async throws {
        if let server = server as? InMemoryTestServer {
            server.server.requestRelease(of: key)
        } else {
            // Connecting may take long beside other tests.
            let asking = try server.manager { $0.timeouts.unreachable = .seconds(120) }
            try await asking.requestRelease(of: key, timeout: .seconds(120))
        }
    }

    private static func quick(_ configuration: inout LockManager.Configuration) { configuration.releaseLookInterval = .milliseconds(20) }

    @Test(
        "the body that holds the lock is cancelled, and the call says why; other locks of the process stay",
        arguments: ServerKind.allCases
    )
    func cancels(kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager(Self.quick)
        let other = try await locks.acquire("other").copyable()
        let begun = AsyncGate()
        let holding = Task {
            await lockError {
                try await locks.withLock("orders:42") { lock in
                    begun.open()
                    #expect(await becomesCancelled())
                    #expect(lock.isHeld && lock.isReleaseRequested)
                    try Task.checkCancellation()
                }
            }
        }
        await begun.passed()
        try await Self.request("orders:42", on: server)
        let error = await holding.value
        #expect(error?.code == .releaseRequested)
        #expect(error?.keys == ["orders:42"])
        #expect(error?.underlying is CancellationError)
        #expect(other.lock.isHeld && !other.lock.isReleaseRequested)
        try await other.release()
    }

    @Test("a body that ends well returns its result, and one that throws something else has that thrown", arguments: ServerKind.allCases)
    func bodies(kind: ServerKind) async throws {
        struct Failure: Error {}
        let server = try await kind.start()
        let locks = try server.manager(Self.quick)
        for isFailing in [false, true] {
            let begun = AsyncGate()
            let holding = Task {
                try await locks.withLock("a") { _ in
                    begun.open()
                    #expect(await becomesCancelled())
                    if isFailing { throw Failure() }
                    return 7
                }
            }
            await begun.passed()
            try await Self.request("a", on: server)
            if isFailing { await #expect(throws: Failure.self) { try await holding.value } } else { #expect(try await holding.value == 7) }
        }
    }

    @Test("with tellBody the body goes on, and can watch", arguments: ServerKind.allCases)
    func tells(kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager {
            Self.quick(&$0)
            $0.releaseRequests = .tellBody
        }
        let begun = AsyncGate()
        let holding = Task {
            try await locks.withLock("a") { lock in
                #expect(!lock.isReleaseRequested)
                begun.open()
                let isRequested = await lock.waitForReleaseRequest()
                #expect(isRequested && !Task.isCancelled && lock.isHeld)
            }
        }
        await begun.passed()
        try await Self.request("a", on: server)
        try await holding.value
    }

    @Test("a handle is told, and so are all that share the lock", arguments: ServerKind.allCases)
    func handles(kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager(Self.quick)
        let handles = [try await locks.acquire("a", mode: .shared).copyable(), try await locks.acquire("a", mode: .shared).copyable()]
        let asking = Task {
            do {
                try await Self.request("a", on: server)
            } catch {
                // Ends the waits for the request, which has failed.
                for handle in handles { try await handle.release() }
                throw error
            }
        }
        for handle in handles { #expect(await handle.lock.waitForReleaseRequest()) }
        for handle in handles { try await handle.release() }
        try await asking.value
    }

    @Test("a wait for a request ends without one when the lock ends, or the task is cancelled", arguments: ServerKind.allCases)
    func noRequest(kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        let handle = try await locks.acquire("a").copyable()
        let lock = handle.lock
        let cancelled = Task { await lock.waitForReleaseRequest() }
        cancelled.cancel()
        #expect(await !cancelled.value)
        let released = Task { await lock.waitForReleaseRequest() }
        try await handle.release()
        #expect(await !released.value)
    }

    @Test("the next holder in the same process is not the one that was asked", arguments: ServerKind.allCases)
    func nextHolder(kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager(Self.quick)
        let begun = AsyncGate()
        let first = Task {
            await lockError {
                try await locks.withLock("a") { _ in
                    begun.open()
                    #expect(await becomesCancelled())
                    try Task.checkCancellation()
                }
            }
        }
        await begun.passed()
        let second = Task {
            try await locks.withLock("a") { lock in
                try await Task.sleep(for: .milliseconds(300))
                #expect(!Task.isCancelled && !lock.isReleaseRequested)
            }
        }
        try await Self.request("a", on: server)
        #expect(await first.value?.code == .releaseRequested)
        try await second.value
    }

    @Test(
        "locks of sessions and transactions can be asked for, and only the scope that holds the lock ends",
        arguments: ServerKind.allCases
    )
    func scopes(kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager(Self.quick)
        let begun = AsyncGate()
        let holding = Task {
            await lockError {
                try await locks.withTransaction(locking: "a") { _ in
                    begun.open()
                    #expect(await becomesCancelled())
                    try Task.checkCancellation()
                }
            }
        }
        await begun.passed()
        try await Self.request("a", on: server)
        #expect(await holding.value?.code == .releaseRequested)
        let inside = AsyncGate()
        let session = Task {
            try await locks.withSession { session in
                try await session.withLock("outer") { outer in
                    let error = await lockError {
                        try await session.withLock("inner") { _ in
                            inside.open()
                            #expect(await becomesCancelled())
                            try Task.checkCancellation()
                        }
                    }
                    #expect(error?.code == .releaseRequested)
                    #expect(outer.isHeld && !outer.isReleaseRequested && !Task.isCancelled)
                }
            }
        }
        await inside.passed()
        try await Self.request("inner", on: server)
        try await session.value
    }
}

@Suite("Requests to release a lock, on PostgreSQL", .database)
struct ServerReleaseRequestTests {
    @Test("the request names those who have released; without a holder there is none to ask")
    func result() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.applicationName = "web-3" }
        let other = try database.manager()
        #expect(try await other.requestRelease(of: "a") == [])
        let begun = AsyncGate()
        let holding = Task {
            await lockError {
                try await locks.withLock("a") { _ in
                    begun.open()
                    try await Task.sleep(for: .seconds(600))
                }
            }
        }
        await begun.passed()
        let released = try await other.requestRelease(of: "a", timeout: .seconds(120))
        #expect(released.map(\.instance) == ["web-3"])
        #expect(await holding.value?.code == .releaseRequested)
        #expect(try await other.isFree("a"))
    }

    @Test("a holder that does not heed the request keeps its lock, and the requester is told by whom it is held")
    func ignored() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager {
            $0.applicationName = "web-3"
            $0.releaseRequests = .ignore
        }
        let other = try database.manager()
        let handle = try await locks.acquire("a").copyable()
        let error = await lockError { try await other.requestRelease(of: "a", timeout: .seconds(8)) }
        #expect(error?.code == .timedOut)
        #expect(error?.message.contains("web-3") == true)
        #expect(error?.holders.map(\.instance) == ["web-3"])
        #expect(handle.lock.isHeld && !handle.lock.isReleaseRequested)
        try await handle.release()
        #expect(try await database.locks() == 0)
    }

    @Test("a requester waits until the lock is released, however long the holder takes after it was told")
    func lateRelease() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.releaseLookInterval = .milliseconds(20) }
        let other = try database.manager()
        let handle = try await locks.acquire("a").copyable()
        let releasing = Task {
            #expect(await handle.lock.waitForReleaseRequest())
            // An answer that comes too early is there by then.
            try await Task.sleep(for: .seconds(1))
            try await handle.release()
        }
        try await other.requestRelease(of: "a", timeout: .seconds(120))
        #expect(!handle.lock.isHeld)
        try await releasing.value
    }

    @Test("the lock that answers a request is released when the request is gone")
    func endOfAnswer() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.releaseLookInterval = .milliseconds(20) }
        let other = try database.manager()
        let handle = try await locks.acquire("a").copyable()
        let holder = try await other.holders(of: "a").first
        let processID = try #require(holder?.processID)
        let number = UInt32.random(in: .min ... .max)
        let name = ReleaseProtocol.name(Engine.ReleaseRequest(key: LockKey("a").advisory, number: number), to: processID)
        let answers = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND objid = \(number)"
        // A request that stays until its answer was seen.
        try await other.withTransaction { transaction in
            try await transaction.execute("SET LOCAL application_name = '\(name)'")
            try await transaction.acquire(ReleaseProtocol.mailbox(of: processID), mode: .shared)
            #expect(await handle.lock.waitForReleaseRequest())
            try await handle.release()
            try await database.eventually("the request is answered") { try await database.query(answers).count == 1 }
        }
        try await database.eventually("the answer is released") { try await database.query(answers).isEmpty }
    }

    @Test("a manager that holds much answers a request all the same")
    func manyLocks() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.releaseLookInterval = .milliseconds(50) }
        let many = try await locks.acquire(all: (0..<700).map { .exclusive(LockKey(number: Int64($0))) })
        let other = try database.manager()
        let begun = AsyncGate()
        let holding = Task {
            await lockError {
                try await locks.withLock("a") { _ in
                    begun.open()
                    try await Task.sleep(for: .seconds(600))
                }
            }
        }
        await begun.passed()
        try await other.requestRelease(of: "a", timeout: .seconds(120))
        #expect(await holding.value?.code == .releaseRequested)
        try await many.release()
    }

    @Test("another task of the same manager is asked as another process is; what else the manager holds stays")
    func sameManager() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let begun = AsyncGate()
        let holding = Task {
            await lockError {
                try await locks.withLock("a") { _ in
                    begun.open()
                    try await Task.sleep(for: .seconds(600))
                }
            }
        }
        await begun.passed()
        try await locks.withLock("b") { lock in
            let released = try await locks.requestRelease(of: "a", timeout: .seconds(120))
            #expect(released.count == 1)
            #expect(lock.isHeld && !lock.isReleaseRequested && !Task.isCancelled)
        }
        #expect(await holding.value?.code == .releaseRequested)
        #expect(try await locks.isFree("a"))
    }

    private static func expectRefused(_ locks: LockManager) async {
        let error = await lockError { try await locks.requestRelease(of: "a") }
        #expect(error?.code == .alreadyHeld)
        #expect(error?.keys == ["a"])
        #expect(!Task.isCancelled)
    }

    @Test("a request for what the task's own scope holds is refused at once, and the body goes on")
    func ownScope() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        try await locks.withLock("a") { lock in
            await Self.expectRefused(locks)
            #expect(lock.isHeld && !lock.isReleaseRequested)
        }
        try await locks.withTransaction(locking: "a") { _ in await Self.expectRefused(locks) }
        try await locks.withSession { session in
            try await session.withLock("a") { _ in await Self.expectRefused(locks) }
        }
    }

    @Test("a task that shares a lock can ask one of the others for its release, not all, since it is one of them")
    func otherHolder() async throws {
        let database = try TestDatabase.get()
        let (locks, other) = (try database.manager(), try database.manager { $0.applicationName = "web-3" })
        let begun = AsyncGate()
        let holding = Task {
            await lockError {
                try await other.withLock("a", mode: .shared) { _ in
                    begun.open()
                    try await Task.sleep(for: .seconds(600))
                }
            }
        }
        await begun.passed()
        try await locks.withLock("a", mode: .shared) { lock in
            await Self.expectRefused(locks)
            let holders = try await locks.holders(of: "a")
            let processID = holders.first { $0.instance == "web-3" }?.processID
            #expect(processID != nil)
            let released = try await locks.requestRelease(of: "a", from: processID, timeout: .seconds(120))
            #expect(released.map(\.instance) == ["web-3"])
            #expect(lock.isHeld)
        }
        #expect(await holding.value?.code == .releaseRequested)
    }

    @Test("a handle of the same manager that is not released is told of as its own")
    func ownHandle() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let handle = try await locks.acquire("a").copyable()
        let error = await lockError { try await locks.requestRelease(of: "a", timeout: .seconds(8)) }
        #expect(error?.code == .timedOut)
        #expect(error?.message.contains("this very lock manager") == true, "\(String(describing: error))")
        #expect(handle.lock.isHeld)
        try await handle.release()
    }

    @Test("an election's leader that is asked for its lock steps down, and campaigns again")
    func leader() async throws {
        let database = try TestDatabase.get()
        let (locks, other) = (try database.manager(), try database.manager())
        let begun = AsyncGate()
        let leading = Task {
            try await locks.withLeadership(of: "scheduler", onStepDownRequest: .tellBody) { term in
                begun.open()
                let isAsked = await term.waitForStepDownRequest()
                #expect(isAsked && !Task.isCancelled)
            }
        }
        await begun.passed()
        try await other.requestRelease(of: "scheduler", timeout: .seconds(120))
        try await leading.value
    }
}
