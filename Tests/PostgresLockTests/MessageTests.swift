import FaultTools
import LibPQ
import Logging
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("What errors and log lines say")
struct MessageTests {
    @Test("a timeout error names timeouts.nested as its limit even if the enclosing scope has ended meanwhile", .database)
    func nestedLimit() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.timeouts.nested = .seconds(20) }
        let taken = try await database.manager().acquire("a")
        let waiting = try await locks.withLock("b") { _ in
            let waiting = Task { await lockError { try await locks.withLock("a") { _ in } } }
            try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
            return waiting
        }
        let error = await waiting.value
        #expect(error?.message.hasPrefix("Waited 20.0 seconds for the lock \"a\"") == true, "\(String(describing: error))")
        #expect(error?.message.contains("timeouts.nested") == true)
        try await taken.release()
    }

    @Test("the error of a child task that asks for the key of the enclosing scope says that this scope holds it", .database)
    func enclosing() async throws {
        let locks = try TestDatabase.get().manager()
        let says = "A scope that this task was started in holds the lock \"a\""
        try await locks.withLock("a") { _ in
            async let none = lockError { try await locks.withLock("a", timeout: .zero) { _ in } }
            async let some = lockError { try await locks.withLock("a", timeout: .milliseconds(50)) { _ in } }
            async let several = lockError { try await locks.withLocks([.shared("a"), .shared("b")], timeout: .zero) { _ in } }
            async let transaction = lockError { try await locks.withTransaction(locking: "a", timeout: .zero) { _ in } }
            for error in await [none, some, several, transaction] {
                #expect(error?.code == .timedOut)
                #expect(error?.message.contains(says) == true, "\(String(describing: error))")
            }
        }
        try await locks.withSession { session in
            try await session.acquire("a")
            async let child = informedError(from: .milliseconds(50)) { try await locks.withLock("a", timeout: $0) { _ in } }
            #expect(await child?.message.contains(says) == true)
        }
        let other = try await locks.acquire("a")
        let unrelated = await lockError { try await locks.withLock("a", timeout: .zero) { _ in } }
        #expect(unrelated?.message.contains("A scope") == false)
        try await other.release()
    }

    @Test("an error shows the server's message, detail and hint as sentences", .database)
    func serverWords() async throws {
        let locks = try TestDatabase.get().manager()
        let error = await lockError {
            try await locks.withTransaction { transaction in
                try await transaction.execute("DO $$ BEGIN RAISE EXCEPTION 'one' USING DETAIL = 'two', HINT = 'Three.'; END $$")
            }
        }
        #expect(error?.message.hasSuffix(" refused a statement: one. two. Three.") == true, "\(String(describing: error))")
        #expect(error?.message.hasPrefix("Database ") == true)
    }

    @Test("of several lost sessions each error names its own reason, and no sentence ends with two full stops", .server())
    func losses() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let lines = LogRecorder()
        var configuration = LockManager.Configuration()
        configuration.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
        let locks = try LockManager(configuration: configuration, logger: lines.logger)
        let held = try await locks.acquire("a")
        let view = held.lock
        let running = Locked(0)
        let errors = try await withThrowingTaskGroup(of: LockError?.self) { group in
            for key: LockKey in ["b", "c"] {
                group.addTask {
                    await lockError {
                        try await locks.withTransaction(locking: key) { _ in
                            running.withLock { $0 += 1 }
                            try await Task.sleep(for: .seconds(600))
                        }
                    }
                }
            }
            group.addTask { await view.waitForEnd() }
            // A transaction whose answers are still under way would end otherwise, since it does not know that it has the lock.
            try await database.eventually("both bodies run") { running.withLock { $0 == 2 } }
            await link.cut()
            return try await group.reduce(into: [LockError?]()) { $0.append($1) }
        }
        for error in errors {
            #expect(error?.code == .lockLost)
            #expect(error?.message.contains("..") == false, "\(String(describing: error))")
            #expect(error?.message.contains(". Others may hold it now") == true, "\(String(describing: error))")
        }
        try await database.eventually("the losses are logged") { lines.lines.all.contains { $0.message == "connection lost" } }
        for line in lines.lines.all where line.message == "connection lost" {
            #expect(line.metadata["db.response.status_code"] == nil)
            #expect(line.metadata["pglock.reason"]?.description.contains("\n") == false)
        }
        await locks.shutdown(gracePeriod: .zero)
    }

    @Test(
        "the error for a server that can't be connected to names the server first, and ends with a full stop",
        arguments: [nil, Duration.seconds(1)]
    )
    func unreachable(timeout: Duration?) async throws {
        var configuration = LockManager.Configuration(url: "postgres://app:hunter2@127.0.0.1:1/db")
        configuration.timeouts.unreachable = .milliseconds(200)
        let locks = try LockManager(configuration: configuration)
        let error: LockError?
        if let timeout {
            error = await informedError(from: timeout) { try await locks.withLock("a", timeout: $0) { _ in } }
        } else {
            error = await lockError { try await locks.withLock("a") { _ in } }
        }
        #expect(error?.code == .cannotConnect)
        let message = error?.message ?? ""
        #expect(message.hasPrefix("Can't connect to the server (lock \"a\""), "\(message)")
        #expect(message.hasSuffix("connections? Check host, port, and that the server is running."), "\(message)")
        #expect(!message.contains("..") && !message.contains("\n") && !message.contains("hunter2"))
        await locks.shutdown()
    }
}
