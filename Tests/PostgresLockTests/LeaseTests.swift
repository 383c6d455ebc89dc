import ChildProcesses
import FaultTools
import Foundation
import LibPQ
import Logging
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("Leases")
struct LeaseTests {
    private static let short = Duration.seconds(1)
    /// For tests of locks that have to be kept: on a busy machine no heartbeat may be sent, or answered, for seconds.
    private static let enduring = Duration.seconds(5)
    private static let severalLeases = Duration.seconds(12)

    @Test("in a network that swallows everything, the holder knows of its loss before another one gets the lock", .server())
    func blackHole() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
            $0.lease = Self.short
            $0.timeouts.response = .seconds(3)
        }
        let held = try await locks.acquire("a")
        let view = held.lock
        link.swallowEverything()
        let swallowed = ContinuousClock.now
        let others = try database.manager()
        try await others.withLock("a") { _ in
            #expect(!view.isHeld)
            print("Silence, lease of 1 s: the lock went to another after \(swallowed.duration(to: .now)).")
        }
        let loss = await view.waitForEnd()
        #expect(loss?.code == .lockLost)
        do {
            try await held.release()
            Issue.record("The release says nothing of the loss.")
        } catch let error as LockError {
            #expect(error.code == .lockLost)
        }
    }

    @Test("a body whose lock is in doubt is cancelled, and told which lock it is", .server())
    func doubt() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
            $0.lease = Self.short
            $0.timeouts.response = .seconds(3)
        }
        let error = await Self.error {
            try await locks.withLock("a") { _ in
                link.swallowEverything()
                try await Task.sleep(for: .seconds(60))
            }
        }
        #expect(error?.code == .lockLost)
        #expect(error?.keys == ["a"])
    }

    @Test("a wait without a timeout, of which a network swallows the answer, gets its lock when the network is back", .server())
    func swallowedGrant() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
            $0.lease = Self.short
            $0.timeouts.response = .seconds(2)
            $0.timeouts.connect = .milliseconds(500)
            $0.timeouts.unreachable = .seconds(60)
        }
        let others = try database.manager()
        let hasHeld = Locked(false)
        let first = try await others.acquire("a")
        let waiting = Task { try await locks.withLock("a") { _ in hasHeld.withLock { $0 = true } } }
        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
        try await database.eventually("the server was asked about the wait") {
            let question = "query LIKE 'SELECT COALESCE(a.state %'"
            return try await database.query("SELECT count(*) > 0 FROM pg_stat_activity WHERE \(question)") == [["t"]]
        }
        link.swallowEverything()
        try await first.release()
        // Granted, and ended for silence.
        try await database.eventually("no lock and no wait remains") {
            let counts = (try await database.locks(granted: false), try await database.locks())
            return counts == (0, 0)
        }
        link.swallowNothing()
        try await database.eventually("it gets the lock") { hasHeld.withLock { $0 } }
        waiting.cancel()
        _ = await waiting.result
    }

    @Test("a process that was frozen for longer finds its lock lost, and another one has got it meanwhile", .database)
    func frozen() async throws {
        let database = try TestDatabase.get()
        let holder = try ChildProcess.helper("LockHolder", [database.url, "1"])
        defer { holder.signal(SIGKILL) }
        for await line in holder.lines {
            #expect(line == "held")
            break
        }
        holder.signal(SIGSTOP)
        let stopped = ContinuousClock.now
        let locks = try database.manager()
        try await locks.withLock("frozen", timeout: .seconds(120)) { _ in
            print("A frozen holder with a lease of 1 s: its lock went to another after \(stopped.duration(to: .now)).")
            holder.signal(SIGCONT)
            // What it had found out before it was frozen may still come out, and nothing beyond that.
            var rest: [String] = []
            for await line in holder.lines { rest.append(line) }
            #expect(rest.drop { $0 == "held" }.first == "lost")
            #expect(rest.last == "lockLost")
        }
        #expect(await holder.status() == 0)
    }

    @Test("the longest lease connects over TCP, too", .server(listensOnTCP: true))
    func longestLease() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager {
            $0.url = database.server.connectionString(database: database.name, overTCP: true)
            $0.lease = .seconds(86_400)
        }
        #expect(try await locks.withLock("a") { $0.isHeld })
    }

    @Test("a process that was frozen while the server sends it more than fits loses its lock", .server(listensOnTCP: true))
    func frozenInFlood() async throws {
        let database = try TestDatabase.get()
        let url = database.server.connectionString(database: database.name, overTCP: true)
        let holder = try ChildProcess.helper("LockHolder", [url, "1", "flood"])
        defer { holder.signal(SIGKILL) }
        for await line in holder.lines {
            #expect(line == "held")
            break
        }
        try await database.eventually("the server can't send any more") {
            let sending = try await database.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'ClientWrite'")
            if !sending.isEmpty { holder.signal(SIGSTOP) }
            return !sending.isEmpty
        }
        let stopped = ContinuousClock.now
        let locks = try database.manager()
        try await locks.withLock("frozen", timeout: .seconds(120)) { _ in
            print("One frozen with full buffers, lease of 1 s: its lock went to another after \(stopped.duration(to: .now)).")
            holder.signal(SIGCONT)
            for await line in holder.lines { #expect(line == "lockLost") }
        }
        #expect(await holder.status() == 0)
    }

    @Test("a statement that runs for several leases keeps its transaction's lock", .database)
    func longStatement() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.lease = Self.enduring }
        let others = try database.manager()
        try await locks.withTransaction(locking: "a") { transaction in
            let watcher = Task {
                while !Task.isCancelled {
                    #expect(transaction.lock?.isHeld == true)
                    try await Task.sleep(for: .milliseconds(50))
                }
            }
            try await transaction.execute("SELECT pg_sleep(12)")
            watcher.cancel()
            _ = await watcher.result
            #expect(transaction.lock?.isHeld == true)
            #expect(try await others.tryAcquire("a") == nil)
        }
    }

    @Test("sessions that are idle for several leases are kept: without locks, with locks, and in a transaction", .database)
    func idle() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.lease = Self.enduring }
        let held = try await locks.acquire("a")
        try await locks.withTransaction { _ in }
        try await locks.withTransaction(locking: "b") { transaction in
            try await Task.sleep(for: Self.severalLeases)
            #expect(transaction.lock?.isHeld == true)
            try await transaction.execute("SELECT 1")
        }
        let isHeld = held.isHeld
        #expect(isHeld)
        try await held.release()
        try await locks.withTransaction { try await $0.execute("SELECT 1") }
        #expect(await locks.connectionPeak == 2)
    }

    @Test(
        "the answer to a heartbeat is not taken for the answer to a statement of the call that has the session checked out",
        .server()
    )
    func heartbeatUnderWay() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
            $0.lease = Self.enduring
        }
        let taken = try await database.manager().acquire("a")
        try await locks.withLock("x") { _ in }
        try await locks.withTransaction { _ in }
        link.setDelay(.milliseconds(500))
        let limit = Duration.milliseconds(2_500)
        for round in 0..<9 {
            // A third of the lease after the connection was last sent something; the answer takes a second.
            try await Task.sleep(for: .milliseconds(.random(in: 700...1_600)))
            switch round % 3 {
            case 0:
                let error = await lockError { try await locks.withTransaction(locking: "a", timeout: limit) { _ in } }
                #expect(error.map { [.timedOut, .noAnswer].contains($0.code) } == true, "\(String(describing: error))")
            case 1:
                let error = await lockError { try await locks.withSession { try await $0.acquire("a", timeout: limit) } }
                #expect(error.map { [.timedOut, .noAnswer].contains($0.code) } == true, "\(String(describing: error))")
            default:
                #expect(try await locks.withSession { try await $0.tryAcquire("b") })
            }
        }
        try await taken.release()
    }

    @Test("a lock that was waited for during several leases is certain when it is given out", .database)
    func longWait() async throws {
        let database = try TestDatabase.get()
        let (locks, others) = (try database.manager { $0.lease = Self.enduring }, try database.manager())
        let first = try await others.acquire("a")
        let waiting = Task {
            try await locks.withLock("a") { lock in
                #expect(lock.isHeld)
                try await Task.sleep(for: Self.enduring * 2)
                #expect(lock.isHeld)
            }
        }
        try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
        try await Task.sleep(for: Self.severalLeases)
        try await first.release()
        try await waiting.value
    }

    @Test(
        "waits of transactions and sessions that last for several leases end with a lock that is certain, also where the server hides them",
        .database,
        arguments: [false, true]
    )
    func longCheckedOutWait(isHidden: Bool) async throws {
        let database = try TestDatabase.get()
        if isHidden { try await database.query("ALTER DATABASE \(database.name) SET track_activities = off") }
        let recorder = LogRecorder()
        var configuration = LockManager.Configuration(url: database.url)
        configuration.lease = Self.enduring
        let locks = try LockManager(configuration: configuration, logger: recorder.logger)
        for isSession in [false, true] {
            let held = try await database.manager().acquire("a")
            let waiting = Task {
                if isSession {
                    try await locks.withSession { session in
                        try await session.withLock("a") { lock in #expect(lock.isHeld) }
                    }
                } else {
                    try await locks.withTransaction(locking: "a") { transaction in #expect(transaction.lock?.isHeld == true) }
                }
            }
            try await database.eventually("it waits") { try await database.locks(granted: false) == 1 }
            try await Task.sleep(for: Self.severalLeases)
            try await held.release()
            try await waiting.value
        }
        await locks.shutdown()
        await locks.drainLog()
        let isReported = recorder.lines.all.contains { $0.level == .warning && $0.message.contains("track_activities") }
        #expect(isReported == isHidden)
    }

    @Test("are what the server is told, and nothing where there is none", .database, arguments: [nil, Duration.seconds(7)] as [Duration?])
    func settings(lease: Duration?) async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.lease = lease }
        let settings = try await locks.withTransaction { transaction in
            let rows = try await transaction.query(
                "SELECT current_setting('idle_session_timeout'), current_setting('idle_in_transaction_session_timeout')"
            )
            return [try rows[0].decode(0, as: String.self), try rows[0].decode(1, as: String.self)]
        }
        #expect(settings == (lease == nil ? ["0", "0"] : ["7s", "7s"]))
    }

    @Test("that make no sense are refused", .database, arguments: [Duration.milliseconds(999), .seconds(86_401), .zero, .seconds(-1)])
    func nonsense(lease: Duration) throws {
        let database = try TestDatabase.get()
        let error = #expect(throws: LockError.self) { try database.manager { $0.lease = lease } }
        #expect(error?.code == .badConfiguration)
    }

    @Test("a body may ask not to be cancelled, and is told of the loss all the same", .database)
    func optOut() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.cancelsBodyOnLoss = false }
        let error = await Self.error {
            try await locks.withLock("a") { lock in
                try await database.queryUncancelled(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                #expect(await lock.waitForEnd()?.code == .lockLost)
                #expect(!Task.isCancelled)
                #expect(!lock.isHeld)
            }
        }
        #expect(error?.code == .lockLost)
    }

    private static func error(_ body: () async throws -> Void) async -> LockError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? LockError
        }
    }
}
