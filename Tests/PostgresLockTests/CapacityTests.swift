import LockCore
import PostgresLock
import PostgresLockTesting
import Testing

/// On servers whose lock table is as small as can be.
@Suite("The server's lock table")
struct CapacityTests {
    private static let small = ["max_locks_per_transaction": "10", "max_connections": "10"]

    /// Takes some hundred locks of tables at once, as a migration might.
    private func lockManyTables(_ database: TestDatabase) async throws {
        try await database.query(
            """
            DO $$ BEGIN FOR i IN 1..20 LOOP
                EXECUTE format('CREATE TABLE many_%s (a int PRIMARY KEY, b text UNIQUE)', i);
            END LOOP; RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = 'enough'; END $$
            """
        )
    }

    @Test(
        "when it is full, who asks is told, who holds goes on holding, nothing stays locked, and the log is not flooded",
        .server(small)
    )
    func full() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.capacity = .unlimited }
        let held = try await locks.acquire("held")
        // Connected before the table is full; no session can connect later.
        let (crowd, count) = try await database.manager().withTransaction { observer in
            let query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            _ = try await observer.query(query)
            let crowd = Crowd(locks, keys: 0..<5000)
            await crowd.answered()
            return (crowd, try await observer.query(query).first?.decode(0, as: Int.self) ?? 0)
        }
        #expect(count > 100)
        // For others it is full too: that is what the budget is for.
        let error = await #expect(throws: (any Error).self) { try await lockManyTables(database) }
        #expect("\(String(describing: error))".contains("shared memory"))
        // What is held can be handed on, and asked for, as ever.
        #expect(held.lock.isHeld)
        let next = Task { try await locks.withLock("held") { $0.isHeld } }
        // Else the server is asked anew, and others may have taken the place.
        try await database.eventually("it is waited for") { await locks.waitingCount == 1 }
        try await held.release()
        #expect(try await next.value)
        // No request is repeated without end.
        let before = try failedStatements(database)
        try await Task.sleep(for: .seconds(1))
        let after = try failedStatements(database)
        #expect(after == before)

        let outcomes = try await crowd.letGo()
        #expect(Set(outcomes) == [nil, .lockTableFull])
        #expect(outcomes.count { $0 == nil } >= count - 1)
        #expect(try await database.locks() == 0)
        try await locks.withLock("other") { lock in #expect(lock.isHeld) }

        let log = try database.server.serverLog()
        let warnings = log.split(separator: "\n").count { $0.contains("you don't own a lock") }
        print("lock table full: \(count) held, \(after) failed statements, \(warnings) warnings")
        #expect(warnings <= after * Engine.Batch.keysPerRow)
        // A batch of up to a thousand keys fails once, however many there are of them; how the crowd falls into batches is up to the
        // machine.
        #expect(after <= 200)
    }

    private func failedStatements(_ database: TestDatabase) throws -> Int {
        try database.server.serverLog().split(separator: "\n").count {
            $0.contains("ERROR:  out of shared memory") && !$0.contains("many_")
        }
    }

    @Test("by default it never is: who asks for too much is told before, and others can lock what they need", .server(small))
    func budget() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let crowd = Crowd(locks, keys: 0..<5000)
        await crowd.answered()
        // Half of 10 × 10.
        #expect(try await database.locks() == 50)
        let error = await #expect(throws: (any Error).self) { try await lockManyTables(database) }
        #expect("\(String(describing: error))".contains("enough"))
        let refusal = await #expect(throws: LockError.self) { _ = try await locks.tryAcquire("one more") }
        #expect(refusal?.code == .capacity)
        #expect(refusal?.keys == ["one more"])
        for word in ["50", "100", "max_locks_per_transaction", "configuration.capacity", database.name] {
            #expect(refusal?.message.contains(word) == true, "\(refusal?.message ?? "")")
        }
        let outcomes = try await crowd.letGo()
        #expect(outcomes.count { $0 == nil } == 50)
        #expect(Set(outcomes) == [nil, .capacity])
        try await locks.withLock("one more") { lock in #expect(lock.isHeld) }
        #expect(try !database.server.serverLog().contains("out of shared memory"))
    }

    @Test(
        "several managers together leave room in it, too: each asks how much of it is taken before it takes more",
        .server(small),
        .direct("a pooler keeps connections, of which this server has few")
    )
    func fleet() async throws {
        let database = try TestDatabase.get()
        // Any two of them would fill what is promised.
        let fleet = try (0..<5).map { _ in try database.manager { $0.capacity = .fraction(1) } }
        let crowds = fleet.enumerated().map { Crowd($1, keys: Int64($0) * 1000..<Int64($0) * 1000 + 500) }
        for crowd in crowds { await crowd.answered() }
        let count = try await database.locks()
        // All of it, and what each of them may take unasked at either end: see LockTableQuota.
        #expect((90...160).contains(count), "\(count)")
        let error = await #expect(throws: (any Error).self) { try await lockManyTables(database) }
        #expect("\(String(describing: error))".contains("enough"))
        for crowd in crowds {
            let outcomes = try await crowd.letGo()
            #expect(Set(outcomes) == [nil, .capacity])
        }
        #expect(try !database.server.serverLog().contains("out of shared memory"))
        try await fleet[0].withLock("one more") { lock in #expect(lock.isHeld) }
    }

    @Test("the limit can be a number, and what waits for others' locks is not refused", .lockServers, arguments: ServerKind.allCases)
    func number(on kind: ServerKind) async throws {
        let server = try await kind.start()
        let other = try await server.manager().acquire("taken")
        let locks = try server.manager { $0.capacity = .keys(2) }
        let waiting = Task { try await locks.withLock("taken") { $0.isHeld } }
        try await server.eventually("one waits") { try await server.locks(granted: false) == 1 }
        let lock = try await locks.acquire("a")
        let error = await #expect(throws: LockError.self) { try await locks.withLock("b", timeout: .seconds(120)) { _ in } }
        #expect(error?.code == .capacity)
        try await lock.release()
        try await locks.withLock("b") { _ in }
        try await other.release()
        #expect(try await waiting.value)
    }

    @Test(
        "nonsense is refused",
        arguments: [
            LockManager.Configuration.Capacity.fraction(0), .fraction(-0.5), .fraction(1.5), .fraction(.nan), .fraction(.infinity),
            .keys(0), .keys(-1),
        ]
    )
    func nonsense(capacity: LockManager.Configuration.Capacity) {
        var configuration = LockManager.Configuration(url: "postgres://u@h/d")
        configuration.capacity = capacity
        let error = #expect(throws: LockError.self) { try LockManager(configuration: configuration) }
        #expect(error?.code == .badConfiguration)
        #expect(error?.message.contains("capacity") == true)
    }
}
