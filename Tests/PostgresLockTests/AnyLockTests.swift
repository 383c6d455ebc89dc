import LibPQ
import PostgresLock
import Testing

@Suite("One lock of several", .lockServers)
struct AnyLockTests {
    private static let keys: [LockKey] = ["a", "b", "c"]

    @Test("each call gets another of the free locks, and none once all are taken", arguments: ServerKind.allCases)
    func each(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let managers = try (0..<3).map { _ in try server.manager() }
        var handles: [CopyableLockHandle] = []
        for locks in managers { handles.append(try await locks.acquire(anyOf: Self.keys).copyable()) }
        #expect(Set(handles.map(\.lock.key)) == Set(Self.keys))
        #expect(try await server.locks() == 3)
        #expect(try await managers[0].tryAcquire(anyOf: Self.keys) == nil)
        #expect(try await server.locks() == 3)
        for handle in handles { try await handle.release() }
        #expect(try await server.locks() == 0)
    }

    @Test("tasks of one process share the locks that there are, and none is held twice", arguments: ServerKind.allCases)
    func crowd(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        let held = Locked<(now: Set<LockKey>, all: Set<LockKey>)>(([], []))
        try await withThrowingTaskGroup { group in
            for _ in 0..<60 {
                group.addTask {
                    try await locks.withLock(anyOf: Self.keys) { lock in
                        let isNew = held.withLock { held in
                            held.all.insert(lock.key)
                            return held.now.insert(lock.key).inserted
                        }
                        #expect(isNew)
                        await Task.yield()
                        held.withLock { _ = $0.now.remove(lock.key) }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(held.withLock { $0.all }.isSubset(of: Self.keys))
        #expect(try await server.locks() == 0)
    }

    @Test("a call that waits gets the lock that another process releases, whichever that is", arguments: ServerKind.allCases)
    func waits(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (holder, locks) = (try server.manager(), try server.manager())
        let a = try await holder.acquire("a")
        let b = try await holder.acquire("b")
        async let got = locks.withLock(anyOf: ["a", "b"]) { $0.key }
        try await server.eventually("it waits") { await locks.waitingCount == 1 }
        try await b.release()
        #expect(try await got == "b")
        try await a.release()
    }

    @Test("a lock that another task of the process releases is passed on", arguments: ServerKind.allCases)
    func passedOn(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager { $0.handoff.maximumDuration = .seconds(3600) }
        let a = try await locks.acquire("a")
        let b = try await locks.acquire("b")
        async let got = locks.withLock(anyOf: ["a", "b"]) { $0.key }
        try await server.eventually("it waits") { await locks.waitingCount == 1 }
        try await a.release()
        #expect(try await got == "a")
        try await b.release()
    }

    @Test("a cancelled call leaves nothing behind", arguments: ServerKind.allCases)
    func cancelled(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        for number in 0..<50 {
            let task = Task { try await locks.acquire(anyOf: Self.keys).release() }
            for _ in 0..<number { await Task.yield() }
            task.cancel()
            do {
                try await task.value
            } catch is CancellationError {}
        }
        try await server.eventually("nothing is held") { try await server.locks() == 0 }
    }

    @Test("a call whose time is over says that all the locks are taken", arguments: ServerKind.allCases)
    func timedOut(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (holder, locks) = (try server.manager(), try server.manager())
        let a = try await holder.acquire("a")
        let b = try await holder.acquire("b")
        await expectTimedOut { timeout in try await locks.withLock(anyOf: ["a", "b"], timeout: timeout) { _ in } }
        let error = await lockError { try await locks.acquire(anyOf: ["a", "b"], timeout: .zero).release() }
        #expect(error?.code == .timedOut)
        #expect(error.map { Set($0.keys) } == ["a", "b"])
        try await a.release()
        try await b.release()
    }

    @Test("a call for no lock at all is refused, and says so", arguments: ServerKind.allCases)
    func empty(on kind: ServerKind) async throws {
        let locks = try await kind.start().manager()
        let error = await lockError { try await locks.acquire(anyOf: [LockKey]()).release() }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("at least one") == true)
    }

    @Test("a lock that the task itself holds is left out; if it holds all, that is an error", arguments: ServerKind.allCases)
    func own(on kind: ServerKind) async throws {
        let locks = try await kind.start().manager()
        try await locks.withLock("a") { _ in
            let key = try await locks.withLock(anyOf: ["a", "b"]) { $0.key }
            #expect(key == "b")
            let error = await lockError { try await locks.withLock(anyOf: ["a"]) { _ in } }
            #expect(error?.code == .alreadyHeld)
        }
    }

    @Test("keys of both spaces can be mixed", arguments: ServerKind.allCases)
    func spaces(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (one, other) = (try server.manager(), try server.manager())
        let keys = [LockKey(1, 2), LockKey(number: -7), LockKey(-3, -4)]
        var handles: [CopyableLockHandle] = []
        for locks in [one, other, one] { handles.append(try await locks.acquire(anyOf: keys).copyable()) }
        #expect(Set(handles.map(\.lock.key)) == Set(keys))
        for handle in handles { try await handle.release() }
    }

    @Test("shared holders share, and an exclusive call takes another lock", arguments: ServerKind.allCases)
    func modes(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (one, other) = (try server.manager(), try server.manager())
        let first = try await one.acquire(anyOf: ["a"], mode: .shared)
        let second = try await other.acquire(anyOf: ["a"], mode: .shared)
        #expect(try await other.withLock(anyOf: ["a", "b"]) { $0.key } == "b")
        try await first.release()
        try await second.release()
    }

    @Test("the loss of the lock cancels the body", arguments: ServerKind.allCases)
    func lost(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager()
        let error = await lockError {
            try await locks.withLock(anyOf: Self.keys) { lock in
                try await server.endSessions(holding: lock.key)
                try await Task.sleep(for: .seconds(3600))
            }
        }
        #expect(error?.code == .lockLost)
        #expect(error.map { Set($0.keys).isSubset(of: Self.keys) } == true)
    }

    @Test("more keys than one statement takes are tried all the same", arguments: ServerKind.allCases)
    func many(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (holder, locks) = (try server.manager { $0.capacity = .unlimited }, try server.manager())
        let keys = (1...1_005).map { LockKey(number: $0) }
        let held = try await holder.acquire(all: keys.dropLast().map { .exclusive($0) })
        #expect(try await locks.withLockIfAvailable(anyOf: keys) { $0.key } == keys.last)
        try await held.release()
    }
}

@Suite("One lock of several on PostgreSQL", .database)
struct AnyLockServerTests {
    @Test("a statement takes one lock of a hundred, however the server plans and runs it")
    func exactlyOne() async throws {
        let database = try TestDatabase.get()
        for settings in ["jit = on", "jit_above_cost = 0", "plan_cache_mode = force_generic_plan", "parallel_setup_cost = 0"] {
            try await database.query("ALTER DATABASE \(database.name) SET \(settings)")
            let locks = try database.manager()
            for _ in 0..<8 {
                let handle = try await locks.acquire(anyOf: (1...100).map { LockKey(number: $0) })
                #expect(try await database.locks() == 1, "\(settings)")
                try await handle.release()
            }
        }
    }

    @Test("a token of a lock that was one of several is greater than that of its holder before")
    func token() async throws {
        let locks = try TestDatabase.get().manager { $0.fencingTokens = true }
        var tokens: [FencingToken] = []
        for _ in 0..<3 { tokens.append(try await locks.withLock(anyOf: ["a"]) { try #require($0.fencingToken) }) }
        #expect(tokens == tokens.sorted() && Set(tokens).count == 3)
    }

    @Test("after a statement that was cancelled from outside nothing is held that is not given out, and no warning is logged")
    func struck() async throws {
        let database = try TestDatabase.get()
        let (holder, locks) = (try database.manager(), try database.manager())
        let held = try await holder.acquire("a")
        async let got = locks.withLock(anyOf: ["a", "b"], timeout: .seconds(60)) { $0.key }
        for _ in 0..<20 {
            try await database.query(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        }
        #expect(try await got == "b")
        try await held.release()
    }
}
