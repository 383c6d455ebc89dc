import Dispatch
import LibPQ
import Logging
import Synchronization
import Testing

@testable import PostgresLock

/// Users' code that blocks: cancellation handlers, log handlers, providers of credentials.
@Suite("Users' code that blocks")
struct UserCodeTests {
    /// Waits on the calling thread, like users' code that blocks. The wait is limited, so that a failed test ends, too.
    private final class Signal: Sendable {
        private let semaphore = DispatchSemaphore(value: 0)

        func send() { semaphore.signal() }

        /// - Returns: Whether the signal came.
        func wait() -> Bool { semaphore.wait(timeout: .now() + 120) == .success }
    }

    /// Ends the session that holds the key 1.
    private static let terminateSession = """
        SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """

    /// A body that waits until it is cancelled, with a cancellation handler.
    private static func stay(_ begun: AsyncStream<Void>.Continuation, onCancel: @Sendable @escaping () -> Void) async throws {
        try await withTaskCancellationHandler {
            begun.yield()
            try await Task.sleep(for: .seconds(60))
        } onCancel: {
            onCancel()
        }
    }

    @Test("a cancellation handler that blocks when its lock is lost holds up no other lock of the manager", .database)
    func blockingCancellation() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let (begun, begin) = AsyncStream.makeStream(of: Void.self)
        let (entered, enter) = AsyncStream.makeStream(of: Void.self)
        let isFree = Signal()
        let wasFreed = Locked(false)
        let losing = Task {
            try await locks.withSession { session in
                try await session.withLock(LockKey(number: 1)) { _ in
                    try await Self.stay(begin) {
                        enter.yield()
                        let came = isFree.wait()
                        wasFreed.withLock { $0 = came }
                    }
                }
            }
        }
        for await _ in begun { break }
        let healthy = try await locks.acquire("healthy")
        try await database.query(Self.terminateSession)
        for await _ in entered { break }
        try await locks.withLock("another") { _ in }
        let isHeld = healthy.isHeld
        #expect(isHeld)
        isFree.send()
        await #expect(throws: LockError.self) { try await losing.value }
        #expect(wasFreed.withLock { $0 }, "the handler was on the event loop")
        try await healthy.release()
    }

    @Test(
        "when several locks are lost together, a cancellation handler that blocks does not prevent the cancellation of the other bodies",
        .database
    )
    func blockingEachOther() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let (begun, begin) = AsyncStream.makeStream(of: Void.self)
        let signals = [Signal(), Signal(), Signal()]
        let met = Locked(0)
        let tasks = (0..<3).map { index in
            Task {
                try await locks.withLock(LockKey(number: Int64(index + 1))) { lock in
                    let watching = Task { await lock.waitForEnd() }
                    defer { watching.cancel() }
                    try await Self.stay(begin) {
                        // Each waits for the one behind it, in a ring.
                        signals[index].send()
                        if signals[(index + 1) % 3].wait() { met.withLock { $0 += 1 } }
                    }
                }
            }
        }
        var count = 0
        for await _ in begun {
            count += 1
            if count == 3 { break }
        }
        // All sessions: on a busy machine a second one may have taken some of the locks.
        try await database.endSessions()
        for task in tasks { await #expect(throws: LockError.self) { try await task.value } }
        #expect(met.withLock { $0 } == 3)
    }

    @Test("code that waits for the loss inside a body finds the body cancelled, in each of many bodies", .database)
    func order() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let (begun, begin) = AsyncStream.makeStream(of: Void.self)
        let tasks = (1...200).map { number in
            Task {
                try await locks.withLock(LockKey(number: Int64(number))) { lock in
                    begin.yield()
                    #expect(await lock.waitForEnd()?.code == .lockLost)
                    #expect(!lock.isHeld)
                    #expect(Task.isCancelled)
                }
            }
        }
        var count = 0
        for await _ in begun {
            count += 1
            if count == 200 { break }
        }
        // All sessions: on a busy machine a second one may have taken some of the locks.
        try await database.endSessions()
        for task in tasks { await #expect(throws: LockError.self) { try await task.value } }
    }

    @Test("a log handler that blocks holds up no lock, and gets its lines in their order", .database)
    func blockingLog() async throws {
        let database = try TestDatabase.get()
        let handler = BlockingLog()
        let locks = try LockManager(configuration: .init(url: database.url), logger: handler.logger)
        for number in 1...3 {
            let error = await lockError {
                try await locks.withLock(LockKey(number: 1)) { lock in
                    try await database.query(Self.terminateSession)
                    _ = await lock.waitForEnd()
                }
            }
            #expect(error?.code == .lockLost, "round \(number)")
        }
        handler.isFree.send()
        await locks.shutdown()
        await locks.drainLog()
        #expect(!handler.hasTimedOut.withLock { $0 }, "the handler was on the event loop")
        let lines = handler.messages.withLock { $0 }.filter { ["connected", "connection lost"].contains($0) }
        #expect(lines.prefix(6) == ["connected", "connection lost", "connected", "connection lost", "connected", "connection lost"])
    }

    private struct BlockingLog: LogHandler {
        let isFree = Signal()
        let messages = Locked<[String]>([])
        let hasTimedOut = Locked(false)
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.debug

        var logger: Logger { Logger(label: "test") { _ in self } }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let isFirst = messages.withLock { messages in
                messages.append("\(event.message)")
                return messages.count == 1
            }
            guard isFirst else { return }
            let came = isFree.wait()
            hasTimedOut.withLock { $0 = !came }
        }
    }

    @Test("if a log handler is too slow, lines are dropped, and their number is logged")
    func droppedLines() async {
        let handler = BlockingLog()
        let relay = LogRelay(handler.logger)
        for number in 0..<LogRelay.capacity + 5 { relay.info("\(number)", metadata: [:]) }
        handler.isFree.send()
        await relay.drain(within: .seconds(20))
        let lines = handler.messages.withLock { $0 }
        #expect(lines.count == LogRelay.capacity + 1)
        #expect(lines.contains { $0.contains("dropped") })
    }

    @Test("pieces of users' code begin in their order, and those behind one that blocks run on another thread")
    func runner() async {
        let runner = UserCodeRunner()
        let signal = Signal()
        let begun = Locked<[Int]>([])
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        let cameThrough = Locked(0)
        runner.run(
            (0..<100).map { number in
                {
                    begun.withLock { $0.append(number) }
                    // The first few block until the last one has begun.
                    if number < 5, signal.wait() { cameThrough.withLock { $0 += 1 } }
                    if number == 99 { for _ in 0..<5 { signal.send() } }
                    end.yield()
                }
            }
        )
        var count = 0
        for await _ in ended {
            count += 1
            if count == 100 { break }
        }
        #expect(begun.withLock { $0 } == Array(0..<100))
        #expect(cameThrough.withLock { $0 } == 5)
    }

    @Test("a credentials provider that is called because of a request inside a scope does not run inside that scope", .database)
    func credentials() async throws {
        let isInside = Locked<[Bool]>([])
        let locks = try TestDatabase.get().manager {
            $0.credentials = {
                isInside.withLock { $0.append(EnclosingLock.isInside) }
                return .init(password: nil)
            }
        }
        try await locks.withLock("a") { _ in
            try await locks.withTransaction { _ in }
        }
        let calls = isInside.withLock { $0 }
        #expect(calls.count >= 2 && !calls.contains(true), "\(calls)")
    }
}
