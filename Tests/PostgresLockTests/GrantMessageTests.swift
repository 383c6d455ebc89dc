import FaultTools
import LibPQ
import PostgresLock
import PostgresLockTesting
import Testing

/// The server reports the grant of a wait by a message, some time before the statement that has waited comes to its end.
@Suite("Grants that are reported before their statement has ended")
struct GrantMessageTests {
    /// What comes behind the message of the grant.
    enum Rest: CaseIterable, Sendable {
        case arrivesLater
        case doesNotArrive
    }

    @Test(
        "a lock is granted by the server's message, and can be released, though the rest has not come",
        .server(),
        arguments: Rest.allCases
    )
    func granted(rest: Rest) async throws {
        let database = try TestDatabase.get()
        let (link, locks) = try database.linkedManager()
        defer { link.close() }
        let holder = try database.manager()
        let held = try await holder.acquire("a")
        let waiting = Task { try await locks.acquire("a").copyable() }
        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
        let session = try await waitingSessions(database)
        link.holdBack(behind: "PGL00")
        try await held.release()
        let lock = try await waiting.value
        #expect(lock.lock.isHeld && link.isHoldingBack)
        #expect(try await holder.tryAcquire("a") == nil)
        switch rest {
        case .arrivesLater:
            // The unlock reaches the server, and its answer is behind the rest.
            let releasing = Task { try await lock.release() }
            try await database.eventually("it is unlocked") { try await database.locks() == 0 }
            link.deliverEverything()
            try await releasing.value
            // The session is as good as before.
            let other = try await holder.acquire("a")
            let next = Task { try await locks.withLock("a") { lock in lock.isHeld } }
            try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
            #expect(try await waitingSessions(database) == session)
            try await other.release()
            #expect(try await next.value)
        case .doesNotArrive:
            await link.cut()
            #expect(await lock.lock.waitForEnd() != nil)
            await #expect(throws: LockError.self) { try await lock.release() }
        }
        await locks.shutdown()
    }

    private func waitingSessions(_ database: TestDatabase) async throws -> [[String?]] {
        try await database.query(
            """
            SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """
        )
    }

    @Test(
        "a transaction and an explicit session have a lock only when the statement that has waited has ended",
        .server(),
        arguments: [true, false]
    )
    func ended(isTransaction: Bool) async throws {
        let database = try TestDatabase.get()
        let (link, locks) = try database.linkedManager()
        defer { link.close() }
        let holder = try database.manager()
        let held = try await holder.acquire("a")
        let isAcquired = Locked(false)
        let waiting = Task {
            if isTransaction {
                try await locks.withTransaction(locking: "a") { _ in
                    isAcquired.withLock { $0 = true }
                }
            } else {
                try await locks.withSession { session in
                    try await session.acquire("a")
                    isAcquired.withLock { $0 = true }
                }
            }
        }
        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
        link.holdBack(behind: "PGL00")
        try await held.release()
        try await database.eventually("it is granted") { try await database.locks(granted: false) == 0 }
        // The message has come by the time in which so much has.
        for _ in 0..<10 { try await locks.withLock("b") { _ in } }
        #expect(link.isHoldingBack && !isAcquired.withLock { $0 })
        link.deliverEverything()
        try await waiting.value
        await locks.shutdown()
    }

    @Test("a call that is cancelled while its grant is reported, and the rest is held back, has the lock, or leaves none", .server())
    func raced() async throws {
        let database = try TestDatabase.get()
        let (link, locks) = try database.linkedManager()
        defer { link.close() }
        let holder = try database.manager()
        for round in 0..<200 {
            let held = try await holder.acquire("a").copyable()
            let waiting = Task { try await locks.acquire("a", timeout: .seconds(120)).copyable() }
            try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
            if round.isMultiple(of: 2) { link.holdBack(behind: "PGL00") }
            async let released: Void = held.release()
            try await Task.sleep(for: .microseconds(Int.random(in: 0...1_000)))
            waiting.cancel()
            if case .success(let lock) = await waiting.result {
                link.deliverEverything()
                try await lock.release()
            }
            try await released
            link.deliverEverything()
            try await database.eventually("nothing is held") { try await database.locks() == 0 }
        }
        await locks.shutdown()
    }
}

extension TestDatabase {
    /// A manager whose connections go over a link.
    fileprivate func linkedManager() throws -> (SlowLink, LockManager) {
        let link = try SlowLink(to: server.socketDirectory, port: server.port, delay: .zero)
        return (link, try manager { $0.url = "host=\(link.folder) port=\(server.port) user=postgres dbname=\(name)" })
    }
}
