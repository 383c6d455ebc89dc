import FaultTools
import Foundation
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("What waits leave in the server's log")
struct QuietWaitTests {
    @Test("a wait that times out, is cancelled, or runs into the server's own limit leaves no line in the server's log", .server())
    func quiet() async throws {
        let database = try TestDatabase.get()
        let holder = try database.manager()
        let locks = try database.manager()
        let keys = [LockKey(number: 7), LockKey(7, 8)]
        for key in keys {
            for mode in [LockMode.exclusive, .shared] {
                let lock = try await holder.acquire(key)
                await expectTimedOut { try await locks.withLock(key, mode: mode, timeout: $0) { _ in } }
                let waiting = Task { try await locks.withLock(key, mode: mode) { _ in } }
                try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
                waiting.cancel()
                await #expect(throws: CancellationError.self) { try await waiting.value }
                let patient = Task { try await locks.withLock(key, mode: mode) { lock in lock.isHeld } }
                try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
                try await lock.release()
                #expect(try await patient.value)
            }
        }
        await locks.shutdown()
        try expectQuiet(database)
    }

    enum Way: CaseIterable, Sendable {
        case session
        case sessionWithOtherLocks
        case transaction
        case transactionWithOtherLocks
    }

    @Test(
        "a wait of a session or transaction that times out or is cancelled leaves no line in the server's log, and no lock",
        .server(),
        arguments: Way.allCases
    )
    func quietScopes(way: Way) async throws {
        let database = try TestDatabase.get()
        let (holder, locks) = (try database.manager(), try database.manager())
        let kept = way == .sessionWithOtherLocks || way == .transactionWithOtherLocks ? 1 : 0
        for key in [LockKey(number: 7), LockKey(7, 8)] {
            for (mode, other) in [(LockMode.exclusive, LockMode.shared), (.shared, .exclusive)] {
                try await holder.withSession { holder in
                    try await holder.acquire(key, mode: other)
                    try await locks.trial(way) { wait in
                        await expectTimedOut { try await wait(key, mode, $0) }
                        #expect(try await database.locks() == 1 + kept)
                        let waiting = Task { try await wait(key, mode, nil) }
                        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
                        waiting.cancel()
                        await #expect(throws: CancellationError.self) { try await waiting.value }
                        #expect(try await database.locks() == 1 + kept)
                        let patient = Task { try await wait(key, mode, nil) }
                        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
                        try await holder.release(key)
                        try await patient.value
                    }
                }
                #expect(try await database.locks() == 0)
            }
        }
        await locks.shutdown()
        try expectQuiet(database)
    }

    @Test("a transaction goes on after its own lock_timeout has ended a wait, and the error names that limit", .server())
    func ownLimits() async throws {
        let database = try TestDatabase.get()
        let (holder, locks) = (try database.manager(), try database.manager())
        try await holder.withSession { holder in
            try await holder.acquire("a")
            try await locks.withTransaction(locking: "b") { transaction in
                for (limit, sqlState) in [("statement timeout", "57014"), ("lock timeout", "55P03")] {
                    let setting = limit.split(separator: " ").joined(separator: "_")
                    try await transaction.execute("SET LOCAL \(setting) = '2s'")
                    let error = await #expect(throws: LockError.self) { try await transaction.acquire("a") }
                    #expect(error?.sqlState == sqlState)
                    #expect(error?.message.contains(limit) == true, "\(error?.message ?? "")")
                    try await transaction.execute("SET LOCAL \(setting) = 0")
                }
                #expect(transaction.lock?.isHeld == true)
                let waiting = Task { try await transaction.acquire("a", timeout: .seconds(60)) }
                try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
                try await holder.release("a")
                try await waiting.value
                #expect(try await database.locks() == 2)
            }
        }
        await locks.shutdown()
        try expectQuiet(database)
    }

    private func expectQuiet(_ database: TestDatabase) throws {
        let log = try database.server.serverLog()
        #expect(!["ERROR:", "STATEMENT:", "WARNING:"].contains { log.contains($0) }, "\(log)")
    }

    @Test("where PL/pgSQL is missing, sessions and transactions wait without it", .database, arguments: Way.allCases)
    func noLanguageForScopes(way: Way) async throws {
        let database = try TestDatabase.get()
        try await database.query("DROP EXTENSION plpgsql")
        let (holder, locks) = (try database.manager(), try database.manager())
        try await holder.withSession { holder in
            try await holder.acquire("a")
            try await locks.trial(way) { wait in
                await expectTimedOut(from: .milliseconds(300)) { try await wait("a", .exclusive, $0) }
                let patient = Task { try await wait("a", .exclusive, nil) }
                try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
                try await holder.release("a")
                try await patient.value
            }
        }
        #expect(try await database.locks() == 0)
    }

    @Test(
        "a body whose role may not use PL/pgSQL waits without it, and other waits of the manager still use it",
        .database,
        arguments: [LockScope.transaction, .session]
    )
    func roleOfBody(scope: LockScope) async throws {
        let database = try TestDatabase.get()
        let role = "\(database.name)_tenant"
        try await database.query("CREATE ROLE \(role); REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC")
        let logs = LogRecorder()
        let holder = try database.manager()
        let locks = try LockManager(configuration: .init(url: database.url), logger: logs.logger)
        let held = try await holder.acquire("a")
        await expectTimedOut { timeout in
            if scope == .transaction {
                try await locks.withTransaction { transaction in
                    try await transaction.execute("SET LOCAL ROLE \(role)")
                    try await transaction.acquire("a", timeout: timeout)
                }
            } else {
                try await locks.withSession { session in
                    try await session.execute("SET ROLE \(role)")
                    try await session.acquire("a", timeout: timeout)
                }
            }
        }
        await expectTimedOut { try await locks.withLock("a", timeout: $0) { _ in } }
        try await held.release()
        await locks.shutdown()
        #expect(!logs.lines.all.contains { $0.message.contains("PL/pgSQL") })
        try await database.query("DROP OWNED BY \(role); DROP ROLE \(role)")
    }

    @Test("a session on which the key of a wait can't be set is closed, since it may wait for the key before", .database)
    func unprepared() async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE ROLE \(database.name)_app LOGIN")
        let holder = try database.manager()
        let locks = try database.manager {
            $0.url = database.server.connectionString(database: database.name, user: "\(database.name)_app")
        }
        try await holder.withSession { holding in
            try await holding.acquire("a")
            try await holding.acquire("b")
            let loss = await lockError {
                try await locks.withSession { session in
                    try await session.acquire("kept")
                    await expectTimedOut { try await session.acquire("a", timeout: $0) }
                    try await holding.release("a")
                    try await database.query("REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC")
                    await #expect(throws: LockError.self) { try await session.acquire("b", timeout: .seconds(120)) }
                }
            }
            #expect(loss?.code == .lockLost)
            try await database.eventually("what the session had is free") { try await database.locks() == 1 }
        }
        await locks.shutdown()
        try await database.query("DROP OWNED BY \(database.name)_app; DROP ROLE \(database.name)_app")
    }

    @Test("where PL/pgSQL is missing, or may not be used, waits go on without it", .database, arguments: [true, false])
    func noLanguage(isDropped: Bool) async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE ROLE \(database.name)_app LOGIN")
        if isDropped {
            try await database.query("DROP EXTENSION plpgsql")
        } else {
            try await database.query("REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC")
        }
        let holder = try database.manager()
        let locks = try database.manager {
            $0.url = database.server.connectionString(database: database.name, user: "\(database.name)_app")
        }
        let lock = try await holder.acquire("a")
        await expectTimedOut { try await locks.withLock("a", timeout: $0) { _ in } }
        let waiting = Task { try await locks.withLock("a") { lock in lock.isHeld } }
        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
        try await lock.release()
        #expect(try await waiting.value)
        await locks.shutdown()
        try await database.query("DROP OWNED BY \(database.name)_app; DROP ROLE \(database.name)_app")
    }

    @Test(
        "if PL/pgSQL is dropped, each of several waits in flight goes on without it",
        .server(),
        .direct("the link is before the server")
    )
    func noLanguageForSeveral() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let holder = try database.manager()
        let locks = try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
        }
        let keys = (1...4).map { LockKey(number: $0) }
        let held = try await holder.acquire(all: keys.map { .exclusive($0) })
        // From here on there are connections for all the waits, so that these begin at once.
        let first = keys.map { key in Task { try await locks.withLock(key) { _ in } } }
        try await database.eventually("all wait") { try await database.locks(granted: false) == keys.count }
        for wait in first { wait.cancel() }
        for wait in first { await #expect(throws: CancellationError.self) { try await wait.value } }
        try await database.query("DROP EXTENSION plpgsql")
        // While the first try is in flight the other requests come: they are refused, and wait, at the same time.
        link.setDelay(.milliseconds(50))
        let waits = keys.map { key in Task { try await locks.withLock(key) { lock in lock.isHeld } } }
        try await database.eventually("all wait, or have failed") {
            let waiting = try await database.locks(granted: false)
            let isWaiting = await locks.waitingCount
            return waiting == isWaiting && isWaiting > 0
        }
        try await held.release()
        for wait in waits { #expect(try await wait.value) }
        await locks.shutdown()
    }

    @Test("a wait whose key can't be set ends at once with its session, because it would wait for the key of the wait before", .database)
    func failedSettings() async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE ROLE \(database.name)_app LOGIN")
        let holder = try database.manager()
        let locks = try database.manager {
            $0.url = database.server.connectionString(database: database.name, user: "\(database.name)_app")
        }
        let first = try await holder.acquire("a")
        let waiting = Task { try await locks.withLock("a") { lock in lock.isHeld } }
        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
        let waits = """
            SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """
        let process = try #require(try await database.query(waits).first?.first ?? nil)
        try await first.release()
        #expect(try await waiting.value)
        let held = try await holder.acquire(all: [.exclusive("a"), .exclusive("b")])
        let setting = "EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean)"
        try await database.query("REVOKE \(setting) FROM PUBLIC")
        // On the same session, if it is still there.
        let next = Task { try await locks.withLock("b") { lock in lock.isHeld } }
        try await database.eventually("its session is gone") {
            try await database.query("SELECT 1 FROM pg_stat_activity WHERE pid = \(process)").isEmpty
        }
        try await database.query("GRANT \(setting) TO PUBLIC")
        try await held.release()
        _ = await next.result
        await locks.shutdown()
        try await database.query("DROP OWNED BY \(database.name)_app; DROP ROLE \(database.name)_app")
    }

    @Test("a trigger's message that looks like that of a wait does not change the outcome of a statement", .database)
    func imitation() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        try await database.query(
            """
            CREATE TABLE t (code text);
            CREATE FUNCTION imitate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              RAISE INFO USING ERRCODE = NEW.code, MESSAGE = NEW.code;
              IF NEW.code = 'PGL00' THEN RAISE 'refused'; END IF;
              RETURN NEW;
            END $$;
            CREATE TRIGGER imitate BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION imitate()
            """
        )
        for code in ["PGL01", "PGL02"] {
            let insert = "INSERT INTO t VALUES ('\(code)') RETURNING code"
            #expect(try await locks.withSession { try await $0.query(insert) }.count == 1)
            #expect(try await locks.withTransaction(locking: "a") { try await $0.query(insert) }.count == 1)
        }
        let error = await #expect(throws: LockError.self) {
            try await locks.withSession { _ = try await $0.query("INSERT INTO t VALUES ('PGL00')") }
        }
        #expect(error?.code == .statementFailed)
        #expect(try await database.query("SELECT count(*) FROM t") == [["4"]])
    }
}

extension LockManager {
    /// Runs the body with a function that takes a lock in the given way.
    fileprivate func trial(
        _ way: QuietWaitTests.Way,
        _ body: (@escaping @Sendable (LockKey, LockMode, Duration?) async throws -> Void) async throws -> Void
    ) async throws {
        switch way {
        case .session:
            try await withSession { session in
                try await body { key, mode, timeout in
                    try await session.acquire(key, mode: mode, timeout: timeout)
                    try await session.release(key)
                }
            }
        case .sessionWithOtherLocks:
            try await withSession { session in
                try await session.acquire("kept")
                try await body { key, mode, timeout in
                    try await session.acquire(key, mode: mode, timeout: timeout)
                    try await session.release(key)
                }
            }
        case .transaction:
            try await body { key, mode, timeout in try await self.withTransaction(locking: key, mode: mode, timeout: timeout) { _ in } }
        case .transactionWithOtherLocks:
            try await withTransaction(locking: "kept") { transaction in
                try await body { key, mode, timeout in try await transaction.acquire(key, mode: mode, timeout: timeout) }
            }
        }
    }
}
