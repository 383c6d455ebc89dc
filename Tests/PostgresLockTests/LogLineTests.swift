import LockCore
import Logging
import PostgresLockTesting
import Testing

@testable import PostgresLock

@Suite("What is logged of the engine's events")
struct LogLineTests {
    private static func lines(_ events: Engine.Event...) async throws -> [LogRecorder.Line] {
        let recorder = LogRecorder()
        let locks = try LockManager(configuration: .init(), logger: recorder.logger)
        for event in events { await locks.driver.perform(.log(event)) }
        await locks.driver.logger.drain(within: .seconds(60))
        return recorder.lines.all
    }

    @Test("a broken invariant is critical, and names its session or its key, and what was wrong")
    func faults() async throws {
        let lines = try await Self.lines(
            .invariantBroken(ConnectionID(7), "it holds too few locks"),
            .keyBroken(AdvisoryKey(42), "it has holders without a lock")
        )
        #expect(lines.map(\.level) == [.critical, .critical])
        #expect(lines.allSatisfy { $0.message.hasPrefix("a fault of the lock library") })
        #expect(lines.first?.metadata == ["pglock.connection": "7", "pglock.reason": "it holds too few locks"])
        #expect(lines.last?.metadata == ["pglock.key": "42", "pglock.reason": "it has holders without a lock"])
    }

    @Test("log lines about lost sessions and faults are warnings or errors, with the session and the reason")
    func trouble() async throws {
        let id = ConnectionID(7)
        let failure = Failure(.connectionLost, "It is gone.", sqlState: "57P01")
        let lines = try await Self.lines(.connectionLost(id, .shared, failure, holders: []), .hiddenActivity(id), .unexpectedAnswer(id))
        #expect(lines.map(\.level) == [.warning, .warning, .error])
        #expect(lines.allSatisfy { $0.metadata["pglock.connection"] == "7" })
        #expect(lines.first?.metadata["pglock.role"] == "shared")
        #expect(lines.first?.metadata["pglock.reason"] == "It is gone.")
        #expect(lines.first?.metadata["db.response.status_code"] == "57P01")
    }

    @Test("of attempts to connect that fail for one reason the first is at info, the further ones at debug, for each role")
    func outage() async throws {
        let (refused, full) = (Failure(.unreachable, "Connection refused"), Failure(.tooManyConnections, "Too many", sqlState: "53300"))
        let lines = try await Self.lines(
            .connectFailed(.shared, refused, nextAttemptIn: .seconds(1)),
            .connectFailed(.shared, refused, nextAttemptIn: .seconds(1)),
            .connectFailed(.waiting, refused, nextAttemptIn: .seconds(1)),
            .connectFailed(.shared, full, nextAttemptIn: .seconds(1)),
            .connectFailed(.shared, full, nextAttemptIn: .seconds(1))
        )
        #expect(lines.map(\.level) == [.info, .debug, .info, .info, .debug])
        #expect(lines.allSatisfy { $0.message == "connecting failed" })
    }

    @Test("after an outage one line says that connecting succeeds again, and how many attempts have failed")
    func recovery() async throws {
        let recorder = LogRecorder()
        let server = InMemoryLockServer()
        var configuration = LockManager.Configuration()
        configuration.timeouts.unreachable = .milliseconds(300)
        let locks = try server.makeManager(configuration: configuration, logger: recorder.logger)
        server.refuseConnections()
        #expect(await lockError { try await locks.withLock("a") { _ in } }?.code == .cannotConnect)
        server.acceptConnections()
        try await locks.withLock("a", timeout: .seconds(600)) { _ in }
        try await locks.withTransaction(timeout: .seconds(600)) { _ in }
        await locks.shutdown()
        await locks.driver.logger.drain(within: .seconds(60))
        let lines = recorder.lines.all
        let failures = lines.filter { $0.message == "connecting failed" }
        #expect(failures.first?.level == .info)
        #expect(failures.dropFirst().allSatisfy { $0.level == .debug })
        let successes = lines.filter { $0.message == "connecting succeeds again" }
        #expect(successes.map(\.level) == [.info])
        #expect(successes.first?.metadata["pglock.count"] == "\(failures.count)")
    }

    @Test("what the manager puts up with by itself is no louder than info")
    func routine() async throws {
        let id = ConnectionID(7)
        let lines = try await Self.lines(
            .connectFailed(.shared, Failure(.unreachable, "No route to host"), nextAttemptIn: .seconds(1)),
            .overdue(id),
            .verifiedAfterError(held: nil),
            .waitRenewed(id)
        )
        #expect(lines.map(\.level) == [.info, .info, .debug, .debug])
        #expect(lines.first?.metadata["pglock.reason"] == "No route to host.")
        #expect(lines.first?.metadata["pglock.retry_in"] == "1.0 seconds")
        #expect(lines.first?.metadata["db.response.status_code"] == nil)
    }
}
