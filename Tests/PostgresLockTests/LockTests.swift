import PostgresLock
import Testing

@Suite("Locks", .lockServers)
struct LockTests {
    @Test("a lock is held until its scope ends, and is released then", arguments: ServerKind.allCases)
    func scope(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        let result = try await locks.withLock("a") { lock async throws in
            #expect(lock.isHeld)
            #expect(lock.key == "a")
            let held = try await server.locks()
            #expect(held == 1)
            return 42
        }
        #expect(result == 42)
        #expect(try await server.locks() == 0)
    }

    @Test("the number on the server is the key's number, in the key's space", .database)
    func numbers() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        for (key, classID, objectID, space) in [
            (LockKey(number: 42), "0", "42", "1"), (LockKey(7, 8), "7", "8", "2"),
            (LockKey(number: -1), "4294967295", "4294967295", "1"), (LockKey(-1, -2), "4294967295", "4294967294", "2"),
        ] {
            let lock = try await locks.acquire(key)
            let rows = try await database.query(
                "SELECT classid, objid, objsubid FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE locktype = 'advisory' AND datname = current_database()"
            )
            #expect(rows == [[classID, objectID, space]])
            try await lock.release()
        }
    }

    @Test("two managers exclude each other, and the next in line gets the lock at the release", arguments: ServerKind.allCases)
    func exclusion(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (first, second) = (try server.manager(), try server.manager())
        let held = try await first.acquire("a")
        #expect(try await !second.isFree("a"))
        async let waiting: Void = second.withLock("a") { lock in
            #expect(lock.isHeld)
        }
        try await server.eventually("the second waits") { try await server.locks(granted: false) == 1 }
        try await held.release()
        try await waiting
    }

    @Test("shared holders share, also across managers, and keep an exclusive one out", arguments: ServerKind.allCases)
    func sharing(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (first, second) = (try server.manager(TestDatabase.unlimitedHandoff), try server.manager())
        let one = try await first.acquire("a", mode: .shared)
        let two = try await first.acquire("a", mode: .shared)
        let three = try await second.acquire("a", mode: .shared)
        #expect(try await server.locks() == 2, "one lock per process, not per holder")
        #expect(try await !second.isFree("a"))
        try await one.release()
        try await three.release()
        #expect(try await !second.isFree("a"))
        try await two.release()
        #expect(try await second.isFree("a"))
    }

    @Test(
        "a thousand tasks take a thousand different locks over one connection",
        .direct("a pooler keeps the session of the self-checks' second connection"),
        arguments: ServerKind.allCases
    )
    func manyKeys(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        try await withThrowingTaskGroup { group in
            for number in 0..<1000 {
                group.addTask {
                    try await locks.withLock(LockKey(number: Int64(number))) { _ in await Task.yield() }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await server.sessions() == 1)
    }

    @Test("a hundred tasks of one process take turns", arguments: ServerKind.allCases)
    func turns(on kind: ServerKind) async throws {
        let server = try await kind.start()
        for limit in [0, 1, 16, Int.max] {
            let locks = try server.manager { $0.handoff.maximumCount = limit }
            let counter = UnsafeCounter()
            try await withThrowingTaskGroup { group in
                for _ in 0..<100 {
                    group.addTask {
                        try await locks.withLock("a") { _ in await counter.increment() }
                    }
                }
                try await group.waitForAll()
            }
            #expect(counter.value == 100, "with a handoff limit of \(limit)")
        }
    }

    @Test("a dropped handle releases its lock", arguments: ServerKind.allCases)
    func dropped(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        func drop() async throws {
            let lock = try await locks.acquire("a")
            let isHeld = lock.isHeld
            #expect(isHeld)
        }
        try await drop()
        try await server.eventually("the lock is given back") { try await server.locks() == 0 }
        #expect(try await locks.isFree("a"))
    }

    @Test("a timeout ends the wait, and leaves no wait on the server", arguments: ServerKind.allCases)
    func timeout(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (first, second) = (try server.manager(), try server.manager())
        let held = try await first.acquire("a")
        // Connected before, so that the limit is for the lock alone.
        try await second.acquire("b").release()
        let error = await informedError(from: .seconds(2)) { timeout in try await second.acquire("a", timeout: timeout).release() }
        #expect(error?.code == .timedOut)
        #expect(error?.keys == ["a"])
        try await server.eventually("no wait remains") { try await server.locks(granted: false) == 0 }
        let zero = await #expect(throws: LockError.self) {
            try await second.acquire("a", timeout: .zero).release()
        }
        #expect(zero?.code == .timedOut)
        try await held.release()
        #expect(try await second.isFree("a"))
    }

    @Test("cancelling a waiting task ends its wait, on the server too", arguments: ServerKind.allCases)
    func cancellation(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (first, second) = (try server.manager(), try server.manager())
        let held = try await first.acquire("a")
        let waiting = Task { try await second.withLock("a") { _ in } }
        try await server.eventually("the task waits") { try await server.locks(granted: false) == 1 }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        try await server.eventually("no wait remains") { try await server.locks(granted: false) == 0 }
        try await held.release()
    }

    @Test("a task that was cancelled before gets no lock", arguments: ServerKind.allCases)
    func cancelledBefore(on kind: ServerKind) async throws {
        let locks = try await kind.start().manager()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await locks.acquire("a").release()
        }
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("a body that throws gives the lock back, and its error comes through", arguments: ServerKind.allCases)
    func throwing(on kind: ServerKind) async throws {
        struct Mistake: Error {}
        let server = try await kind.start()
        let locks = try server.manager()
        await #expect(throws: Mistake.self) {
            try await locks.withLock("a") { _ in throw Mistake() }
        }
        #expect(try await server.locks() == 0)
    }

    @Test("asking again for what the task holds itself is an error at once; sharing again is not", arguments: ServerKind.allCases)
    func selfDeadlock(on kind: ServerKind) async throws {
        let locks = try await kind.start().manager()
        try await locks.withLock("a") { _ in
            for mode in [LockMode.exclusive, .shared] {
                let error = await #expect(throws: LockError.self) {
                    try await locks.withLock("a", mode: mode) { _ in }
                }
                #expect(error?.code == .alreadyHeld)
            }
            try await locks.withLock("b") { _ in }
        }
        try await locks.withLock("a", mode: .shared) { _ in
            let writer = Task { try await locks.withLock("a") { _ in } }
            try await Task.sleep(for: .milliseconds(20))
            try await locks.withLock("a", mode: .shared) { inner in #expect(inner.isHeld) }
            let error = await #expect(throws: LockError.self) { try await locks.withLock("a") { _ in } }
            #expect(error?.code == .alreadyHeld)
            writer.cancel()
            _ = await writer.result
        }
    }

    @Test("a nested wait has a limit, whose error explains it", arguments: ServerKind.allCases)
    func nested(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager { $0.timeouts.nested = .seconds(10) }
        let other = try await server.manager().acquire("b")
        try await locks.withLock("a") { _ in
            let error = await #expect(throws: LockError.self) { try await locks.withLock("b") { _ in } }
            #expect(error?.code == .timedOut)
            #expect(error?.message.contains("timeouts.nested") == true)
            #expect(error?.message.hasPrefix("Waited 10.0 seconds for the lock") == true)
        }
        try await other.release()
    }

    @Test("a loss of the session cancels the body and is thrown", arguments: ServerKind.allCases)
    func loss(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        let error = await #expect(throws: LockError.self) {
            try await locks.withLock("a") { lock in
                try await server.endSessions()
                let loss = await lock.waitForEnd()
                #expect(loss?.code == .lockLost)
                #expect(!lock.isHeld)
                #expect(await becomesCancelled())
            }
        }
        #expect(error?.code == .lockLost)
        // The manager recovers by itself.
        try await locks.withLock("a") { lock in #expect(lock.isHeld) }
    }

    @Test("a wait for the end of a lock ends with its release, and by cancellation", arguments: ServerKind.allCases)
    func end(on kind: ServerKind) async throws {
        let locks = try await kind.start().manager()
        let lock = try await locks.acquire("a")
        let view = lock.lock
        let cancelled = Task { await view.waitForEnd() }
        let observer = Task { await view.waitForEnd() }
        cancelled.cancel()
        #expect(await cancelled.value == nil)
        try await lock.release()
        #expect(await observer.value == nil)
        #expect(!view.isHeld)
        #expect(await view.waitForEnd() == nil)
    }

    @Test("shutdown refuses new work, fails those who wait, and waits for those who hold", arguments: ServerKind.allCases)
    func shutdown(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (locks, other) = (try server.manager(), try server.manager())
        let blocker = try await other.acquire("b")
        let held = try await locks.acquire("a")
        let waiting = Task { try await locks.withLock("b") { _ in } }
        try await server.eventually("the task waits") { try await server.locks(granted: false) == 1 }
        let end = Task { await locks.shutdown(gracePeriod: .seconds(600)) }
        let error = await #expect(throws: LockError.self) { try await waiting.value }
        #expect(error?.code == .shutDown)
        let refused = await #expect(throws: LockError.self) { try await locks.acquire("c").release() }
        #expect(refused?.code == .shutDown)
        let isHeld = held.isHeld
        #expect(isHeld)
        try await held.release()
        await end.value
        try await blocker.release()
    }

    @Test("after the grace period what is still held is lost", arguments: ServerKind.allCases)
    func grace(on kind: ServerKind) async throws {
        let locks = try await kind.start().manager()
        let held = try await locks.acquire("a")
        await locks.shutdown(gracePeriod: .milliseconds(10))
        let isHeld = held.isHeld
        #expect(!isHeld)
        do {
            try await held.release()
            Issue.record("The release says nothing of the loss.")
        } catch let error as LockError {
            #expect(error.code == .lockLost)
        }
    }
}

/// Loses updates unless its users exclude each other.
final class UnsafeCounter: @unchecked Sendable {
    // Guarded by the lock under test, and by nothing else.
    nonisolated(unsafe) var value = 0

    func increment() async {
        let read = value
        await Task.yield()
        value = read + 1
    }
}
