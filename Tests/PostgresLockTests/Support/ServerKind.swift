import LibPQ
import PostgresLock
import PostgresLockTesting
import Testing

/// Which server a test of locks runs on. Both have to behave alike.
enum ServerKind: String, CaseIterable, CustomTestStringConvertible {
    case postgres = "PostgreSQL"
    case inMemory = "in memory"

    var testDescription: String { rawValue }

    /// Starts the server of the running test, which has the trait ``Testing/Trait/lockServers``.
    func start() async throws -> any TestServer {
        let servers = try #require(StartedServers.current, "The test needs the trait .lockServers.")
        return try await servers.start(self)
    }
}

/// Gives tests the servers that they start, and checks afterwards that nothing is left there.
struct LockServersTrait: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await function() }
        let servers = StartedServers()
        do {
            try await StartedServers.$current.withValue(servers) { try await function() }
        } catch {
            await servers.abandon()
            throw error
        }
        try await servers.close()
    }
}

extension Trait where Self == LockServersTrait {
    /// The test can start servers: see ``ServerKind/start()``.
    static var lockServers: LockServersTrait { LockServersTrait() }
}

/// The servers that one test has started.
private final class StartedServers: Sendable {
    @TaskLocal static var current: StartedServers?

    private let servers = Locked<[any TestServer]>([])

    func start(_ kind: ServerKind) async throws -> any TestServer {
        let server: any TestServer
        switch kind {
        case .postgres:
            await Places.shared.enter()
            do {
                server = try await TestDatabase.open(on: try await SharedServer.get())
            } catch {
                Places.shared.leave()
                throw error
            }
        case .inMemory:
            server = InMemoryTestServer()
        }
        servers.withLock { $0.append(server) }
        return server
    }

    func close() async throws {
        for server in take() {
            defer { if server is TestDatabase { Places.shared.leave() } }
            try await server.close()
        }
    }

    func abandon() async {
        for server in take() {
            await server.abandon()
            if server is TestDatabase { Places.shared.leave() }
        }
    }

    private func take() -> [any TestServer] {
        servers.withLock { servers in
            defer { servers = [] }
            return servers
        }
    }
}
