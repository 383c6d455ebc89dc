import LibPQ
import PostgresLock
import Testing

/// What becomes of the lock when not all goes as it should.
@Suite("Outcomes of locks on the caller's connection", .database)
struct ConnectionLockOutcomeTests {
    private struct BodyError: Error, Equatable {}

    // MARK: Transactions that end

    @Test("a transaction's lock is not taken for held because the session holds the key as well", arguments: [LockMode.exclusive, .shared])
    func otherHold(mode: LockMode) async throws {
        let (database, connection) = try await TestConnection.connect(.libpq)
        let others = try database.manager()
        let inTransaction = ConnectionLock("a", on: connection, mode: mode, scope: .transaction)
        let inSession = ConnectionLock("a", on: connection, mode: mode)
        try await connection.run("BEGIN")
        try await inTransaction.acquire()
        try await connection.run("COMMIT")
        try await inSession.acquire()
        try await connection.run("BEGIN")
        try await inTransaction.acquire()
        #expect(inTransaction.holdCount == 1)
        try await inSession.release()
        #expect(try await !others.isFree("a"))
        try await connection.run("COMMIT")
        #expect(try await !inTransaction.release())
        #expect(try await others.isFree("a"))
    }

    @Test("a chained transaction is another one", arguments: ["COMMIT AND CHAIN", "ROLLBACK AND CHAIN"])
    func chained(end: String) async throws {
        let (database, connection) = try await TestConnection.connect(.libpq)
        let lock = ConnectionLock("a", on: connection, scope: .transaction)
        try await connection.run("BEGIN")
        try await lock.acquire()
        try await connection.run(end)
        #expect(try await !lock.release())
        try await lock.acquire()
        try await connection.run(end)
        try await lock.acquire()
        #expect(try await database.locks() == 1)
        try await connection.run("COMMIT")
    }

    @Test("shared locks of a transaction are counted anew in the next one")
    func counts() async throws {
        let (database, connection) = try await TestConnection.connect(.libpq)
        let lock = ConnectionLock("a", on: connection, mode: .shared, scope: .transaction)
        for _ in 0..<2 {
            try await connection.run("BEGIN")
            for count in 1...3 {
                try await lock.acquire()
                #expect(lock.holdCount == count)
            }
            #expect(await lockError { try await lock.release() }?.code == .invalidArgument)
            try await connection.run("COMMIT")
            #expect(try await database.locks() == 0)
        }
    }

    // MARK: Bodies that end

    @Test("if the body returns in an aborted transaction, this is rolled back, the lock is released, and an error says so")
    func abortedReturn() async throws {
        let (database, connection) = try await TestConnection.connect(.libpq)
        try await database.query("CREATE TABLE t (n int)")
        try await connection.run("BEGIN")
        let lock = ConnectionLock("a", on: connection)
        let error = await lockError {
            try await lock.withLock {
                try await connection.run("INSERT INTO t VALUES (1)")
                try? await connection.run("SELECT 1/0")
            }
        }
        #expect(error?.code == .statementFailed)
        #expect(error?.message.contains("was rolled back, and the lock") == true)
        #expect(error?.sqlState == "25P02")
        #expect(lock.holdCount == 0)
        #expect(try await database.locks() == 0)
        #expect(try await connection.queryBoolean("SELECT count(*) = 0 FROM t") == true)
    }

    @Test("the lock is released also if the rollback fails, and the error names both", arguments: [false, true])
    func failingRollback(isCancelled: Bool) async throws {
        let database = try TestDatabase.get()
        let running = Task {
            let connection = try await ScriptedConnection(database)
            connection.failsToRollBack = true
            try await connection.base.run("BEGIN")
            let lock = ConnectionLock("a", on: connection)
            let error = await lockError {
                try await lock.withLock {
                    if isCancelled { withUnsafeCurrentTask { $0?.cancel() } }
                    throw BodyError()
                }
            }
            #expect(error?.code == .statementFailed)
            #expect(error?.underlying is BodyError)
            #expect(lock.holdCount == 0)
            try await connection.base.run("COMMIT")
        }
        try await running.value
        #expect(try await database.locks() == 0)
    }

    @Test(
        "if the session ends under a body that throws, the error says that the lock was lost, and has the body's error",
        arguments: [true, false]
    )
    func terminated(rollsBack: Bool) async throws {
        let (database, connection) = try await TestConnection.connect(.libpq)
        let lock = ConnectionLock("a", on: connection, rollsBackOnError: rollsBack)
        let error = await lockError {
            try await lock.withLock {
                try await database.query(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                throw BodyError()
            }
        }
        #expect(error?.code == .notReleased)
        #expect(error?.underlying is BodyError)
        // The session tells its client of its end before it releases its locks.
        try await database.eventually("the lock is free") { try await database.locks() == 0 }
    }

    @Test("a lock that could not be released refuses to be acquired, and leaves the transaction that was begun since")
    func refused() async throws {
        let (database, connection) = (try TestDatabase.get(), try await ScriptedConnection(TestDatabase.get()))
        try await database.query("CREATE TABLE t (n int)")
        let lock = ConnectionLock("a", on: connection, rollsBackOnError: false)
        try await connection.base.run("BEGIN")
        let failed = await lockError {
            try await lock.withLock {
                try? await connection.base.run("SELECT 1/0")
                throw BodyError()
            }
        }
        #expect(failed?.code == .notReleased)
        lock.rollsBackOnError = true
        try await connection.base.run("ROLLBACK")
        try await connection.base.run("BEGIN")
        try await connection.base.run("INSERT INTO t VALUES (1)")
        let error = await lockError { try await lock.withLock {} }
        #expect(error?.message.contains("Call release() first") == true)
        #expect(try await lock.release())
        try await connection.base.run("COMMIT")
        #expect(try await database.query("SELECT count(*) FROM t") == [["1"]])
    }

    // MARK: Answers that are not there

    @Test("a lock whose grant was not answered is given back", arguments: [false, true])
    func lostAnswer(isContended: Bool) async throws {
        let database = try TestDatabase.get()
        let connection = try await ScriptedConnection(database)
        let lock = ConnectionLock("a", on: connection)
        // The wait ends by the grant, however late the other task sees that it waits.
        lock.cancellationLatency = .seconds(300)
        let held = isContended ? try await HeldKey("a", database) : nil
        connection.intercept = { sql in
            // Of the wait as well as of the try.
            sql.contains("advisory_lock(") && !(isContended && sql.contains("try_")) ? .losesAnswer : nil
        }
        async let release: Void? = held?.releaseToWaiters()
        let error = await lockError { try await lock.acquire() }
        try await release
        #expect(error?.code == .statementFailed)
        #expect(error?.underlying is ScriptedConnection.Failure)
        #expect(lock.holdCount == 0)
        #expect(try await database.locks() == 0)
        connection.intercept = { _ in nil }
        try await lock.withLock {}
    }

    @Test("in a transaction, a lock whose grant was not answered is in doubt until the transaction ends")
    func lostAnswerInTransaction() async throws {
        let database = try TestDatabase.get()
        let connection = try await ScriptedConnection(database)
        let lock = ConnectionLock("a", on: connection, scope: .transaction)
        connection.intercept = { $0 == lock.tryLockQuery ? .losesAnswer : nil }
        try await connection.base.run("BEGIN")
        let error = await lockError { try await lock.acquire() }
        #expect(error?.message.contains("could not be found out") == true)
        #expect(await lockError { try await lock.release() }?.message.contains("Commit or roll back") == true)
        try await connection.base.run("ROLLBACK")
        #expect(try await !lock.release())
        #expect(try await database.locks() == 0)
        connection.intercept = { _ in nil }
        try await connection.base.run("BEGIN")
        try await lock.acquire()
        try await connection.base.run("COMMIT")
    }

    @Test("a driver that returns no Booleans gets no lock, and an error that says why")
    func notUnderstood() async throws {
        let database = try TestDatabase.get()
        let connection = try await ScriptedConnection(database)
        connection.intercept = { _ in .isNotUnderstood }
        let lock = ConnectionLock("a", on: connection)
        let error = await lockError { try await lock.acquire() }
        #expect(error?.message.contains("LockConnection.queryBoolean") == true)
        #expect(try await database.locks() == 0)
    }

    @Test(
        "a wait that another session has been given is no lock; without its request that session waits for nothing",
        arguments: [true, false],
        [true, false]
    )
    func strayWait(withRequest: Bool, isFirst: Bool) async throws {
        let database = try TestDatabase.get()
        let (connection, other) = (try await ScriptedConnection(database), try await TestConnection(.libpq, database))
        // Both sessions have seen waits before, or none has.
        for base in isFirst ? [] : [connection.base, other] {
            let held = try await HeldKey("b", database)
            let lock = ConnectionLock("b", on: base)
            async let release: Void = held.releaseToWaiters()
            try await lock.withLock {}
            try await release
        }
        let held = try await HeldKey("a", database)
        connection.intercept = { sql in
            let isStray = sql.hasPrefix("DO") || withRequest && sql.contains("set_config('swift_postgres_lock.wait'")
            return isStray ? .isRunElsewhere(other) : nil
        }
        let lock = ConnectionLock("a", on: connection)
        // The wait ends by the grant, however late the other task sees that the other session waits.
        lock.cancellationLatency = .seconds(300)
        async let release: Void = withRequest ? held.releaseToWaiters() : ()
        let error = await lockError { try await lock.acquire(timeout: .seconds(300)) }
        try await release
        try await held.release()
        #expect(try await database.locks() == (withRequest ? 1 : 0))
        #expect(error?.message.contains("does not keep to one session") == true)
        #expect(lock.holdCount == 0)
        try await other.run("SELECT pg_advisory_unlock_all()")
    }

    @Test("a cancel request is not cancelled when its statement has ended")
    func cancelRequest() async throws {
        let database = try TestDatabase.get()
        let wasCancelled = Locked<[Bool]>([])
        let held = try await database.manager().acquire("a")
        let waiting = Task {
            let connection = try await ScriptedConnection(database)
            connection.cancelRequestSender = {
                let waits =
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
                _ = try? await database.query(waits)
                // The statement has ended by now.
                try? await Task.sleep(for: .milliseconds(300))
                wasCancelled.withLock { $0.append(Task.isCancelled) }
            }
            await #expect(throws: CancellationError.self) { try await ConnectionLock("a", on: connection).acquire() }
        }
        // As the request looks for it.
        try await database.eventually("a wait") {
            try await database.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()").count
                == 1
        }
        waiting.cancel()
        try await waiting.value
        // It is repeated if the end of the statement is noticed late.
        let seen = wasCancelled.withLock { $0 }
        #expect(!seen.isEmpty && !seen.contains(true), "\(seen)")
        try await held.release()
    }

    // MARK: Locks in locks

    @Test("waits inside other locks have a limit, and the error names it")
    func nested() async throws {
        let (database, connection) = try await TestConnection.connect(.libpq)
        let others = try database.manager()
        // The server has to say within it that the lock is taken.
        let limit = Duration.seconds(5)
        let locks = try database.manager { $0.timeouts.nested = limit }
        let held = try await others.acquire("b")
        let lock = ConnectionLock("b", on: connection)
        lock.nestedTimeout = .milliseconds(50)
        try await locks.withLock("a") { _ in
            let error = await lockError { try await lock.acquire() }
            #expect(error?.code == .timedOut)
            #expect(error?.message.contains("nestedTimeout") == true)
        }
        let (outlives, ending) = AsyncStream<Void>.makeStream()
        let late = try await ConnectionLock("a", on: connection).withLock {
            let error = await lockError { try await locks.withLock("b") { _ in } }
            #expect(error?.code == .timedOut)
            #expect(error?.message.contains("timeouts.nested") == true)
            return Self.lock("b", locks, after: outlives)
        }
        ending.finish()
        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
        // Longer than the limit was.
        try await Task.sleep(for: limit + .milliseconds(500))
        try await held.release()
        try await late.value
    }

    /// Inherits what is around it, and outlives it.
    private static func lock(_ key: LockKey, _ locks: LockManager, after start: AsyncStream<Void>) -> Task<Void, any Error> {
        Task {
            for await _ in start {}
            try await locks.withLock(key) { _ in }
        }
    }
}
