import FaultTools
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("Changing modes")
struct ModeTests {
    private static let terminateAll =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

    @Test(
        "a downgrade lets shared holders in and no exclusive one, also if exclusive requests wait",
        .lockServers,
        arguments: ServerKind.allCases
    )
    func downgrade(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (first, second, third) = (try server.manager(), try server.manager(), try server.manager())
        let lock = try await first.acquire("a")
        let view = lock.lock
        async let sharing: Bool = second.withLock("a", mode: .shared) { _ in view.isHeld }
        try await server.eventually("one waits to share") { try await server.locks(granted: false) == 1 }
        let alone = Task { try await third.withLock("a") { _ in view.isHeld } }
        try await server.eventually("another waits alone") { try await server.locks(granted: false) == 2 }
        try await lock.downgrade()
        #expect(view.mode == .shared)
        #expect(try await sharing)
        try await lock.downgrade()
        try await Task.sleep(for: .milliseconds(50))
        #expect(try await server.locks(granted: false) == 1, "who wants it alone waits on")
        let isHeld = lock.isHeld
        #expect(isHeld)
        try await lock.release()
        #expect(try await !alone.value)
    }

    @Test(
        "after a downgrade tasks of the same process share the lock, however long it was held before",
        .lockServers,
        arguments: ServerKind.allCases
    )
    func sharingAmongOurselves(on kind: ServerKind) async throws {
        let locks = try await kind.start().manager()
        let lock = try await locks.acquire("a")
        async let sharing: Bool = locks.withLock("a", mode: .shared) { $0.isHeld }
        try await Task.sleep(for: .milliseconds(100))
        try await lock.downgrade()
        #expect(try await sharing)
        try await lock.release()
    }

    @Test("during a downgrade no other holder gets the lock exclusively", .lockServers, arguments: ServerKind.allCases)
    func noGap(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (first, second) = (try server.manager(), try server.manager())
        let version = UnsafeCounter()
        try await withThrowingTaskGroup { group in
            for manager in [first, second, second] {
                group.addTask {
                    for _ in 0..<100 { try await manager.withLock("a") { _ in await version.increment() } }
                }
                group.addTask {
                    for _ in 0..<100 {
                        let lock = try await manager.acquire("a")
                        await version.increment()
                        let before = version.value
                        try await lock.downgrade()
                        #expect(version.value == before)
                        await Task.yield()
                        let isAlone = try await lock.tryUpgrade()
                        #expect(version.value == before)
                        if isAlone { await version.increment() }
                        try await lock.release()
                        if isAlone { try await manager.withLock("upgrades") { _ in upgrades.value += 1 } }
                    }
                }
            }
            try await group.waitForAll()
        }
        // One increment each, and a second one for each upgrade.
        #expect(version.value == 600 + upgrades.value)
    }

    private let upgrades = UnsafeCounter()

    @Test(
        "an upgrade is refused while another holder of this process or another one shares the lock, and excludes both when it succeeds",
        .lockServers,
        arguments: ServerKind.allCases
    )
    func upgrade(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let (first, second) = (try server.manager(TestDatabase.unlimitedHandoff), try server.manager())
        let lock = try await first.acquire("a", mode: .shared)
        for manager in [first, second] {
            let other = try await manager.acquire("a", mode: .shared)
            #expect(try await !lock.tryUpgrade())
            let mode = lock.mode
            #expect(mode == .shared)
            try await other.release()
        }
        #expect(try await lock.tryUpgrade())
        #expect(try await lock.tryUpgrade(), "it is exclusive already")
        let mode = lock.mode
        #expect(mode == .exclusive)
        for manager in [first, second] {
            #expect(try await !manager.isFree("a", mode: .shared))
        }
        #expect(try await server.locks() == 1, "held in one mode, not in both")
        try await lock.release()
        #expect(try await second.isFree("a"))
    }

    @Test("of several upgrades at the same time at most one succeeds, and all of them end", .lockServers, arguments: ServerKind.allCases)
    func rivals(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let managers = [try server.manager(), try server.manager()]
        let counter = UnsafeCounter()
        let upgrades = try await withThrowingTaskGroup(of: Int.self) { group in
            for task in 0..<6 {
                group.addTask {
                    var upgrades = 0
                    for _ in 0..<100 {
                        let lock = try await managers[task % 2].acquire("a", mode: .shared)
                        await Task.yield()
                        if try await lock.tryUpgrade() {
                            await counter.increment()
                            upgrades += 1
                        }
                        try await lock.release()
                    }
                    return upgrades
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(counter.value == upgrades)
        print("upgraded: \(upgrades) of 600")
    }

    @Test("a lock that is lost while its mode is being changed says so", .server(), arguments: [LockMode.shared, .exclusive])
    func loss(mode: LockMode) async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
        }
        let lock = try await locks.acquire("a", mode: mode)
        // The answer to the change is held back; the end of the session is not.
        link.swallowEverything()
        let killer = Task { try await database.query(Self.terminateAll) }
        do {
            if mode == .shared { _ = try await lock.tryUpgrade() } else { try await lock.downgrade() }
            Issue.record("The change says nothing of the loss.")
        } catch let error as LockError {
            #expect(error.code == .lockLost)
            #expect(error.keys == ["a"])
        }
        let isHeld = lock.isHeld
        #expect(!isHeld)
        _ = try await killer.value
        let again = await #expect(throws: LockError.self) { _ = try await lock.tryUpgrade() }
        #expect(again?.code == .lockLost)
    }

    @Test("sessions that are terminated at any moment of a change end it at once", .server())
    func termination() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let killer = Task {
            while !Task.isCancelled {
                try await Task.sleep(for: .milliseconds(30))
                try await database.query(Self.terminateAll)
            }
        }
        var losses = 0
        for _ in 0..<300 {
            do {
                let lock = try await locks.acquire("a", timeout: .seconds(120))
                for _ in 0..<20 {
                    try await lock.downgrade()
                    #expect(try await lock.tryUpgrade(), "no other holder is there")
                }
                try await lock.release()
            } catch let error as LockError {
                losses += 1
                #expect([.lockLost, .connectionLost].contains(error.code), "\(error)")
            }
        }
        killer.cancel()
        _ = await killer.result
        print("terminated: \(losses) of 300 rounds lost their lock")
    }

    @Test("a cancelled task downgrades all the same, and does not try to upgrade", .lockServers, arguments: ServerKind.allCases)
    func cancelled(on kind: ServerKind) async throws {
        let locks = try await kind.start().manager()
        let task = Task {
            let lock = try await locks.acquire("a")
            withUnsafeCurrentTask { $0?.cancel() }
            try await lock.downgrade()
            let mode = lock.mode
            #expect(mode == .shared)
            do {
                _ = try await lock.tryUpgrade()
                Issue.record("A cancelled task has upgraded its lock.")
            } catch is CancellationError {}
            try await lock.release()
        }
        try await task.value
    }
}
