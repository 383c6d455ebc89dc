import Foundation
import PostgresLock
import Testing

@Suite("Locks on the library's own connections", .database)
struct OwnConnectionTests {
    @Test("locks on a LockTransaction end with it")
    func transaction() async throws {
        let database = try TestDatabase.get()
        let (locks, others) = (try database.manager(), try database.manager())
        try await locks.withTransaction { transaction in
            let lock = ConnectionLock("a", on: transaction, scope: .transaction)
            try await lock.withLock {}
            let isFree = try await others.isFree("a")
            #expect(!isFree)
            let isHeld = try await lock.isHeld()
            #expect(isHeld)
            let taken = try await others.acquire("b")
            let other = ConnectionLock("b", on: transaction, scope: .transaction)
            let late = await lockError { try await other.acquire(timeout: .milliseconds(20)) }
            #expect(late?.code == .timedOut)
            try await taken.release()
            try await other.acquire()
            try await transaction.execute("SELECT 1")
        }
        #expect(try await others.isFree("a"))
    }

    @Test("if the body of a lock on a LockTransaction throws, withTransaction rolls back")
    func failure() async throws {
        struct BodyError: Error {}
        let database = try TestDatabase.get()
        let locks = try database.manager()
        await #expect(throws: BodyError.self) {
            try await locks.withTransaction { transaction in
                try await transaction.execute("CREATE TABLE t ()")
                try await ConnectionLock("a", on: transaction, scope: .transaction).withLock {
                    _ = try? await transaction.execute("SELECT 1/0")
                    throw BodyError()
                }
            }
        }
        #expect(try await database.query("SELECT to_regclass('t')") == [[nil]])
        #expect(try await database.locks() == 0)
    }

    @Test("after the body of a lock on a LockTransaction has thrown, the transaction is not committed, also if the error is caught")
    func swallowed() async throws {
        struct BodyError: Error {}
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let error = await lockError {
            try await locks.withTransaction { transaction in
                await #expect(throws: BodyError.self) {
                    try await ConnectionLock("a", on: transaction, scope: .transaction).withLock {
                        try await transaction.execute("CREATE TABLE t ()")
                        throw BodyError()
                    }
                }
                for body in [{ _ = try await transaction.execute("SELECT 1") }, { try await transaction.acquire("b") }] {
                    #expect(await lockError(of: body)?.sqlState == "25P02")
                }
            }
        }
        #expect(error?.sqlState == "25P02")
        #expect(error?.message.contains("rollsBackOnError") == true)
        #expect(try await database.query("SELECT to_regclass('t')") == [[nil]])
        #expect(try await database.locks() == 0)
        try await locks.withTransaction { try await $0.execute("SELECT 1") }
    }

    @Test("locks on a LockSession are held until they are released")
    func session() async throws {
        let database = try TestDatabase.get()
        let (locks, others) = (try database.manager(), try database.manager())
        try await locks.withSession { session in
            let lock = ConnectionLock("a", on: session)
            try await lock.withLock {
                let isFree = try await others.isFree("a")
                #expect(!isFree)
            }
            let isFree = try await others.isFree("a")
            #expect(isFree)
            // What is not released ends with the session.
            try await lock.acquire()
        }
        #expect(try await others.isFree("a"))
    }

    @Test(
        "a cancelled wait on a LockSession or LockTransaction ends, and locks that are held stay held",
        arguments: [LockScope.session, .transaction]
    )
    func cancellation(scope: LockScope) async throws {
        let database = try TestDatabase.get()
        let (locks, others) = (try database.manager(), try database.manager())
        let taken = try await others.acquire("b")
        let waiting = Task {
            if scope == .session {
                try await locks.withSession { try await Self.waits(scope, on: $0) }
            } else {
                try await locks.withTransaction { try await Self.waits(scope, on: $0) }
            }
        }
        try await database.eventually("a wait") { try await database.locks(granted: false) == 1 }
        waiting.cancel()
        // A transaction that is cancelled is not committed.
        _ = try? await waiting.value
        try await taken.release()
        #expect(try await database.locks() == 0)
    }

    private static func waits(_ scope: LockScope, on connection: some LockConnection) async throws {
        try await ConnectionLock("a", on: connection, scope: scope).acquire()
        let lock = ConnectionLock("b", on: connection, scope: scope)
        await #expect(throws: CancellationError.self) { try await lock.acquire() }
        let count = try await TestDatabase.get().locks()
        #expect(count == 2)
    }

    @Test("a scope that the connection does not support is refused, and the error names those that it does")
    func scopes() async throws {
        let locks = try TestDatabase.get().manager()
        try await locks.withTransaction { transaction in
            let error = await lockError { try await ConnectionLock("a", on: transaction).acquire() }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("but: .transaction.") == true)
        }
        try await locks.withSession { session in
            let error = await lockError { try await ConnectionLock("a", on: session, scope: .transaction).acquire() }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("but: .session.") == true)
        }
    }

    @Test("a PGconn that can't run a statement is refused with the reason")
    func libpq() async throws {
        let owned = try OwnedLibPQ(TestDatabase.get().url)
        let lock = ConnectionLock("a", on: owned.connection)
        owned.begin("SELECT pg_sleep(0.1)")
        let busy = await lockError { try await lock.acquire() }
        #expect(busy?.message.contains("could not be found out") == true)
        let reason = (busy?.underlying as? LockError)?.message
        #expect(reason?.contains("still runs another statement") == true)
        owned.finishStatement()
        #expect(try await !lock.release())
        try await lock.withLock {}
    }

    @Test("COPY through a libpq connection is refused, and the connection stays as it was", arguments: [1, 100_000])
    func copy(rows: Int) async throws {
        let database = try TestDatabase.get()
        try await database.query("CREATE TABLE t (n int)")
        let owned = try OwnedLibPQ(database.url)
        for sql in ["COPY t FROM STDIN", "COPY (SELECT generate_series(1, \(rows))) TO STDOUT"] {
            let error = await lockError { try await owned.connection.queryBoolean(sql) }
            #expect(error?.sqlState == "0A000")
            #expect(error?.message.contains("COPY") == true)
        }
        #expect(try await owned.connection.queryBoolean("SELECT count(*) = 0 FROM t") == true)
        try await ConnectionLock("a", on: owned.connection).withLock {}
    }

    /// Uses a connection in its own isolation, of which a blocked thread would be the end.
    private actor Owner {
        private let owned: OwnedLibPQ
        /// A statement is about to be sent, before anything else runs in this isolation.
        nonisolated let sending = AsyncStream.makeStream(of: Void.self)

        init(_ url: String, blocking: Bool) throws {
            owned = try OwnedLibPQ(url, blocking: blocking)
        }

        var process: pid_t { owned.process }
        var isBlocking: Bool { owned.isBlocking }

        func ask(_ sql: String) async throws -> Bool? {
            sending.continuation.yield()
            return try await owned.connection.queryBoolean(sql)
        }

        func resumeServer() {
            kill(owned.process, SIGCONT)
        }
    }

    @Test(
        "a server that does not take a statement does not block the thread, and the PGconn stays as it was",
        .direct("only the server itself can be stopped"),
        arguments: [true, false]
    )
    func blocking(isBlocking: Bool) async throws {
        let owner = try Owner(TestDatabase.get().url, blocking: isBlocking)
        let process = await owner.process
        kill(process, SIGSTOP)
        let late = Task {
            try await Task.sleep(for: .seconds(60))
            Issue.record("The caller's isolation is blocked.")
            kill(process, SIGCONT)
        }
        // More than the socket takes.
        let asked = Task { try await owner.ask("SELECT true /* \(String(repeating: "x", count: 8_000_000)) */") }
        for await _ in owner.sending.stream { break }
        await owner.resumeServer()
        late.cancel()
        #expect(try await asked.value == true)
        #expect(await owner.isBlocking == isBlocking)
    }
}
