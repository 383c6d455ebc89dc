import FaultTools
import LibPQ
import Logging
import MetricsTestKit
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("Releases that are not awaited")
struct UnawaitedReleaseTests {
    private static func url(_ link: borrowing SlowLink, _ database: TestDatabase) -> String {
        "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
    }

    @Test(
        "others get a lock whose release was not awaited, and the manager's shutdown leaves nothing behind",
        .lockServers,
        arguments: ServerKind.allCases
    )
    func others(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager { $0.awaitsRelease = false }
        let others = try server.manager()
        for number in 1...50 {
            try await locks.withLock("a") { _ in }
            if number.isMultiple(of: 10) { try await others.withLock("a") { #expect($0.isHeld) } }
            let handle = try await locks.acquire("b")
            try await handle.release()
            #expect(try await locks.withLocks([.exclusive("c"), .exclusive("d")]) { $0.isHeld })
        }
        let last = try await locks.acquire("a")
        try await last.release()
        await locks.shutdown()
        #expect(try await server.locks() == 0)
        #expect(await locks.unawaitedReleaseFailures == 0)
    }

    @Test(
        "a manager gets at once, again and again, the lock that it has released without waiting",
        .lockServers,
        arguments: ServerKind.allCases
    )
    func sameKey(on kind: ServerKind) async throws {
        let locks = try await kind.start().manager { $0.awaitsRelease = false }
        for _ in 0..<200 {
            let held = try await locks.tryAcquire("a")
            guard let held else {
                Issue.record("The lock counts as taken.")
                return
            }
            try await held.release()
        }
    }

    @Test("a release that is not awaited returns though the server is silent, and its failure is logged and counted", .server())
    func failure() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let lines = LogRecorder()
        var configuration = LockManager.Configuration(url: Self.url(link, database))
        configuration.awaitsRelease = false
        // A release at its end would throw.
        configuration.lease = .seconds(10)
        let metrics = TestMetrics()
        configuration.metrics.factory = metrics
        let locks = try LockManager(configuration: configuration, logger: lines.logger)
        let held = try await locks.acquire("orders:42")
        link.swallowEverything()
        try await held.release()
        #expect(await locks.unawaitedReleaseFailures == 0)
        try await database.eventually("the failure is counted") { await locks.unawaitedReleaseFailures == 1 }
        await locks.shutdown(gracePeriod: .zero)
        await locks.drainLog()
        let line = lines.lines.all.first { $0.message.contains("release") && $0.level == .error }
        #expect(line?.metadata["pglock.key"] == "\(LockKey("orders:42"))")
        #expect(await locks.unawaitedReleaseFailures == 1)
        // At its shutdown the manager waits for the handler of metrics for a second at most.
        try await database.eventually("the failure is recorded") { metrics.total("pglock.release.failures") == 1 }
    }

    @Test("a loss that is known before is thrown by a release that is not awaited, too", .lockServers, arguments: ServerKind.allCases)
    func loss(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let locks = try server.manager { $0.awaitsRelease = false }
        let held = try await locks.acquire("a").copyable()
        let view = held.lock
        try await server.endSessions()
        #expect(await view.waitForEnd() != nil)
        await #expect(throws: LockError.self) { try await held.release() }
        let error = await lockError { try await locks.withLock("b") { try await Self.lose($0, server) } }
        #expect(error?.code == .lockLost)
        #expect(await locks.unawaitedReleaseFailures == 0)
    }

    private static func lose(_ lock: HeldLock, _ server: any TestServer) async throws {
        try await server.endSessions()
        _ = await lock.waitForEnd()
    }

    @Test("a lease that has run out is thrown by a release that is not awaited, too", .server())
    func expired() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try database.manager {
            $0.url = Self.url(link, database)
            $0.awaitsRelease = false
            $0.lease = .seconds(1)
        }
        let held = try await locks.acquire("a").copyable()
        link.swallowEverything()
        try await Task.sleep(for: .seconds(1))
        await #expect(throws: LockError.self) { try await held.release() }
    }

    @Test("without a lease, a release has to be awaited")
    func leaseRequired() {
        var configuration = LockManager.Configuration()
        configuration.awaitsRelease = false
        configuration.lease = nil
        #expect { try LockManager(configuration: configuration) } throws: { ($0 as? LockError)?.code == .badConfiguration }
        configuration.lease = .seconds(30)
        #expect(throws: Never.self) { try configuration.validate() }
    }
}
