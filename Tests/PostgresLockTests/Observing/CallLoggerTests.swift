import Foundation
import LibPQ
import Logging
import Testing

@testable import PostgresLock

@Suite("Lines for the caller's logger", .database)
struct CallLoggerTests {
    private static let terminate = """
        SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
        WHERE d.datname = current_database() AND l.locktype = 'advisory'
        """

    private let recorder = LogRecorder()

    private var request: Logger {
        var logger = recorder.logger
        logger[metadataKey: "request.id"] = "7"
        return logger
    }

    private func lines(_ message: String) -> [LogRecorder.Line] { recorder.lines.all.filter { $0.message == message } }

    @Test("lines about a call have the metadata of the caller's logger, and name the key, the mode and the caller's name")
    func scope() async throws {
        let locks = try TestDatabase.get().manager()
        try await locks.observed(as: "order", logger: request).withLock("order:17", mode: .shared) { _ in }
        #expect(recorder.lines.all.map(\.message) == ["lock granted", "lock released"])
        for line in recorder.lines.all {
            #expect(line.level == .debug)
            #expect(line.metadata["request.id"] == "7")
            #expect(line.metadata["pglock.key"] == "\(LockKey("order:17"))")
            #expect(line.metadata["pglock.mode"] == "shared")
            #expect(line.metadata["pglock.name"] == "order")
        }
        #expect(lines("lock granted").first?.metadata["pglock.waited"] != nil)
        #expect(lines("lock released").first?.metadata["pglock.held_for"] != nil)
        try await locks.withLock("order:18") { _ in }
        #expect(recorder.lines.all.count == 2)
    }

    @Test("a view of a manager keeps what it is not given: a name without a logger, a logger without a name")
    func views() async throws {
        let orders = try TestDatabase.get().manager().observed(as: "order")
        try await orders.observed(logger: request).observed().withLock("order:17") { _ in }
        #expect(recorder.lines.all.count == 2)
        #expect(recorder.lines.all.allSatisfy { $0.metadata["pglock.name"] == "order" && $0.metadata["request.id"] == "7" })
    }

    @Test("the line about a call without a lock says how it has ended")
    func failures() async throws {
        let locks = try TestDatabase.get().manager()
        let held = try await locks.acquire("a")
        let isFree = try await locks.observed(logger: request).isFree("a")
        #expect(!isFree)
        _ = await lockError { _ = try await locks.observed(logger: request).acquire("") }
        let lines = lines("lock not granted")
        #expect(lines.map { $0.metadata["pglock.outcome"] } == ["not_available", "error"])
        #expect(lines.last?.metadata["pglock.reason"] != nil)
        #expect(lines.allSatisfy { $0.level == .debug && $0.metadata["request.id"] == "7" })
        try await held.release()
    }

    @Test("a loss is told to the caller's logger while the body runs, once")
    func loss() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager { $0.cancelsBodyOnLoss = false }
        let error = await lockError {
            try await locks.observed(logger: request).withLock("a") { _ in
                try await database.query(Self.terminate)
                try await database.eventually("the line is there") { lines("lock lost").count == 1 }
            }
        }
        #expect(error?.code == .lockLost)
        let lost = lines("lock lost")
        #expect(lost.count == 1)
        #expect(lost.first?.level == .warning)
        #expect(lost.first?.metadata["request.id"] == "7")
        #expect(lost.first?.metadata["pglock.reason"] != nil)
    }

    @Test("a log handler that blocks keeps no body from being cancelled when a session is lost")
    func blockedHandler() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let gate = Gate()
        let logger = Logger(label: "test") { _ in BlockingHandler(gate: gate) }
        // More bodies than there may be threads that users' code blocks.
        let count = 80
        let (begun, cancelled, cancelledBefore) = (Locked(0), Locked(0), Locked(0))
        // A thread, since the handler also blocks the runtime's, where calls tell of their ends.
        Thread.detachNewThread {
            let limit = ContinuousClock.now + .seconds(300)
            while cancelled.withLock({ $0 }) < count, ContinuousClock.now < limit { Thread.sleep(forTimeInterval: 0.01) }
            cancelledBefore.withLock { $0 = cancelled.withLock { $0 } }
            gate.open()
        }
        await withTaskGroup { group in
            for index in 0..<count {
                group.addTask {
                    _ = try? await locks.observed(logger: logger).withLock(LockKey(number: Int64(index))) { _ in
                        begun.withLock { $0 += 1 }
                        await withTaskCancellationHandler {
                            try? await Task.sleep(for: .seconds(3_600))
                        } onCancel: {
                            cancelled.withLock { $0 += 1 }
                        }
                    }
                }
            }
            while begun.withLock({ $0 }) < count { try? await Task.sleep(for: .milliseconds(5)) }
            _ = try? await database.query(Self.terminate)
        }
        #expect(cancelledBefore.withLock { $0 } == count)
    }

    @Test("the warning about a dropped handle goes to the logger of the call that made it")
    func dropped() async throws {
        let locks = try TestDatabase.get().manager()
        _ = try await locks.observed(logger: request).acquire("a")
        await locks.driver.logger.drain(within: .seconds(20))
        let warnings = recorder.lines.all.filter { $0.level == .warning }
        #expect(warnings.count == 1)
        #expect(warnings.first?.message.hasPrefix("a lock handle was dropped") == true)
        #expect(warnings.first?.metadata["request.id"] == "7")
    }

    @Test("the line about a lost connection names its backend and the first ten of the keys that are lost, and how many there are")
    func connectionLost() async throws {
        let database = try TestDatabase.get()
        let locks = try LockManager(configuration: .init(url: database.url), logger: recorder.logger)
        let handles = try await locks.acquire(all: (0..<12).map { .exclusive(LockKey("key \($0)")) })
        let holder = """
            SELECT DISTINCT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
            WHERE d.datname = current_database() AND l.locktype = 'advisory'
            """
        let pid = try await database.query(holder).first?.first
        try await database.query(Self.terminate)
        _ = await handles.locks.waitForEnd()
        // Its release throws the loss.
        try? await handles.release()
        _ = await lockError {
            try await locks.withTransaction(locking: "first") { transaction in
                try await transaction.acquire("second")
                try await database.queryUncancelled(Self.terminate)
                try await Task.sleep(for: .seconds(20))
            }
        }
        await locks.shutdown()
        let lines = lines("connection lost")
        try #require(lines.count == 2)
        let keys = Set((0..<12).map { "\(LockKey("key \($0)"))" })
        guard case .array(let shared)? = lines[0].metadata["pglock.keys"], case .array(let own)? = lines[1].metadata["pglock.keys"] else {
            Issue.record("A line names no keys: \(lines)")
            return
        }
        #expect(shared.count == 10)
        #expect(shared.allSatisfy { keys.contains("\($0)") })
        #expect(lines[0].metadata["pglock.count"] == "12")
        #expect(lines[0].metadata["pglock.backend_pid"].map { "\($0)" } == pid)
        #expect(Set(own.map { "\($0)" }) == ["\(LockKey("first"))", "\(LockKey("second"))"])
        #expect(lines[1].metadata["pglock.count"] == "2")
    }

    @Test("no line has metadata that are empty")
    func noEmptyMetadata() async throws {
        let relay = LogRelay(recorder.logger)
        relay.info("a", metadata: [:])
        relay.warning("b", metadata: ["c": "d"])
        await relay.drain(within: .seconds(20))
        #expect(recorder.lines.all.map(\.message) == ["a", "b"])
        #expect(recorder.lines.all.allSatisfy { !$0.hasEmptyMetadata })
    }
}

/// Blocks at each warning until the gate is open.
private struct BlockingHandler: LogHandler {
    let gate: Gate
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.warning

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { gate.wait() }
}
