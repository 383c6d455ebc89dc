import PostgresLock
import Testing

@Suite("Several locks", .lockServers)
struct LockSetTests {
    @Test("several locks are held together, each key once and in the stronger mode, until the scope ends", arguments: ServerKind.allCases)
    func scope(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        let requests: [LockRequest] = [
            .shared(LockKey(number: 3)), .exclusive(LockKey(1, 2)), .exclusive(LockKey(number: 1)),
            .exclusive(LockKey(number: 3)), .shared(LockKey(number: 2)), .shared(LockKey(number: 2)),
        ]
        let result = try await locks.withLocks(requests) { set async throws in
            #expect(set.isHeld)
            #expect(set.keys == [LockKey(number: 1), LockKey(number: 2), LockKey(number: 3), LockKey(1, 2)])
            #expect(set.map(\.mode) == [.exclusive, .shared, .exclusive, .exclusive])
            #expect(set[LockKey(number: 2)]?.mode == .shared)
            #expect(set["elsewhere"] == nil)
            let held = try await server.locks()
            #expect(held == 4)
            return 42
        }
        #expect(result == 42)
        #expect(try await server.locks() == 0)
    }

    @Test(
        "the view of several locks is a collection in the order of the keys, and the wait for its end ends with the release",
        arguments: ServerKind.allCases
    )
    func collection(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        let set = try await locks.acquire(all: [.exclusive(LockKey(number: 2)), .shared(LockKey(number: 1))])
        let view = set.locks
        #expect(view.map(\.key) == view.keys)
        #expect(view.map(\.mode) == [.shared, .exclusive])
        #expect(view[1].key == LockKey(number: 2))
        #expect(view.last?.key == LockKey(number: 2))
        let cancelled = Task { await view.waitForEnd() }
        let observer = Task { await view.waitForEnd() }
        cancelled.cancel()
        #expect(await cancelled.value == nil)
        try await set.release()
        #expect(await observer.value == nil)
        #expect(await view.waitForEnd() == nil)
        #expect(view.allSatisfy { !$0.isHeld })
        let none = try await locks.acquire(all: [])
        #expect(none.locks.isEmpty)
        #expect(await none.locks.waitForEnd() == nil)
        try await none.release()
    }

    @Test("several locks keep other holders out as single locks do, in their modes", arguments: ServerKind.allCases)
    func modes(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (first, second) = (try server.manager(), try server.manager())
        let held = try await first.acquire(all: [.exclusive("a"), .shared("b")])
        #expect(try await !second.isFree("a", mode: .shared))
        #expect(try await second.isFree("b", mode: .shared))
        #expect(try await !second.isFree("b"))
        try await held.release()
        #expect(try await second.isFree("a"))
        #expect(try await second.isFree("b"))
    }

    @Test("hundreds of free locks take one statement to acquire and one to release", .database)
    func statements() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager {
            // On a busy machine the locks may be held for long enough for a look, or for a heartbeat, which would be counted.
            $0.releaseLookInterval = .seconds(86_400)
            $0.lease = .seconds(86_400)
        }
        try await locks.withLock("warm") { _ in }
        let requests = (0..<400).map { LockRequest.exclusive(LockKey(number: Int64($0))) }
        let before = await locks.statementCount
        let held = try await locks.acquire(all: requests)
        #expect(await locks.statementCount == before + 1)
        #expect(try await database.locks() == 400)
        try await held.release()
        #expect(await locks.statementCount == before + 2)
        #expect(try await database.locks() == 0)
    }

    @Test("if one of several locks is taken, none is held, and the error names it", arguments: [0, 3000], ServerKind.allCases)
    func nothing(milliseconds: Int, on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (first, second) = (try server.manager(), try server.manager())
        let taken = try await first.acquire(all: [.exclusive("b"), .shared("d")])
        let error = await informedError(from: .milliseconds(milliseconds)) { timeout in
            try await second.withLocks([.exclusive("a"), .exclusive("b"), .shared("c"), .shared("d")], timeout: timeout) { _ in }
        }
        #expect(error?.code == .timedOut)
        #expect(error?.keys == ["b"])
        #expect(try await server.locks() == 2)
        #expect(try await second.tryAcquire(all: [.exclusive("a"), .exclusive("b")]) == nil)
        for key: LockKey in ["a", "c"] {
            #expect(try await first.isFree(key))
        }
        try await server.eventually("no wait remains") { try await server.locks(granted: false) == 0 }
        try await taken.release()
    }

    @Test("a task that waits for one of several locks holds those before it, and none behind it", arguments: ServerKind.allCases)
    func prefix(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (first, second) = (try server.manager(), try server.manager())
        let taken = try await first.acquire(LockKey(number: 2))
        let waiting = Task {
            try await second.withLocks((1...4).reversed().map { .exclusive(LockKey(number: $0)) }) { $0.isHeld }
        }
        try await server.eventually("it waits") { try await server.locks(granted: false) == 1 }
        #expect(try await !first.isFree(LockKey(number: 1)))
        try await server.eventually("what comes behind is free") {
            var areFree = true
            for number: Int64 in 3...4 { areFree = try await first.isFree(LockKey(number: number)) && areFree }
            return areFree
        }
        try await taken.release()
        #expect(try await waiting.value)
    }

    @Test("tasks of two processes that name them in any order lose no update, and never wait in a ring", arguments: ServerKind.allCases)
    func anyOrder(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let managers = [try server.manager(), try server.manager { $0.pool.maximumConnections = 3 }]
        let counters = (0..<6).map { _ in UnsafeCounter() }
        let expected = try await withThrowingTaskGroup(of: [Int].self) { group in
            for task in 0..<40 {
                group.addTask {
                    var counts = [Int](repeating: 0, count: counters.count)
                    for _ in 0..<15 {
                        let chosen = Array(counters.indices.shuffled().prefix(Int.random(in: 1...4)))
                        let exclusive = chosen.filter { _ in Bool.random() }
                        let requests = chosen.map { index in
                            LockRequest(LockKey(number: Int64(index)), mode: exclusive.contains(index) ? .exclusive : .shared)
                        }
                        try await managers[task % 2].withLocks(requests, timeout: .seconds(120)) { _ in
                            let before = chosen.map { counters[$0].value }
                            await Task.yield()
                            #expect(chosen.map { counters[$0].value } == before)
                            for index in exclusive {
                                await counters[index].increment()
                                counts[index] += 1
                            }
                        }
                    }
                    return counts
                }
            }
            return try await group.reduce(into: [Int](repeating: 0, count: counters.count)) { total, counts in
                for index in counts.indices { total[index] += counts[index] }
            }
        }
        #expect(counters.map(\.value) == expected)
    }

    @Test("a cancellation or a timeout at any moment leaves nothing behind", arguments: ServerKind.allCases)
    func cancellation(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (first, second) = (try server.manager(), try server.manager())
        let ends = try await withThrowingTaskGroup(of: (held: Int, cancelled: Int, timedOut: Int).self) { group in
            for lane in 0..<12 {
                group.addTask {
                    var ends = (held: 0, cancelled: 0, timedOut: 0)
                    for _ in 0..<40 {
                        let keys = (0..<6).shuffled().prefix(3).map { LockKey(number: Int64($0)) }
                        let requests = keys.map { LockRequest($0, mode: Int.random(in: 0..<3) == 0 ? .shared : .exclusive) }
                        // So that each end comes, on machines of any speed.
                        let scale = Int.random(in: 0..<4) == 0 ? 20 : 1
                        let timeout: Duration? = Bool.random() ? .microseconds(Int.random(in: 1...8000) * scale) : nil
                        let task = Task {
                            try await (lane % 2 == 0 ? first : second).withLocks(requests, timeout: timeout) { _ in
                                try await Task.sleep(for: .microseconds(Int.random(in: 0...1000)))
                            }
                        }
                        try await Task.sleep(for: .microseconds(Int.random(in: 0...12000) * scale))
                        task.cancel()
                        do {
                            try await task.value
                            ends.held += 1
                        } catch is CancellationError {
                            ends.cancelled += 1
                        } catch let error as LockError {
                            #expect([.timedOut, .noAnswer].contains(error.code), "\(error)")
                            ends.timedOut += 1
                        }
                    }
                    return ends
                }
            }
            return try await group.reduce((0, 0, 0)) { ($0.0 + $1.held, $0.1 + $1.cancelled, $0.2 + $1.timedOut) }
        }
        try await server.eventually("no lock remains") { try await server.locks() == 0 }
        try await server.eventually("no wait remains") { try await server.locks(granted: false) == 0 }
        for number in 0..<6 {
            #expect(try await first.isFree(LockKey(number: Int64(number))))
            #expect(try await second.isFree(LockKey(number: Int64(number))))
        }
        print("ended: \(ends)")
        #expect(ends.0 > 0 && ends.1 > 0 && ends.2 > 0, "otherwise nothing was tried")
    }

    @Test("a task that was cancelled before gets none", arguments: ServerKind.allCases)
    func cancelledBefore(on kind: ServerKind) async throws {
        let locks = try await kind.start().manager()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await locks.acquire(all: [.exclusive("a"), .exclusive("b")]).release()
        }
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test(
        "asking for what the task holds itself is an error at once, which names the keys; sharing again is not",
        arguments: ServerKind.allCases
    )
    func selfDeadlock(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        try await locks.withLocks([.exclusive("a"), .exclusive("b"), .shared("c")]) { set in
            let error = await #expect(throws: LockError.self) {
                try await locks.withLocks([.shared("a"), .exclusive("b"), .shared("c"), .exclusive("d")]) { _ in }
            }
            #expect(error?.code == .alreadyHeld)
            #expect(Set(error?.keys ?? []) == ["a", "b"])
            #expect(error?.message.contains("\"a\"") == true && error?.message.contains("\"b\"") == true)
            let single = await #expect(throws: LockError.self) { try await locks.withLock("c") { _ in } }
            #expect(single?.code == .alreadyHeld)
            // An exclusive request that waits for this very scope does not stand in the way of sharing again.
            let writer = Task { try await locks.withLock("c") { _ in } }
            try await Task.sleep(for: .milliseconds(20))
            try await locks.withLocks([.shared("c"), .exclusive("d")]) { inner in
                #expect(inner.isHeld)
                #expect(set.isHeld)
            }
            let held = try await server.locks()
            #expect(held == 3)
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
            let error = await #expect(throws: LockError.self) {
                try await locks.withLocks([.exclusive("b"), .exclusive("c")]) { _ in }
            }
            #expect(error?.code == .timedOut)
            #expect(error?.message.contains("timeouts.nested") == true)
            #expect(error?.keys == ["b"])
        }
        try await other.release()
    }

    @Test("the loss of any of them cancels the body and is thrown, and the others are given back", arguments: ServerKind.allCases)
    func loss(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (locks, other) = (try server.manager(), try server.manager())
        // What has to be waited for is held on a connection of its own, the other on the shared session.
        let taken = try await other.acquire(LockKey(number: 2))
        let waiting = Task {
            try await locks.withLocks([.exclusive(LockKey(number: 1)), .exclusive(LockKey(number: 2))]) { set in
                try await server.endSessions(holding: LockKey(number: 2))
                let loss = await set.waitForEnd()
                #expect(loss?.code == .lockLost)
                #expect(loss?.keys == [LockKey(number: 2)])
                #expect(set.loss?.code == .lockLost)
                #expect(!set.isHeld)
                #expect(set[LockKey(number: 1)]?.isHeld == true)
                #expect(await becomesCancelled())
            }
        }
        try await server.eventually("it waits") { try await server.locks(granted: false) == 1 }
        try await taken.release()
        let error = await #expect(throws: LockError.self) { try await waiting.value }
        #expect(error?.code == .lockLost)
        #expect(error?.keys == [LockKey(number: 2)])
        #expect(try await server.locks() == 0)
    }

    @Test("code that learns of the loss of a lock finds all locks of its session lost", arguments: ServerKind.allCases)
    func lostTogether(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        // One round finds locks that end one by one in a third of all cases.
        for _ in 0..<10 {
            let held = try await locks.acquire(all: (1...500).map { .exclusive(LockKey(number: $0)) }, timeout: .seconds(120))
            let view = held.locks
            try await server.endSessions(holding: LockKey(number: 1))
            #expect(await view.waitForEnd()?.code == .lockLost)
            let stillHeld = view.keys.filter { view[$0]?.isHeld == true }
            #expect(stillHeld.isEmpty)
            do {
                try await held.release()
                Issue.record("The release does not throw.")
            } catch let error as LockError {
                #expect(error.code == .lockLost)
                #expect(error.keys.count == 500)
            }
        }
    }

    @Test("a dropped handle of several locks releases all of them", arguments: ServerKind.allCases)
    func dropped(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        func drop() async throws {
            let held = try await locks.acquire(all: [.exclusive("a"), .shared("b"), .exclusive(LockKey(1, 2))])
            let isHeld = held.isHeld
            #expect(isHeld)
        }
        try await drop()
        try await server.eventually("the locks are given back") { try await server.locks() == 0 }
    }

    @Test("a dropped handle of several locks releases the second lock if the first is lost", arguments: ServerKind.allCases)
    func droppedAfterLoss(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (locks, other) = (try server.manager(), try server.manager())
        // A lock that is waited for is held on a session of its own, the other one on the shared session.
        let taken = try await other.acquire(LockKey(number: 1))
        let waiting = Task {
            let held = try await locks.acquire(all: [.exclusive(LockKey(number: 1)), .exclusive(LockKey(number: 2))])
            let view = held.locks
            try await server.endSessions(holding: LockKey(number: 1))
            #expect(await view.waitForEnd()?.keys == [LockKey(number: 1)])
            #expect(view[LockKey(number: 2)]?.isHeld == true)
            let isHeld = held.isHeld
            #expect(!isHeld)
        }
        try await server.eventually("it waits") { try await server.locks(granted: false) == 1 }
        try await taken.release()
        try await waiting.value
        try await server.eventually("the second lock is released") { try await server.locks() == 0 }
    }

    @Test("no locks at all need no server")
    func none() async throws {
        let locks = try LockManager(configuration: .init(url: "host=/nowhere"))
        #expect(try await locks.withLocks([], timeout: .zero) { $0.isHeld && $0.keys.isEmpty })
        try await locks.acquire(all: []).release()
    }

    @Test("nonsense is refused before anything is locked", arguments: ServerKind.allCases)
    func nonsense(on kind: ServerKind) async throws {
        let locks = try await kind.start().manager()
        let empty = await #expect(throws: LockError.self) { try await locks.withLocks([.exclusive("a"), .shared("")]) { _ in } }
        #expect(empty?.code == .invalidArgument)
        let negative = await #expect(throws: LockError.self) {
            try await locks.withLocks([.exclusive("a")], timeout: .seconds(-1)) { _ in }
        }
        #expect(negative?.code == .invalidArgument)
    }
}
