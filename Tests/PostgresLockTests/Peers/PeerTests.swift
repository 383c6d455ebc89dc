import PostgresLock
import Testing

/// Locks that this library and Python's `postgresql-lock` both take. They exclude each other only if `LockKey` derives the same numbers.
@Suite("Across languages", .database)
struct PeerTests {
    /// The modes of two holders.
    private struct Pair {
        let ours: LockMode
        let theirs: LockMode

        static let all = [
            Pair(ours: .exclusive, theirs: .exclusive), Pair(ours: .exclusive, theirs: .shared),
            Pair(ours: .shared, theirs: .exclusive), Pair(ours: .shared, theirs: .shared),
        ]

        var conflicts: Bool { ours == .exclusive || theirs == .exclusive }
    }

    private static let scopes = [LockScope.session, .transaction]
    private static let key = "shared-with-python"

    @Test("Python's postgresql-lock does not get a lock that this library holds before it is released", arguments: Peer.Driver.allCases)
    func oursFirst(driver: Peer.Driver) async throws {
        let database = try TestDatabase.get()
        let peer = try await Peer(driver, database)
        let locks = try database.manager()
        for (modes, side, our, their) in Self.combinations {
            let acquired = try await side.acquire(LockKey(Self.key), modes.ours, our, isBlocking: true, locks, database)
            let held = try #require(acquired)
            let isTheirs = try await peer.acquire(Self.key, modes.theirs, their, isBlocking: false)
            #expect(isTheirs != modes.conflicts, "\(side), ours \(our) \(modes.ours), theirs \(their) \(modes.theirs)")
            if isTheirs { try await peer.end(Self.key, modes.theirs, their) }
            if modes.conflicts {
                async let waiting = peer.acquire(Self.key, modes.theirs, their, isBlocking: true)
                try await database.eventually("Python waits") { try await database.locks(granted: false) == 1 }
                try await held.end()
                #expect(try await waiting)
                try await peer.end(Self.key, modes.theirs, their)
            } else {
                try await held.end()
            }
            #expect(try await database.locks() == 0)
        }
    }

    @Test("this library does not get a lock that Python's postgresql-lock holds before it is released", arguments: Peer.Driver.allCases)
    func theirsFirst(driver: Peer.Driver) async throws {
        let database = try TestDatabase.get()
        let peer = try await Peer(driver, database)
        let locks = try database.manager()
        for (modes, side, our, their) in Self.combinations {
            #expect(try await peer.acquire(Self.key, modes.theirs, their, isBlocking: true))
            let tried = try await side.acquire(LockKey(Self.key), modes.ours, our, isBlocking: false, locks, database)
            #expect((tried != nil) != modes.conflicts, "\(side), ours \(our) \(modes.ours), theirs \(their) \(modes.theirs)")
            try await tried?.end()
            if modes.conflicts {
                async let waiting = side.acquire(LockKey(Self.key), modes.ours, our, isBlocking: true, locks, database)
                try await database.eventually("we wait") { try await database.locks(granted: false) == 1 }
                try await peer.end(Self.key, modes.theirs, their)
                let held = try #require(try await waiting)
                try await held.end()
            } else {
                try await peer.end(Self.key, modes.theirs, their)
            }
            #expect(try await database.locks() == 0)
        }
    }

    @Test(
        "a counter that this library and Python's postgresql-lock increment under the same lock loses no update",
        arguments: Peer.Driver.allCases
    )
    func counter(driver: Peer.Driver) async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE TABLE counter AS SELECT 0 AS n")
        let peer = try await Peer(driver, database)
        print("Counting against \(peer.versions).")
        // With pauses, so that the increments of both interleave.
        let locks = try database.manager { $0.handoff.maximumCount = 2 }
        let (rounds, key) = (120, LockKey(Self.key))
        try await withThrowingTaskGroup { group in
            group.addTask {
                for scope in Self.scopes { try await peer.count(Self.key, scope, rounds: rounds) }
            }
            group.addTask {
                let sql = try database.manager()
                for _ in 0..<rounds {
                    try await locks.withLock(key) { _ in try await sql.withTransaction { try await Self.increment($0) } }
                }
            }
            group.addTask {
                for _ in 0..<rounds { try await locks.withTransaction(locking: key) { try await Self.increment($0) } }
            }
            group.addTask {
                let connection = try OwnedLibPQ(database.url)
                let lock = ConnectionLock(key, on: connection.connection)
                for _ in 0..<rounds {
                    try await lock.withLock {
                        _ = try await connection.connection.queryBoolean("SELECT set_config('t.n', n::text, false) = '' FROM counter")
                        _ = try await connection.connection.queryBoolean("UPDATE counter SET n = current_setting('t.n')::int + 1")
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await database.query("SELECT n FROM counter") == [["\(5 * rounds)"]])
    }

    // MARK: Helpers

    private static let combinations: [(Pair, OurSide, our: LockScope, their: LockScope)] = Pair.all.flatMap { modes in
        OurSide.allCases.flatMap { side in
            scopes.flatMap { our in scopes.map { (modes, side, our, $0) } }
        }
    }

    /// Reads and writes by separate statements, so that only the lock prevents lost updates.
    private static func increment(_ transaction: LockTransaction) async throws {
        let n = try await transaction.query("SELECT n FROM counter").first?.decode(0, as: Int.self) ?? 0
        try await transaction.execute("UPDATE counter SET n = \(n + 1)")
    }
}
