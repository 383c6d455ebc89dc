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
                let error = await #expect(throws: LockError.self) {
                    try await locks.withLock(key, mode: mode, timeout: .milliseconds(100)) { _ in }
                }
                #expect(error?.code == .timedOut)
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
        let log = try database.server.serverLog()
        #expect(!log.contains("ERROR:") && !log.contains("WARNING:"), "\(log)")
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
        let error = await #expect(throws: LockError.self) { try await locks.withLock("a", timeout: .milliseconds(200)) { _ in } }
        #expect(error?.code == .timedOut)
        let waiting = Task { try await locks.withLock("a") { lock in lock.isHeld } }
        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
        try await lock.release()
        #expect(try await waiting.value)
        await locks.shutdown()
        try await database.query("DROP OWNED BY \(database.name)_app; DROP ROLE \(database.name)_app")
    }

    @Test(
        "where PL/pgSQL goes missing, each of several waits that are on their way goes on without it",
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
        // While the first try is on its way the others come together: they are refused, and wait, at the same time.
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

    @Test("a trigger's message that looks like that of a wait changes nothing of what a statement has come to", .database)
    func imitation() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        try await database.query(
            """
            CREATE TABLE t (code text);
            CREATE FUNCTION imitate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              RAISE INFO USING ERRCODE = NEW.code, MESSAGE = 'pglock';
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
