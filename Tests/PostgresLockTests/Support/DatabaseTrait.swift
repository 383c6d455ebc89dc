import Foundation
import LibPQ
import PostgresLockTesting
import Testing

/// Gives each test a database of its own, and checks afterwards that nothing is left in it.
struct DatabaseTrait: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }
    /// Starts a server for the test alone, for tests that crash it or need settings.
    var settings: [String: String]?
    var listensOnTCP = false
    var password: String?

    /// Whether the tests run behind a pooler of sessions: see `.ci/test-matrix`.
    static let isPooled = ProcessInfo.processInfo.environment["PGLOCK_TEST_POOLER"] == "session"

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await function() }
        // Limited, so that a small machine can serve the tests in time.
        await Places.shared.enter()
        defer { Places.shared.leave() }
        if let settings {
            let options = EphemeralPostgres.Options(settings: settings, listensOnTCP: listensOnTCP, password: password)
            try await EphemeralPostgres.withServer(options) { server async throws in
                try await run(on: server, function)
            }
        } else {
            try await run(on: try await SharedServer.get(), function)
        }
    }

    private func run(on server: EphemeralPostgres, _ function: @Sendable () async throws -> Void) async throws {
        let database = try await TestDatabase.open(on: server)
        do {
            try await TestDatabase.$current.withValue(database) { try await function() }
        } catch {
            await database.abandon()
            throw error
        }
        try await database.close()
    }
}

extension Trait where Self == DatabaseTrait {
    /// The test has a database on the shared server.
    static var database: DatabaseTrait { DatabaseTrait() }

    /// The test has a database on a server for it alone.
    static func server(
        _ settings: [String: String] = [:],
        listensOnTCP: Bool = false,
        password: String? = nil
    ) -> DatabaseTrait {
        DatabaseTrait(settings: settings, listensOnTCP: listensOnTCP, password: password)
    }
}

extension Trait where Self == ConditionTrait {
    /// The test needs direct connections to the server, and is skipped behind a pooler.
    static func direct(_ why: Comment) -> ConditionTrait {
        .disabled(if: DatabaseTrait.isPooled, why)
    }

    /// The test needs an extension that some distributions of the server lack.
    static func `extension`(_ name: String) -> ConditionTrait {
        .enabled("the server comes without \(name)") {
            try await !SharedServer.get().query("SELECT 1 FROM pg_catalog.pg_available_extensions WHERE name = '\(name)'").isEmpty
        }
    }

    /// The test needs a server that was built with TLS, which some distributions are not.
    static var tls: ConditionTrait {
        .enabled("the server was built without TLS") {
            try await SharedServer.get().query("SHOW ssl_library").first?.first != ""
        }
    }
}

/// The server that tests share. A cleanup process removes it when the test process ends.
enum SharedServer {
    private static let starting = Task {
        try await EphemeralPostgres.start(.init(settings: ["max_connections": "200", "max_locks_per_transaction": "512"]))
    }

    static func get() async throws -> EphemeralPostgres {
        try await starting.value
    }
}

/// Limits how many tests run at a time.
final class Places: Sendable {
    static let shared = Places(7)

    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state: Locked<State>

    private init(_ count: Int) {
        state = Locked(State(free: count))
    }

    func enter() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                guard state.free == 0 else {
                    state.free -= 1
                    return true
                }
                state.waiting.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    func leave() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.free += 1
            return nil
        }
        next?.resume()
    }
}
