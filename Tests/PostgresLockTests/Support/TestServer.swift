import PostgresLock
import Testing

/// A server that a test of locks runs on, for the test alone.
protocol TestServer: Sendable {
    /// A manager on this server, shut down after the test.
    func manager(_ configure: (inout LockManager.Configuration) -> Void) throws -> LockManager

    /// The number of locks that are granted, or waited for. A lock that two sessions share counts twice.
    func locks(granted: Bool) async throws -> Int

    /// The number of sessions.
    func sessions() async throws -> Int

    /// Ends sessions: all, or those that hold a lock. That is not ended by cancellation: a body that ends the session of its own lock is
    /// cancelled before it has the answer, and would check nothing of what follows.
    func endSessions(holding key: LockKey?) async throws

    /// Shuts the managers down, and checks that the test has left no lock and no session on the server.
    func close() async throws

    /// The test has failed.
    func abandon() async
}

extension TestServer {
    func manager() throws -> LockManager { try manager { _ in } }
    func locks() async throws -> Int { try await locks(granted: true) }
    func endSessions() async throws { try await endSessions(holding: nil) }

    /// Repeats a check until it is true; records an issue if it does not become true within five minutes.
    nonisolated(nonsending) func eventually(
        _ what: String,
        sourceLocation: SourceLocation = #_sourceLocation,
        _ isTrue: nonisolated(nonsending) () async throws -> Bool
    ) async throws {
        let limit = ContinuousClock.now + .seconds(300)
        while try await !isTrue() {
            guard ContinuousClock.now < limit else {
                Issue.record("Never happened: \(what)", sourceLocation: sourceLocation)
                return
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
