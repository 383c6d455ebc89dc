import Foundation
import LibPQ
import PostgresLockTesting
import Testing

@testable import PostgresLock

@Suite("Leadership", .database)
struct LeadershipTests {
    @Test("of several processes one leads at a time, and each gets its turn")
    func exclusion() async throws {
        let database = try TestDatabase.get()
        let leading = Locked(0)
        let mostLeading = Locked(0)
        let turns = Locked(0)
        try await withThrowingTaskGroup { group in
            for _ in 0..<4 {
                let locks = try database.manager()
                group.addTask {
                    try await locks.withLeadership(of: "scheduler") { term in
                        #expect(term.isHeld)
                        let count = leading.withLock { count in
                            count += 1
                            return count
                        }
                        mostLeading.withLock { $0 = max($0, count) }
                        try await Task.sleep(for: .milliseconds(20))
                        leading.withLock { $0 -= 1 }
                        turns.withLock { $0 += 1 }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(mostLeading.withLock { $0 } == 1)
        #expect(turns.withLock { $0 } == 4)
    }

    @Test(
        "all see who leads and since when, also roles without rights, and that no session does afterwards",
        .direct("the role is its own")
    )
    func leader() async throws {
        let database = try TestDatabase.get()
        let role = "\(database.name)_app"
        try await database.query("CREATE ROLE \(role) LOGIN")
        let locks = try database.manager { $0.applicationName = "host-1" }
        let other = try database.manager { $0.url = database.server.connectionString(database: database.name, user: role) }
        #expect(try await other.leader(of: "scheduler") == nil)
        try await locks.withLeadership(of: "scheduler") { term in
            try await database.eventually("the term is published") { try await other.leader(of: "scheduler")?.since != nil }
            let leader = try #require(try await other.leader(of: "scheduler"))
            #expect(leader.name == "host-1")
            let since = try #require(leader.since)
            #expect(abs(since.timeIntervalSince(term.since)) < 60)
            #expect(try await other.leader(of: "another election") == nil)
        }
        #expect(try await other.leader(of: "scheduler") == nil)
        #expect(try await database.locks() == 0, "The term is not published any more.")
        await other.shutdown()
        try await database.query("DROP ROLE \(role)")
    }

    @Test("a term whose beginning could not be published at once is published when a connection is free")
    func publishedLate() async throws {
        let database = try TestDatabase.get()
        let (locks, other) = (try database.manager { $0.pool.maximumConnections = 2 }, try database.manager())
        let (isHeld, isOver) = (AsyncGate(), AsyncGate())
        let holding = Task {
            try await locks.withSession { _ in
                isHeld.open()
                await isOver.passed()
            }
        }
        await isHeld.passed()
        try await locks.withLeadership(of: "scheduler") { term in
            // Longer than one attempt waits for a connection.
            try await Task.sleep(for: .seconds(6))
            #expect(try await other.leader(of: "scheduler")?.since == nil)
            isOver.open()
            try await database.eventually("the term is published") { try await other.leader(of: "scheduler")?.since != nil }
            let since = try #require(try await other.leader(of: "scheduler")?.since)
            #expect(abs(since.timeIntervalSince(term.since)) < 60)
        }
        try await holding.value
    }

    @Test("a holder of the lock by other means counts as the leader, since an unknown time")
    func otherHolder() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.applicationName = "by hand" }
        try await locks.withLock("scheduler") { _ in
            let leader = try await locks.leader(of: "scheduler")
            #expect(leader?.name == "by hand")
            #expect(leader?.since == nil)
        }
        try await locks.withLock("scheduler", mode: .shared) { _ in
            let leader = try await locks.leader(of: "scheduler")
            #expect(leader == nil, "A lock that can be shared is no lead.")
        }
    }

    @Test("another process can ask the leader to step down; the lead is let go of only when the body has returned")
    func stepDown() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.applicationName = "host-1" }
        let other = try database.manager()
        #expect(try await other.requestStepDown(of: "scheduler") == nil, "No session leads.")
        let begun = AsyncGate()
        let mayEnd = AsyncGate()
        let leading = Task {
            try await locks.withLeadership(of: "scheduler") { term in
                begun.open()
                #expect(await becomesCancelled())
                #expect(term.isAskedToStepDown)
                await mayEnd.passed()
                #expect(term.isHeld)
                return "ended well"
            }
        }
        await begun.passed()
        let late = await lockError { try await other.requestStepDown(of: "scheduler", timeout: .seconds(4)) }
        #expect(late?.code == .timedOut)
        #expect(late?.message.contains("host-1") == true)
        try await database.eventually("the lead and the term are left") { try await database.locks() == 2 }
        let request = Task { try await other.requestStepDown(of: "scheduler", timeout: .seconds(60)) }
        try await database.eventually("it asks") { try await database.locks() == 3 }
        mayEnd.open()
        #expect(try await leading.value == "ended well")
        #expect(try await request.value?.name == "host-1")
    }

    @Test("a body that is only told of requests is not cancelled, and can watch for them")
    func told() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let other = try database.manager()
        let begun = AsyncGate()
        let leading = Task {
            try await locks.withLeadership(of: "scheduler", onStepDownRequest: .tellBody) { term in
                begun.open()
                let isAsked = await term.waitForStepDownRequest()
                #expect(isAsked)
                #expect(!Task.isCancelled)
            }
        }
        await begun.passed()
        #expect(try await other.requestStepDown(of: "scheduler", timeout: .seconds(60)) != nil)
        try await leading.value
    }

    @Test("a request that is still held when the next process leads is no request for that one")
    func addressed() async throws {
        let database = try TestDatabase.get()
        let (first, second, other) = (try database.manager(), try database.manager(), try database.manager())
        let begun = AsyncGate()
        let leading = Task {
            try await first.withLeadership(of: "scheduler") { _ in
                begun.open()
                #expect(await becomesCancelled())
            }
        }
        await begun.passed()
        let pid = try #require(try await other.leader(of: "scheduler")?.processID)
        // As by a requester that is slow to notice the change.
        try await other.withLock(try LeadershipKeys("scheduler").stepDown(of: pid), mode: .shared, timeout: .seconds(20)) { _ in
            try await leading.value
            try await second.withLeadership(of: "scheduler") { term in
                try await Task.sleep(for: LeadershipWatch.interval * 2.5)
                #expect(!term.isAskedToStepDown)
            }
        }
    }

    /// For how many seconds two leaders look for requests side by side.
    private static let seconds = ProcessInfo.processInfo.environment["PGLOCK_LEADER_SECONDS"].flatMap { Int($0) } ?? 3

    @Test("the looks for requests of a former leader, whose body goes on after the loss, and of its successor are no request for either")
    func sideBySide() async throws {
        let database = try TestDatabase.get()
        let (former, successor) = (try database.manager(), try database.manager())
        let error = await lockError {
            try await former.withLeadership(of: "scheduler") { term in
                try await database.terminateHolders()
                // The loss cancels this body, which does not heed it.
                let leading = Task {
                    try await successor.withLeadership(of: "scheduler") { next in
                        try await Task.sleep(for: .seconds(Self.seconds))
                        #expect(next.isHeld && !next.isAskedToStepDown)
                    }
                }
                try await leading.value
                #expect(!term.isAskedToStepDown)
            }
        }
        #expect(error?.code == .lockLost)
    }

    @Test("a process that leads two elections takes no look for requests to the one for a request to the other")
    func looks() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        try await withThrowingTaskGroup { group in
            for name in ["a", "b", "c", "d"] {
                group.addTask {
                    try await locks.withLeadership(of: name) { term in
                        try await Task.sleep(for: LeadershipWatch.interval * 4)
                        #expect(!term.isAskedToStepDown)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("a request to step down ends by its own timeout if no connection is free for its look")
    func noConnection() async throws {
        let database = try TestDatabase.get()
        let (leader, locks) = (try database.manager(), try database.manager { $0.pool.maximumConnections = 2 })
        try await leader.withLeadership(of: "scheduler") { _ in
            let isOpen = AsyncGate()
            let inUse = AsyncGate()
            let session = Task {
                try await locks.withSession { _ in
                    inUse.open()
                    await isOpen.passed()
                }
            }
            await inUse.passed()
            let error = await lockError { try await locks.requestStepDown(of: "scheduler", timeout: .milliseconds(300)) }
            #expect(error?.code == .poolExhausted)
            isOpen.open()
            try await session.value
        }
    }

    @Test("a lost lead cancels the body, and is thrown; another process leads then")
    func loss() async throws {
        let database = try TestDatabase.get()
        let (locks, other) = (try database.manager(), try database.manager())
        let error = await lockError {
            try await locks.withLeadership(of: "scheduler") { term in
                try await database.terminateHolders()
                #expect(await becomesCancelled())
                #expect(!term.isHeld)
                #expect(!term.isAskedToStepDown)
                let isAsked = await other.isLeading("scheduler")
                #expect(isAsked)
            }
        }
        #expect(error?.code == .lockLost)
    }

    @Test("stand-bys hold no snapshot: VACUUM removes everything and an index is built while they stand by")
    func harmless() async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE TABLE t (i int); INSERT INTO t SELECT generate_series(1, 1000)")
        let locks = try database.manager()
        let managers = try (0..<10).map { _ in try database.manager() }
        let standBys = managers.map { locks in Task { try await locks.withLeadership(of: "scheduler") { _ in } } }
        try await locks.withLeadership(of: "scheduler") { _ in
            for standBy in managers { try await database.eventually("it has tried twice") { await standBy.statementCount > 1 } }
            try await database.query("DELETE FROM t")
            // A try of a stand-by that the machine interrupts has a snapshot for a moment.
            try await database.eventually("VACUUM removes everything") {
                try await database.query("VACUUM t")
                return try await database.query("SELECT pg_relation_size('t')") == [["0"]]
            }
            try await database.query("CREATE INDEX CONCURRENTLY i ON t (i)")
            #expect(try await database.locks(granted: false) == 0)
        }
        for standBy in standBys { try await standBy.value }
        for standBy in managers { #expect(await standBy.renewedWaits == 0) }
    }

    @Test("a stand-by whose task is cancelled ends at once, and holds nothing")
    func cancellation() async throws {
        let database = try TestDatabase.get()
        let (locks, other) = (try database.manager(), try database.manager())
        try await locks.withLeadership(of: "scheduler") { _ in
            let standBy = Task { try await other.withLeadership(of: "scheduler") { _ in Issue.record("Both lead.") } }
            try await database.eventually("it stands by") { await other.statementCount > 0 }
            standBy.cancel()
            await #expect(throws: CancellationError.self) { try await standBy.value }
        }
    }

    @Test("with fencing tokens, each leader's is higher than that of the one before")
    func tokens() async throws {
        let database = try TestDatabase.get()
        var tokens: [FencingToken?] = []
        for _ in 0..<3 {
            let locks = try database.manager { $0.fencingTokens = true }
            try await locks.withLeadership(of: "scheduler") { tokens.append($0.fencingToken) }
        }
        let known = tokens.compactMap(\.self)
        #expect(known.count == 3 && known == known.sorted() && Set(known).count == 3)
    }
}

extension LockManager {
    /// Whether the election's lead can be had by this manager within a while.
    fileprivate func isLeading(_ name: String) async -> Bool {
        await Task { try? await self.withLeadership(of: name) { $0.isHeld } }.value ?? false
    }
}
