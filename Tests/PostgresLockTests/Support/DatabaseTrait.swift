import Foundation
import LibPQ
import PostgresLockTesting
import Testing

/// Gives each test a database of its own, and looks after it whether anything was left behind.
struct DatabaseTrait: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }
    /// A server of the test's own, for tests that crash it or need settings.
    var settings: [String: String]?
    var listensOnTCP = false
    var password: String?

    /// Whether everything is to pass behind a pooler of sessions, too: see `.ci/test-matrix`.
    fileprivate static let isPooled = ProcessInfo.processInfo.environment["PGLOCK_TEST_POOLER"] == "session"

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await function() }
        // Not more at a time than a small machine can serve, or what is tested is the machine.
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
        let name = "test_\(UInt32.random(in: .min ... .max))"
        let pooler =
            Self.isPooled ? try await Pgbouncer("session", poolSize: 90, server: server, database: name) : nil
        let database = TestDatabase(server: server, name: name, pooler: pooler)
        try await server.query("CREATE DATABASE \(name)")
        do {
            try await TestDatabase.$current.withValue(database) { try await function() }
        } catch {
            await database.shutDownManagers()
            await pooler?.stop()
            throw error
        }
        await database.shutDownManagers()
        try await database.expectNothingLeft()
        try await server.query("DROP DATABASE \(database.name) WITH (FORCE)")
    }
}

extension Trait where Self == DatabaseTrait {
    /// A database of the test's own on the shared server.
    static var database: DatabaseTrait { DatabaseTrait() }

    /// A database on a server of the test's own.
    static func server(
        _ settings: [String: String] = [:],
        listensOnTCP: Bool = false,
        password: String? = nil
    ) -> DatabaseTrait {
        DatabaseTrait(settings: settings, listensOnTCP: listensOnTCP, password: password)
    }
}

extension Trait where Self == ConditionTrait {
    /// The test needs the server itself, and is left out behind a pooler.
    static func direct(_ why: Comment) -> ConditionTrait {
        .disabled(if: DatabaseTrait.isPooled, why)
    }

    /// Needs an extension that not every distribution of the server brings along.
    static func `extension`(_ name: String) -> ConditionTrait {
        .enabled("the server comes without \(name)") {
            try await !SharedServer.get().query("SELECT 1 FROM pg_catalog.pg_available_extensions WHERE name = '\(name)'").isEmpty
        }
    }
}

/// The server that tests share; the guardian of its folder removes it when the test process ends.
private enum SharedServer {
    private static let starting = Task {
        try await EphemeralPostgres.start(.init(settings: ["max_connections": "200", "max_locks_per_transaction": "512"]))
    }

    static func get() async throws -> EphemeralPostgres {
        try await starting.value
    }
}

/// Lets a few tests run at a time.
private final class Places: Sendable {
    static let shared = Places(2)

    private struct State {
        var free: Int
        var line: [CheckedContinuation<Void, Never>] = []
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
                state.line.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    func leave() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.line.isEmpty else { return state.line.removeFirst() }
            state.free += 1
            return nil
        }
        next?.resume()
    }
}
