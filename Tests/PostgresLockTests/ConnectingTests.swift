import LibPQ
import Logging
import PostgresLock
import PostgresLockTesting
import Testing

/// Nothing that connecting has to wait for is waited for without a limit.
@Suite("Connecting")
struct ConnectingTests {
    @Test("a credentials provider that hangs fails the attempt at the connect timeout, and is cancelled", .database)
    func hangingProvider() async throws {
        let database = try TestDatabase.get()
        let gate = AsyncGate()
        defer { gate.open() }
        let cancelled = AsyncStream.makeStream(of: Void.self)
        let locks = try database.manager {
            $0.timeouts.connect = .seconds(2)
            $0.timeouts.unreachable = .milliseconds(100)
            $0.credentials = {
                guard !gate.isOpen else { return .init(password: nil) }
                await withTaskCancellationHandler {
                    // Does not end when it is cancelled, either.
                    await gate.passed()
                } onCancel: {
                    cancelled.continuation.finish()
                }
                return .init(password: nil)
            }
        }
        for ask in [
            { _ = try await locks.withLock("a") { _ in } }, { try await locks.withLock("a", timeout: .zero) { _ in } },
            { _ = try await locks.tryAcquire("a") }, { try await locks.withTransaction(timeout: .zero) { _ in } },
        ] as [@Sendable () async throws -> Void] {
            let error = await lockError(of: ask)
            #expect(error?.code == .cannotConnect)
            #expect(error?.message.contains("credentials provider") == true, "\(String(describing: error))")
        }
        for await _ in cancelled.stream {}
        gate.open()
        try await locks.withLock("a", timeout: .seconds(120)) { lock in #expect(lock.isHeld) }
    }

    @Test("calls of a credentials provider that never returns do not pile up", .database)
    func providersPileUp() async throws {
        let database = try TestDatabase.get()
        let calls = Locked(0)
        let gate = AsyncGate()
        defer { gate.open() }
        let recorder = LogRecorder()
        var configuration = LockManager.Configuration(url: database.url)
        configuration.timeouts.connect = .milliseconds(500)
        configuration.timeouts.unreachable = .milliseconds(100)
        configuration.credentials = {
            calls.withLock { $0 += 1 }
            // Does not end when it is cancelled.
            await gate.passed()
            return .init(password: nil)
        }
        let locks = try LockManager(configuration: configuration, logger: recorder.logger)
        try await database.eventually("attempts go on") {
            let error = await lockError { _ = try await locks.tryAcquire("a") }
            #expect(error != nil)
            return recorder.lines.all.count { $0.message == "connecting failed" } >= OverdueCalls.limit * 3
        }
        #expect(calls.withLock { $0 } >= OverdueCalls.limit)
        // One more for each pause that is over, on a slow machine.
        #expect(calls.withLock { $0 } < OverdueCalls.limit * 2)
        gate.open()
        try await locks.withLock("a", timeout: .seconds(60)) { lock in #expect(lock.isHeld) }
        await locks.shutdown()
    }

    @Test("a survey of the hosts whose credentials provider never returns does not make its calls pile up", .database, .direct("two hosts"))
    func surveysPileUp() async throws {
        let database = try TestDatabase.get()
        let calls = Locked(0)
        let hangs = Locked(false)
        let gate = AsyncGate()
        defer { gate.open() }
        let locks = try database.manager {
            $0.url = Self.url([database.server, database.server], database.name)
            // The pause between surveys, and long enough for the lock to be kept on a busy machine.
            $0.lease = .seconds(4)
            $0.timeouts.connect = .milliseconds(250)
            $0.credentials = {
                guard hangs.withLock({ $0 }) else { return .init(password: nil) }
                calls.withLock { $0 += 1 }
                // Does not end when it is cancelled.
                await gate.passed()
                return .init(password: nil)
            }
        }
        let held = try await locks.acquire("a", timeout: .seconds(60))
        hangs.withLock { $0 = true }
        let before = await locks.surveyCount
        try await database.eventually("surveys are made all the while") { await locks.surveyCount >= before + 2 * OverdueCalls.limit + 2 }
        #expect(calls.withLock { $0 } >= OverdueCalls.limit)
        #expect(calls.withLock { $0 } < OverdueCalls.limit * 2)
        _ = try? await held.release()
    }

    @Test("lookups of a name that never return do not pile up, and keep no other name from being looked up")
    func lookupsPileUp() async {
        let calls = Locked(0)
        let gate = Gate()
        defer { gate.open() }
        let connector = Connector(oldestServer: 120_000) { (name) throws(ConnectionFailure) in
            guard name == "stuck.example" else { throw ConnectionFailure(.unreachable, "there is no such name") }
            calls.withLock { $0 += 1 }
            gate.wait()
            return []
        }
        for _ in 0..<4 * OverdueCalls.limit {
            let failure = await connect(connector, "host=stuck.example", within: .milliseconds(50)).failure
            #expect(failure?.message.contains("not resolved in time") == true)
        }
        #expect(calls.withLock { $0 } < OverdueCalls.limit * 2)
        #expect(await connect(connector, "host=other.example").failure?.message.contains("no such name") == true)
    }

    @Test("calls of the system that are stuck keep no other attempt from connecting")
    func stuckThreads() async {
        let connector = Connector(oldestServer: 120_000)
        let gate = Gate()
        defer { gate.open() }
        for _ in 0..<300 { connector.run { gate.wait() } }
        await withCheckedContinuation { continuation in connector.run { continuation.resume() } }
    }

    @Test("a name that is not resolved in time fails the attempt, and the next one is not kept waiting", .server(listensOnTCP: true))
    func stuckLookup() async throws {
        let database = try TestDatabase.get()
        let gate = Gate()
        defer { gate.open() }
        let connector = Connector(oldestServer: 120_000) { name in
            if name == "stuck.example" { gate.wait() }
            return ["127.0.0.1"]
        }
        let stuck = await connect(connector, "host=stuck.example", within: .milliseconds(300))
        #expect(stuck.failure?.kind == .unreachable)
        #expect(stuck.failure?.message.contains("stuck.example") == true)
        let tail = "port=\(database.server.port) user=postgres dbname=\(database.name)"
        #expect(await connect(connector, "host=good.example \(tail)").isSuccess)
        #expect(await connect(connector, "host=stuck.example,good.example \(tail)").isSuccess)
    }

    @Test("an attempt has its full time from when it has its turn", .database)
    func timeInLine() async throws {
        let database = try TestDatabase.get()
        let gate = Gate()
        let begun = AsyncStream.makeStream(of: Void.self)
        let connector = Connector(oldestServer: 120_000) { (_) throws(ConnectionFailure) in
            begun.continuation.finish()
            gate.wait()
            throw ConnectionFailure(.unreachable, "there is no such name")
        }
        let first = Task { await connect(connector, "host=first.example", within: .seconds(60)) }
        for await _ in begun.stream {}
        let inLine = Task { await connect(connector, database.url, within: .seconds(8)) }
        try await Task.sleep(for: .seconds(9))
        gate.open()
        #expect(await first.value.failure?.message == "there is no such name")
        #expect(await inLine.value.isSuccess)
    }

    @Test("an attempt that is given up makes way for the next one at once, also while it is stuck", .database)
    func abandoned() async throws {
        let database = try TestDatabase.get()
        let gate = Gate()
        defer { gate.open() }
        let begun = AsyncStream.makeStream(of: Void.self)
        let connector = Connector(oldestServer: 120_000) { _ in
            begun.continuation.finish()
            gate.wait()
            return []
        }
        let attempt = ConnectAttempt()
        let first = Task { await connect(connector, "host=first.example", within: .seconds(600), attempt) }
        for await _ in begun.stream {}
        let next = Task { await connect(connector, database.url, within: .seconds(20)) }
        connector.abandon(attempt)
        #expect(await next.value.isSuccess)
        #expect(await first.value.failure?.kind == .abandoned)
    }

    @Test("attempts that are stuck on their threads make way when they are given up, and do not pile up", .database)
    func stuckAttempts() async throws {
        let database = try TestDatabase.get()
        let gate = Gate()
        defer { gate.open() }
        let connector = Connector(oldestServer: 120_000)
        var stuck: [Task<Result<PreparedSession, ConnectionFailure>, Never>] = []
        for _ in 0..<OverdueCalls.limit {
            let begun = AsyncStream.makeStream(of: Void.self)
            // Called on the attempt's thread.
            let attempt = ConnectAttempt { _, _ in
                begun.continuation.finish()
                gate.wait()
            }
            stuck.append(Task { await connect(connector, database.url, within: .seconds(600), attempt) })
            for await _ in begun.stream {}
            connector.abandon(attempt)
        }
        #expect(await connect(connector, database.url).failure?.message.contains("Earlier attempts are stuck") == true)
        gate.open()
        for attempt in stuck { #expect(await attempt.value.failure?.kind == .abandoned) }
        #expect(await connect(connector, database.url).isSuccess)
    }

    // MARK: Several hosts

    @Test("of a name with several addresses all are tried, and one that was silent comes last from then on", .server(listensOnTCP: true))
    func silentAddress() async throws {
        let database = try TestDatabase.get()
        let silent = try SilentHost(port: database.server.port)
        let connector = Connector(oldestServer: 120_000) { _ in [SilentHost.address, "127.0.0.1"] }
        let string = "host=db.example port=\(database.server.port) user=postgres dbname=\(database.name)"
        #expect(await connect(connector, string, within: .seconds(10)).isSuccess)
        #expect(silent.connections() == 1)
        #expect(await connect(connector, string, within: .seconds(10)).isSuccess)
        #expect(silent.connections() == 0)
    }

    @Test(
        "of several hosts the next one is tried, whichever way they are given, and whatever is wrong with the first",
        .server(listensOnTCP: true),
        arguments: [
            "host=silent,good port=P", "hostaddr=silent,good port=P", "host=x.example,y.example hostaddr=silent,good port=P",
            "host=silent,good port=P,P", "postgres://silent:P,good:P/", "host=/nowhere,good port=P", "host=nowhere.invalid,good port=P",
            "host=good,good port=1,P",
        ]
    )
    func nextHost(string: String) async throws {
        let database = try TestDatabase.get()
        let silent = try SilentHost(port: database.server.port)
        let locks = try database.manager {
            let string = string.replacing("silent", with: SilentHost.address).replacing("good", with: "127.0.0.1")
                .replacing("P", with: "\(database.server.port)")
            $0.url =
                string.hasPrefix("postgres:")
                ? "\(string)\(database.name)?user=postgres" : "\(string) user=postgres dbname=\(database.name)"
            $0.timeouts.connect = .seconds(4)
        }
        try await locks.withLock("a", timeout: .seconds(60)) { lock in #expect(lock.isHeld) }
        _ = silent
    }

    @Test(
        "a standby before the primary is passed over, without target_session_attrs and with it",
        .server(),
        arguments: ["", "any", "read-write"]
    )
    func standbyFirst(attributes: String) async throws {
        let database = try TestDatabase.get()
        try await EphemeralPostgres.withServer { server in
            // Otherwise it would be passed over for want of the database.
            try await server.query("CREATE DATABASE \(database.name)")
            let standby = TestDatabase(server: server, name: database.name)
            try await standby.becomeStandby()
            let locks = try database.manager {
                $0.url = Self.url([server, database.server], database.name)
                if !attributes.isEmpty { $0.url? += " target_session_attrs=\(attributes)" }
            }
            try await locks.withLock("a", timeout: .seconds(120)) { lock in
                #expect(lock.isHeld)
                // A standby grants advisory locks, too, which exclude no session of the primary's.
                let onPrimary = try await database.locks()
                #expect(onPrimary == 1)
            }
            await locks.shutdown()
        }
    }

    @Test("another server before the right one is passed over", .server())
    func replacedFirst() async throws {
        let database = try TestDatabase.get()
        try await database.becomeStandby()
        try await database.query("SELECT pg_promote()")
        try await EphemeralPostgres.withServer { old in
            try await old.query("CREATE DATABASE \(database.name)")
            let connector = Connector(oldestServer: 120_000)
            #expect(await connect(connector, Self.url([database.server], database.name)).isSuccess)
            let alone = await connect(connector, Self.url([old], database.name))
            #expect(alone.failure?.kind == .anotherServer)
            #expect(await connect(connector, Self.url([old, database.server], database.name)).isSuccess)
        }
    }

    @Test("a host whose session has been silent comes after the others", .server(), .direct("the hosts are the server's"))
    func silentHost() async throws {
        let database = try TestDatabase.get()
        let (folder, port) = (database.server.socketDirectory, database.server.port)
        // Two names for one server.
        let string = "host='\(folder),\(folder)/.' port='\(port),\(port)' dbname='\(database.name)' user='postgres'"
        let connector = Connector(oldestServer: 120_000)
        let first = try await connect(connector, string).get().raw.session
        #expect(first.host == folder)
        connector.noteSilence(first)
        let second = try await connect(connector, string).get().raw.session
        #expect(second.host == folder + "/.")
    }

    @Test("a server that is older than the oldest that is supported is refused, and is told by its version", .database)
    func tooOld() async throws {
        let database = try TestDatabase.get()
        let failure = await connect(Connector(oldestServer: 990_000), database.url).failure
        #expect(failure?.kind == .serverTooOld)
        #expect(failure?.message.contains("the oldest that is supported is 99") == true)
    }

    @Test("an error about several hosts tells what is wrong with each")
    func message() async throws {
        var configuration = LockManager.Configuration(url: "host=/nowhere,/elsewhere,127.0.0.1 port=1 dbname=x user=y")
        configuration.timeouts.unreachable = .milliseconds(300)
        let locks = try LockManager(configuration: configuration)
        // Without a timeout, which could pass on a busy machine before the first attempt has failed.
        let error = await lockError { try await locks.withLock("a") { _ in } }
        #expect(error?.code == .cannotConnect)
        for host in ["/nowhere", "/elsewhere", "127.0.0.1"] { #expect(error?.message.contains(host) == true, "\(error?.message ?? "")") }
        #expect(error?.message.contains("..") == false)
        await locks.shutdown()
    }

    private static func url(_ servers: [EphemeralPostgres], _ database: String) -> String {
        let hosts = servers.map(\.socketDirectory).joined(separator: ",")
        let ports = servers.map { "\($0.port)" }.joined(separator: ",")
        return "host='\(hosts)' port='\(ports)' dbname='\(database)' user='postgres'"
    }

    private func connect(
        _ connector: Connector,
        _ string: String,
        within limit: Duration = .seconds(20),
        _ attempt: ConnectAttempt = .init()
    ) async -> Result<PreparedSession, ConnectionFailure> {
        await withCheckedContinuation { continuation in
            let parameters = ConnectionParameters(string: string, applicationName: "test")
            connector.connect(parameters, within: limit, attempt: attempt, onNotice: { _ in }) { continuation.resume(returning: $0) }
        }
    }
}

extension Result where Failure == ConnectionFailure {
    var isSuccess: Bool {
        if let failure { print("not connected: \(failure)") }
        return failure == nil
    }

    var failure: ConnectionFailure? {
        if case .failure(let failure) = self { failure } else { nil }
    }
}
