import Foundation
import PostgresLock
import PostgresLockTesting
import Testing

@Suite("Bad input")
struct BadInputTests {
    private static func refuse(_ configure: (inout LockManager.Configuration) -> Void) -> LockError? {
        var configuration = LockManager.Configuration(url: "postgres://localhost/x")
        configure(&configuration)
        do {
            _ = try LockManager(configuration: configuration)
            return nil
        } catch {
            return error as? LockError
        }
    }

    @Test(
        "a connection string that can't be understood is refused at once, without repeating a secret in it",
        arguments: [
            "postgres://user:s3cret@[::1/x", "host=db password=my s3cret", "nonsense", "postgres://u:s3c/s3cret@h/d",
            "postgres://u:p@s3cret@h/d",
            "postgres://u:s3cret%zz@h/d",
        ]
    )
    func malformed(url: String) {
        let error = Self.refuse { $0.url = url }
        #expect(error?.code == .badConfiguration)
        #expect(error?.message.contains("connection string") == true)
        #expect(error.map { String(reflecting: $0).contains("s3cret") } == false)
    }

    @Test("an empty connection string is refused, and a missing one leaves everything to the environment", arguments: ["", " \n"])
    func emptyURL(url: String) {
        let error = Self.refuse { $0.url = url }
        #expect(error?.code == .badConfiguration)
        #expect(error?.message.hasPrefix("url is empty") == true)
        #expect(Self.refuse { $0.url = nil } == nil)
    }

    @Test("numbers that make no sense are refused, by name")
    func numbers() {
        #expect(Self.refuse { $0.pool.maximumConnections = 0 }?.message.contains("pool.maximumConnections") == true)
        #expect(Self.refuse { $0.pool.maximumConnections = 1 }?.code == .badConfiguration)
        #expect(Self.refuse { $0.timeouts.connect = .zero }?.message.contains("timeouts.connect") == true)
        #expect(Self.refuse { $0.timeouts.response = .seconds(-1) }?.message.contains("timeouts.response") == true)
        #expect(Self.refuse { $0.handoff.maximumCount = -1 }?.message.contains("handoff.maximumCount") == true)
        #expect(Self.refuse { _ in } == nil)
    }

    @Test("a zero byte in what libpq is to connect by is refused, before libpq would cut it off, and without repeating a secret")
    func zeroBytes() async throws {
        let url = Self.refuse { $0.url = "host=db password=s3cret\0 user=u" }
        #expect(url?.code == .badConfiguration)
        #expect(url?.message.contains("zero byte") == true)
        #expect(url.map { String(reflecting: $0).contains("s3cret") } == false)
        let name = Self.refuse { $0.applicationName = "a\0b" }
        #expect(name?.code == .badConfiguration)
        #expect(name?.message.contains("applicationName") == true)
        let credentials: [(LockManager.Configuration.Credentials, String)] = [
            (.init(user: "u\0v", password: nil), "user"), (.init(password: "s3cret\0"), "password"),
        ]
        for (credentials, word) in credentials {
            var configuration = LockManager.Configuration(url: "host=/nowhere")
            configuration.credentials = { credentials }
            // However long the machine takes to run the provider.
            configuration.timeouts.connect = .seconds(600)
            configuration.timeouts.unreachable = .seconds(600)
            let locks = try LockManager(configuration: configuration)
            let error = await #expect(throws: LockError.self) { try await locks.withLock("a") { _ in } }
            #expect(error?.message.contains("\(word) has a zero byte") == true, "\(String(describing: error))")
            #expect(error.map { String(reflecting: $0).contains("s3cret") } == false)
            await locks.shutdown()
        }
    }

    @Test("an empty key and a negative timeout are refused before anything is connected")
    func arguments() async throws {
        let locks = try LockManager(configuration: .init(url: "host=/nowhere"))
        let empty = await #expect(throws: LockError.self) { try await locks.withLock("") { _ in } }
        #expect(empty?.code == .invalidArgument)
        #expect(empty?.message.contains("empty") == true)
        let negative = await #expect(throws: LockError.self) {
            try await locks.withLock("a", timeout: .seconds(-1)) { _ in }
        }
        #expect(negative?.code == .invalidArgument)
        let transaction = await #expect(throws: LockError.self) {
            try await locks.withTransaction(timeout: .seconds(-1)) { _ in }
        }
        #expect(transaction?.code == .invalidArgument)
        await locks.shutdown()
    }

    @Test(
        "a server that can't be reached is reported with its reason, within the deadline and without one",
        arguments: [
            ("host=127.0.0.1 port=1", "refused"), ("host=does-not-exist.invalid", "does-not-exist.invalid"),
            ("host=/nowhere", "/nowhere"),
        ],
        [Duration?.none, .milliseconds(300)]
    )
    func unreachable(server: (url: String, word: String), timeout: Duration?) async throws {
        var configuration = LockManager.Configuration(url: server.url + " user=u dbname=d")
        configuration.timeouts.unreachable = .milliseconds(300)
        let locks = try LockManager(configuration: configuration)
        let error = await #expect(throws: LockError.self) {
            try await locks.withLock("a", timeout: timeout) { _ in }
        }
        // A name lookup can take longer than the deadline; then all that is known is that nothing is connected yet.
        #expect(error?.code == .cannotConnect || (timeout != nil && error?.code == .noAnswer))
        if error?.code == .cannotConnect {
            #expect(error?.message.contains(server.word) == true, "\(String(describing: error))")
        }
        await locks.shutdown()
    }

    @Test("a wrong password is reported at once, and not tried again", .server(listensOnTCP: true, password: "right"))
    func password() async throws {
        let database = try TestDatabase.get()
        let asked = UnsafeCounter()
        let locks = try database.manager {
            $0.url = "host=127.0.0.1 port=\(database.server.port) user=postgres dbname=\(database.name)"
            $0.credentials = {
                await asked.increment()
                return .init(password: asked.value == 1 ? "wr0ng" : "right")
            }
        }
        let error = await #expect(throws: LockError.self) { try await locks.withLock("a") { _ in } }
        #expect(error?.code == .authenticationFailed)
        #expect(error?.sqlState == "28P01")
        #expect(error.map { String(reflecting: $0).contains("wr0ng") } == false)
        #expect(asked.value == 1)
        // The provider is asked anew for the next attempt, so a rotated password works.
        try await locks.withLock("a") { lock in #expect(lock.isHeld) }
        #expect(asked.value == 2)
    }

    @Test(
        "a login that pg_hba.conf rejects, and a role that may not log in, are reported at once, each with advice of its own",
        .server(listensOnTCP: true, password: "right"),
        .direct("the pooler logs in")
    )
    func refusedLogins() async throws {
        let database = try TestDatabase.get()
        let server = database.server
        try await server.query("CREATE ROLE outsider LOGIN PASSWORD 'right'; CREATE ROLE sleeper NOLOGIN")
        try await server.stop()
        let path = "\(server.dataDirectory)/pg_hba.conf"
        let entries = try String(contentsOfFile: path, encoding: .utf8)
        // Not as a new file, which the server's account might not be able to read.
        try "host all outsider 127.0.0.1/32 reject\n\(entries)".write(toFile: path, atomically: false, encoding: .utf8)
        try await server.resume()
        for (user, host, advice) in [
            ("outsider", "127.0.0.1", "The password was not looked at."), ("sleeper", server.socketDirectory, "may log in"),
        ] {
            let locks = try database.manager {
                $0.url = "host=\(host) port=\(server.port) user=\(user) password=right dbname=\(database.name)"
            }
            let error = await #expect(throws: LockError.self) { try await locks.withLock("a") { _ in } }
            #expect(error?.code == .authenticationFailed)
            #expect(error?.sqlState == "28000")
            #expect(error?.message.contains(advice) == true, "\(String(describing: error))")
        }
    }

    @Test("a database that does not exist is reported at once", .database)
    func missingDatabase() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.url = database.server.connectionString(database: "missing") }
        for _ in 0..<2 {
            let error = await #expect(throws: LockError.self) { try await locks.withLock("a") { _ in } }
            #expect(error?.code == .cannotConnect)
            #expect(error?.sqlState == "3D000")
            #expect(error?.message.contains("missing") == true)
        }
        let transaction = await #expect(throws: LockError.self) { try await locks.withTransaction { _ in } }
        #expect(transaction?.sqlState == "3D000")
    }

    @Test(
        "a server without a free connection is reported as such",
        .server(["max_connections": "5", "superuser_reserved_connections": "0"]),
        .direct("a pooler lets clients wait for a session")
    )
    func tooManyConnections() async throws {
        let database = try TestDatabase.get()
        // A manager's first connection takes a second one for a moment; the last place goes to one that has had its first.
        for number in 0..<4 {
            let hog = try database.manager { $0.pool.idleTimeout = .seconds(600) }
            try await hog.withLock("hog") { _ in }
            if number == 3 { try await hog.withTransaction { _ in } }
        }
        let locks = try database.manager { $0.timeouts.unreachable = .milliseconds(500) }
        let error = await #expect(throws: LockError.self) { try await locks.withLock("a") { _ in } }
        #expect(error?.code == .tooManyConnections)
        #expect(error?.sqlState == "53300")
    }
}
