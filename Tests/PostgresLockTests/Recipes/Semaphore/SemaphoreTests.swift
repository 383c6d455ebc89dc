import LibPQ
import LockCore
import Testing

@testable import PostgresLock

@Suite("Semaphores", .lockServers)
struct SemaphoreTests {
    /// The keys that <doc:Semaphores> documents.
    private static func keys(_ limit: Int) throws -> SemaphoreKeys { try SemaphoreKeys("stripe", limit: limit) }

    @Test("no more permits are in use than there are, of all tasks of all managers", arguments: ServerKind.allCases)
    func limit(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let managers = try (0..<3).map { _ in try server.manager() }
        let inUse = Locked<(now: [Int], most: Int)>(([], 0))
        try await withThrowingTaskGroup { group in
            for locks in managers {
                let semaphore = try locks.semaphore("stripe", limit: 4)
                for _ in 0..<10 {
                    group.addTask {
                        for _ in 0..<2 {
                            try await semaphore.withPermit { permit in
                                let isNew = inUse.withLock { inUse in
                                    defer { inUse.most = max(inUse.most, inUse.now.count) }
                                    if inUse.now.contains(permit.number) { return false }
                                    inUse.now.append(permit.number)
                                    return true
                                }
                                #expect(isNew && (1...4).contains(permit.number))
                                try await Task.sleep(for: .milliseconds(2))
                                inUse.withLock { $0.now.removeAll { $0 == permit.number } }
                            }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(inUse.withLock { $0.most } <= 4)
    }

    @Test("a call that does not wait gets nothing once all permits are in use, and runs no body", arguments: ServerKind.allCases)
    func exhausted(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (one, other) = (try server.manager().semaphore("stripe", limit: 2), try server.manager().semaphore("stripe", limit: 2))
        let first = try await one.withPermitIfAvailable { $0.number }
        #expect(first == 1 || first == 2)
        let a = try await one.acquire()
        let b = try await other.acquire()
        #expect(Set([a.permit.number, b.permit.number]) == [1, 2])
        #expect(try await other.withPermitIfAvailable { $0.number } == nil)
        let error = await lockError { try await one.withPermit(timeout: .zero) { _ in Issue.record("The body runs.") } }
        #expect(error?.code == .timedOut)
        #expect(error?.message.contains("all 2 are in use") == true)
        try await a.release()
        #expect(try await other.withPermitIfAvailable { _ in true } == true)
        try await b.release()
    }

    @Test("a call that waits gets the permit that another manager gives back, whichever that is", arguments: ServerKind.allCases)
    func waits(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (holder, locks) = (try server.manager(), try server.manager())
        let (held, waiting) = (try holder.semaphore("stripe", limit: 2), try locks.semaphore("stripe", limit: 2))
        let a = try await held.acquire()
        let b = try await held.acquire()
        let number = b.permit.number
        async let got = waiting.withPermit { $0.number }
        try await server.eventually("it waits") { await locks.waitingCount > 0 }
        try await b.release()
        #expect(try await got == number)
        try await a.release()
    }

    @Test("tasks and managers are served in the order in which they came", arguments: ServerKind.allCases)
    func order(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let managers = try (0..<3).map { _ in try server.manager() }
        // On a busy machine a permit can be free for long before its turn has come.
        let semaphores = try managers.map { try DistributedSemaphore("stripe", limit: 1, locks: $0, lookInterval: .seconds(3600)) }
        let turnstile = try Self.keys(1).turnstile
        let held = try await semaphores[0].acquire()
        let served = Locked<[Int]>([])
        var tasks: [Task<Void, any Error>] = []
        for number in 0..<3 {
            tasks.append(
                Task {
                    try await semaphores[number].withPermit { _ in served.withLock { $0.append(number) } }
                }
            )
            // The first is behind the turnstile, the others wait for it on the server.
            try await server.eventually("\(number) has its turn") {
                let isTaken = try await !managers[0].isFree(turnstile, mode: .shared)
                let waiting = try await server.locks(granted: false)
                return isTaken && waiting == number
            }
        }
        try await held.release()
        for task in tasks { try await task.value }
        #expect(served.withLock { $0 } == [0, 1, 2])
    }

    @available(macOS 26, *)
    @Test(
        "tasks of a manager are served in the order of their calls, also while it connects, and by two semaphores",
        arguments: ServerKind.allCases
    )
    func orderInOneProcess(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (holder, locks) = (try server.manager(), try server.manager())
        let held = try await holder.semaphore("stripe", limit: 1).acquire()
        let semaphores = try (0..<2).map { _ in try DistributedSemaphore("stripe", limit: 1, locks: locks, lookInterval: .seconds(3600)) }
        let served = Locked<[Int]>([])
        let count = 20
        var tasks: [Task<Void, any Error>] = []
        for number in 0..<count {
            tasks.append(
                Task.immediate {
                    // The second one of the same name is new when the first one has been used for long. The bodies take longer than the turnstile
                    // may stay in one process, in all.
                    try await semaphores[number < 15 ? 0 : 1].withPermit { _ in
                        served.withLock { $0.append(number) }
                        try await Task.sleep(for: .milliseconds(10))
                    }
                }
            )
        }
        // One is behind the turnstile, and none is on its way to it.
        try await server.eventually("all wait") {
            await locks.waitingCount == count && semaphores.reduce(0) { $0 + $1.queue.waitingCount } == count
        }
        try await held.release()
        for task in tasks { try await task.value }
        // The one behind the turnstile was there first, and may be any of them.
        let order = served.withLock { $0 }
        #expect(Array(order.dropFirst()) == order.dropFirst().sorted())
        #expect(Set(order) == Set(0..<count))
    }

    @Test("a call that does not wait gets no permit while another process waits for one", arguments: ServerKind.allCases)
    func noOvertaking(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (waiting, locks) = (try server.manager(), try server.manager())
        let turnstile = try await waiting.acquire(Self.keys(2).turnstile)
        #expect(try await locks.semaphore("stripe", limit: 2).withPermitIfAvailable { _ in } == nil)
        try await turnstile.release()
        #expect(try await locks.semaphore("stripe", limit: 2).withPermitIfAvailable { _ in true } == true)
    }

    @Test("calls that do not wait do not refuse each other a free permit", arguments: ServerKind.allCases)
    func triesShare(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (trying, locks) = (try server.manager(), try server.manager())
        let turnstile = try await trying.acquire(Self.keys(2).turnstile, mode: .shared)
        #expect(try await locks.semaphore("stripe", limit: 2).withPermitIfAvailable { _ in true } == true)
        try await turnstile.release()
    }

    @Test("a permit that a process behind the turnstile leaves unused is taken by another one", arguments: ServerKind.allCases)
    func frozenHead(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (frozen, locks) = (try server.manager(), try server.manager())
        let turnstile = try await frozen.acquire(Self.keys(2).turnstile)
        let semaphore = try locks.semaphore("stripe", limit: 2)
        try await withThrowingTaskGroup { group in
            for _ in 0..<2 { group.addTask { try await semaphore.withPermit { #expect($0.isHeld) } } }
            try await group.waitForAll()
        }
        let isHeld = turnstile.isHeld
        #expect(isHeld)
        try await turnstile.release()
    }

    @Test("of two limits the second is told, and may take part once the first is gone", arguments: ServerKind.allCases)
    func limits(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (one, other) = (try server.manager { $0.applicationName = "old deploy" }, try server.manager())
        var first: DistributedSemaphore? = try one.semaphore("stripe", limit: 5)
        try await first?.withPermit { _ in }
        let second = try other.semaphore("stripe", limit: 6)
        for _ in 0..<2 {
            let error = await lockError { try await second.withPermit { _ in Issue.record("The body runs.") } }
            #expect(error?.code == .limitMismatch)
            #expect(error?.message.contains("6 permits here, and 5") == true)
            if kind == .postgres { #expect(error?.message.contains("old deploy") == true) }
        }
        let refusal = await lockError { try await second.tryAcquire()?.release() }
        #expect(refusal?.code == .limitMismatch)
        // It goes on, and takes no notice of the other one.
        try await first?.withPermit { _ in }
        first = nil
        try await server.eventually("the first limit is gone") { try await server.locks() == 0 }
        #expect(try await second.withPermit { _ in true })
    }

    @Test("the same limit, and other names, are no reason for an error", arguments: ServerKind.allCases)
    func agreement(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (one, other) = (try server.manager(), try server.manager())
        for (name, limit) in [("a", 1), ("b", 2)] {
            try await one.semaphore(name, limit: limit).withPermit { _ in
                if limit == 2 { try await other.semaphore(name, limit: limit).withPermit { _ in } }
            }
        }
    }

    @Test("the loss of the permit cancels the body", arguments: ServerKind.allCases)
    func lost(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let semaphore = try server.manager().semaphore("stripe", limit: 2)
        let error = await lockError {
            try await semaphore.withPermit { permit in
                try await server.endSessions(holding: permit.lock.key)
                try await Task.sleep(for: .seconds(3600))
            }
        }
        #expect(error?.code == .lockLost)
        // Its limit is lost with the session, and taken again.
        #expect(try await semaphore.withPermit { $0.isHeld })
    }

    @Test("a cancelled wait leaves nothing behind, wherever it is", arguments: ServerKind.allCases)
    func cancelled(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (holder, locks) = (try server.manager(), try server.manager())
        let (held, waiting) = (try holder.semaphore("stripe", limit: 1), try locks.semaphore("stripe", limit: 1))
        let permit = try await held.acquire()
        // Takes the limit, which the waits below may be cancelled before.
        let isFree = try await waiting.withPermitIfAvailable { _ in true }
        #expect(isFree == nil)
        for pause in [0, 1, 5, 20, 60, 200] {
            let tasks = (0..<5).map { _ in Task { try await waiting.acquire().release() } }
            try await Task.sleep(for: .milliseconds(pause))
            for task in tasks { task.cancel() }
            for task in tasks { await #expect(throws: CancellationError.self) { try await task.value } }
        }
        try await server.eventually("only the permit and the limits are held") { try await server.locks() == 3 }
        try await permit.release()
        #expect(try await waiting.withPermit { _ in true })
    }

    @Test("a wait ends at its deadline, and says why", arguments: ServerKind.allCases)
    func timedOut(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (holder, locks) = (try server.manager(), try server.manager())
        let held = try await holder.semaphore("stripe", limit: 1).acquire()
        let semaphore = try locks.semaphore("stripe", limit: 1)
        await expectTimedOut { timeout in try await semaphore.withPermit(timeout: timeout) { _ in } }
        try await held.release()
    }

    @Test("a task that holds all permits is not made to wait for itself", arguments: ServerKind.allCases)
    func nested(on kind: ServerKind) async throws {
        let locks = try await kind.start().manager()
        let semaphore = try locks.semaphore("stripe", limit: 2)
        try await semaphore.withPermit { outer in
            try await semaphore.withPermit { inner in
                #expect(outer.number != inner.number)
                let error = await lockError { try await semaphore.withPermit { _ in } }
                #expect(error?.code == .alreadyHeld)
            }
        }
    }

    @Test("a name that is empty and limits beyond 1 to 1,000 are refused", arguments: [("", 1), ("a", 0), ("a", 1_001), ("a", -1)])
    func invalid(name: String, limit: Int) async throws {
        let locks = try await ServerKind.inMemory.start().manager()
        let error = await lockError { _ = try locks.semaphore(name, limit: limit) }
        #expect(error?.code == .invalidArgument)
    }

    @Test("the locks are those that are documented, for other languages")
    func documented() throws {
        // Half of SHA-1("pglock:permit:stripe"), and of SHA-1("pglock:limit:stripe").
        let keys = try Self.keys(5)
        #expect(keys.turnstile.pair?.first == -1_048_645_781 && keys.turnstile.pair?.second == 0)
        #expect(keys.permits.map { $0.pair?.first } == Array(repeating: -1_048_645_781, count: 5))
        #expect(keys.permits.map { $0.pair?.second } == [1, 2, 3, 4, 5])
        #expect(keys.agreement.pair?.first == 848_281_390 && keys.agreement.pair?.second == 5)
    }
}
