import FaultTools
import PostgresLock
import PostgresLockTesting
import Testing

/// Losses that are known only when the release has begun.
@Suite("Losses that the release finds")
struct LateLossTests {
    private struct BodyError: Error {}

    enum Scope: CaseIterable {
        case lock
        case set
        case session
        case lockOfSession
        case transaction

        /// Runs the body under the lock "a".
        func run(_ locks: LockManager, _ body: @Sendable () async throws -> Void) async throws {
            switch self {
            case .lock: try await locks.withLock("a") { _ in try await body() }
            case .set: try await locks.withLocks([.exclusive("a"), .exclusive("b")]) { _ in try await body() }
            case .session:
                try await locks.withSession { session in
                    try await session.acquire("a")
                    try await body()
                }
            case .lockOfSession: try await locks.withSession { try await $0.withLock("a") { _ in try await body() } }
            case .transaction: try await locks.withTransaction(locking: "a") { _ in try await body() }
            }
        }
    }

    @Test(
        "a lock that is in doubt by the clock when its body throws is reported as lost, with the body's error as the cause",
        .database,
        arguments: Scope.allCases.filter { $0 != .transaction }
    )
    func expiry(_ scope: Scope) async throws {
        let locks = try TestDatabase.get().manager()
        // A new session is also asked how full the lock table is, and a late answer to that would prove that it lives.
        try await locks.withLock("warm") { _ in }
        var error: LockError?
        // On a busy machine an answer that is still under way can prove in between that the session lives.
        for _ in 0..<10 where error == nil {
            do {
                try await scope.run(locks) {
                    await locks.expireValidities()
                    throw BodyError()
                }
            } catch let loss as LockError {
                error = loss
            } catch is BodyError {}
        }
        #expect(error?.code == .lockLost)
        #expect(error?.underlying is BodyError)
    }

    @Test(
        "a body that throws over a connection that the release finds dead gets the loss, with its own error as the cause",
        .server(),
        arguments: Scope.allCases
    )
    func deadConnection(_ scope: Scope) async throws {
        let database = try TestDatabase.get()
        let link = try SlowLink(to: database.server.socketDirectory, port: database.server.port, delay: .zero)
        defer { link.close() }
        let locks = try database.manager {
            $0.url = "host=\(link.folder) port=\(database.server.port) user=postgres dbname=\(database.name)"
            $0.lease = nil
            // Long enough for a busy machine to acquire the lock.
            $0.timeouts.response = .seconds(8)
        }
        let error = await lockError {
            try await scope.run(locks) {
                link.swallowEverything()
                throw BodyError()
            }
        }
        #expect([.lockLost, .connectionLost].contains(error?.code))
        // Where one scope is inside another, the inner one's error is the cause of the outer one's.
        let errors = sequence(first: error) { $0?.underlying as? LockError }.prefix { $0 != nil }.compactMap(\.self)
        #expect(errors.contains { $0.keys.contains("a") })
        #expect(errors.last?.underlying is BodyError)
    }
}
