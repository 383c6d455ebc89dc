import FaultTools
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("Faults")
struct FaultTests {
    @Test("sessions that are terminated at any moment end every call at once, and the manager goes on", .server())
    func termination() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.timeouts.response = .seconds(60) }
        let killer = Task {
            while !Task.isCancelled {
                try await database.queryUncancelled(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                try await Task.sleep(for: .milliseconds(50))
            }
        }
        defer { killer.cancel() }
        var losses = 0
        for round in 0..<500 {
            do {
                try await locks.withLock(LockKey(number: Int64(round))) { _ in await Task.yield() }
            } catch let error as LockError {
                losses += 1
                #expect([.lockLost, .connectionLost].contains(error.code), "\(error)")
            }
        }
        killer.cancel()
        _ = await killer.result
        try await locks.withLock("a", timeout: .seconds(120)) { lock in #expect(lock.isHeld) }
        print("terminated: \(losses) of 500 rounds lost their lock")
    }

    @Test(
        "a server that crashes in the middle of work ends every call, and where its deadline allows it the call succeeds after the restart",
        .server()
    )
    func crash() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.timeouts.unreachable = .milliseconds(200) }
        let other = try database.manager()
        let blocker = try await other.acquire("taken")
        let held = try await locks.acquire("held")
        let view = held.lock
        let patient = Task { try await locks.withLock("taken", timeout: .seconds(60)) { $0.isHeld } }
        let writing = Task { try await locks.withTransaction(locking: "t") { try await $0.execute("SELECT pg_sleep(60)") } }
        try await database.eventually("one waits") { try await database.locks(granted: false) == 1 }
        try await database.eventually("one writes") { try await database.locks() == 3 }
        try await database.server.crash()
        let loss = await view.waitForEnd()
        #expect(loss?.code == .lockLost)
        let lost = await #expect(throws: LockError.self) { try await writing.value }
        #expect(lost?.code == .lockLost || lost?.code == .connectionLost)
        let impatient = await #expect(throws: LockError.self) { try await locks.withLock("b") { _ in } }
        #expect(impatient?.code == .cannotConnect, "\(String(describing: impatient))")
        try await database.server.resume()
        #expect(try await patient.value)
        do {
            try await held.release()
            Issue.record("The release says nothing of the loss.")
        } catch let error as LockError {
            #expect(error.code == .lockLost)
        }
        do {
            try await blocker.release()
            Issue.record("The release says nothing of the loss.")
        } catch let error as LockError {
            #expect(error.code == .lockLost)
        }
    }

    @Test("a server that stops answering is given up after the response timeout, and its locks are lost", .server())
    func silence() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
            $0.timeouts.response = .seconds(10)
            $0.timeouts.unreachable = .milliseconds(200)
            $0.timeouts.connect = .seconds(5)
        }
        let held = try await locks.acquire("a", timeout: .seconds(120))
        let view = held.lock
        link.swallowEverything()
        let error = await #expect(throws: LockError.self) { try await locks.acquire("b").release() }
        #expect(error?.code == .cannotConnect)
        #expect(await view.waitForEnd()?.code == .lockLost)
        _ = consume held
    }

    @Test(
        "of several locks for which there is no room, none is held",
        .server(["max_locks_per_transaction": "10"]),
        arguments: [(LockManager.Configuration.Capacity.unlimited, LockError.Code.lockTableFull), (.fraction(0.5), .capacity)]
    )
    func noRoom(capacity: LockManager.Configuration.Capacity, code: LockError.Code) async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.capacity = capacity }
        let requests = (0..<50_000).map { LockRequest.exclusive(LockKey(number: Int64($0))) }
        let error = await #expect(throws: LockError.self) { try await locks.withLocks(requests) { _ in } }
        #expect(error?.code == code)
        #expect(error.map { !$0.keys.isEmpty && $0.message.count < 2000 } == true)
        #expect(try await database.locks() == 0)
        try await locks.withLocks(Array(requests.prefix(100))) { set in #expect(set.isHeld) }
    }

    @Test("what does not wait for others ends in time on a server that is silent, too", .server(), arguments: [true, false])
    func immediate(isConnected: Bool) async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
            $0.timeouts.response = .seconds(120)
            $0.timeouts.connect = .seconds(120)
            $0.timeouts.unreachable = .milliseconds(300)
            $0.lease = nil
            $0.pool.idleTimeout = .seconds(600)
        }
        if isConnected {
            // Connections that are there and unused.
            try await locks.withLock("a", timeout: .seconds(120)) { _ in }
            try await locks.withTransaction(timeout: .seconds(120)) { _ in }
        }
        link.swallowEverything()
        let began = ContinuousClock.now
        func ends(_ name: String, _ call: () async throws -> Void) async {
            let error = await lockError { try await call() }
            #expect(error != nil, "\(name)")
        }
        await ends("tryAcquire") { _ = try await locks.tryAcquire("b") }
        await ends("withLock") { try await locks.withLock("b", timeout: .zero) { _ in } }
        await ends("withLocks") { try await locks.withLocks([.exclusive("b"), .exclusive("c")], timeout: .zero) { _ in } }
        await ends("tryAcquire(all:)") { _ = try await locks.tryAcquire(all: [.exclusive("b"), .exclusive("c")]) }
        await ends("withTransaction") { try await locks.withTransaction(timeout: .zero) { _ in } }
        await ends("withTransaction(locking:)") { try await locks.withTransaction(locking: "b", timeout: .zero) { _ in } }
        await ends("withSession") { try await locks.withSession(timeout: .zero) { try await $0.acquire("b", timeout: .zero) } }
        #expect(began.duration(to: .now) < .seconds(100))
    }

    @Test("while one session is silent, new locks are got over another one", .server(), .direct("it counts sessions"))
    func silentSession() async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
            $0.timeouts.response = .seconds(600)
            $0.lease = nil
        }
        let held = try await locks.acquire("a")
        let view = held.lock
        link.swallowEverything()
        let stuck = Task { try await locks.withLock("b") { _ in } }
        try await database.eventually("it is asked for") { await locks.waitingCount == 1 }
        link.swallowNothing()
        try await locks.withLock("c", timeout: .seconds(60)) { lock in #expect(lock.isHeld) }
        #expect(view.isHeld, "the silent session is kept")
        stuck.cancel()
        await #expect(throws: CancellationError.self) { try await stuck.value }
        _ = consume held
    }
}
