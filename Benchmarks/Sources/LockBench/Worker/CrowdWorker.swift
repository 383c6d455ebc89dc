import Foundation
import PostgresLock
import Synchronization

/// Measures many waiting tasks: their memory, and the time until all are cancelled.
///
/// The tasks are not children of a task group. If children finish in another order than they were added, the runtime needs a time
/// that grows with the square of their number.
struct CrowdWorker {
    let url: String
    let size: Int

    private static let timeout = Duration.seconds(60)

    /// Measures tasks that wait only for a continuation.
    func suspended() async throws -> [String: Double] {
        let state = CrowdState()
        state.waiting.withLock { $0.reserveCapacity(size) }
        let before = try resident()
        let tasks = (0..<size).map { _ in
            Task {
                await withUnsafeContinuation { continuation in
                    state.waiting.withLock { $0.append(continuation) }
                }
            }
        }
        try await until("all tasks wait") { state.waiting.withLock { $0.count } == size }
        try await Task.sleep(for: .milliseconds(300))
        let after = try resident()
        for continuation in state.waiting.withLock({ $0 }) { continuation.resume() }
        for task in tasks { await task.value }
        return ["bytes": (after - before) / Double(size)]
    }

    /// Measures tasks that wait for locks which another session holds.
    ///
    /// - Parameter keys: The number of keys that the tasks share.
    func waiting(keys: Int) async throws -> [String: Double] {
        let holder = try RawSession(url: url)
        try holder.query("SET application_name = 'lock-bench holder'")
        try holder.query("SELECT count(pg_advisory_lock(k)) FROM generate_series(1, \(keys)) k")
        let locks = try LibraryWorker.manager(url)
        try await locks.withLock(LockKey(number: 0)) { _ in }
        let state = CrowdState()
        let before = try resident()
        let tasks = (0..<size).map { number in
            Task {
                let key = LockKey(number: Int64(1 + number % keys))
                state.begun.wrappingAdd(1, ordering: .relaxed)
                try await locks.withLock(key) { _ in }
            }
        }
        try await until("all tasks have begun") { state.begun.load(ordering: .relaxed) == size }
        // The manager handles requests in order, so it has handled those of the tasks when these locks have been granted.
        for _ in 0..<3 { try await locks.withLock(LockKey(number: 0)) { _ in } }
        try await Task.sleep(for: .milliseconds(300))
        let after = try resident()

        let start = ContinuousClock.now
        for task in tasks { task.cancel() }
        for task in tasks {
            guard case .failure(let error) = await task.result, error is CancellationError else {
                throw BenchError("A cancelled task did not end by a CancellationError.")
            }
        }
        let length = (ContinuousClock.now - start) / .seconds(1)
        var left = try await rest { try waits(holder) }
        await locks.shutdown()
        left += try await rest { try sessions(holder) }
        return ["bytes": (after - before) / Double(size), "cancelling": length, "left": Double(left)]
    }

    private func resident() throws -> Double {
        guard let bytes = ProcFile.residentMemory() else {
            throw BenchError("Memory is read from /proc, which this system does not have.")
        }
        return bytes
    }

    /// The number of locks that the library's sessions hold or wait for.
    private func waits(_ session: RawSession) throws -> Int {
        try count(session, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()")
    }

    private func sessions(_ session: RawSession) throws -> Int {
        try count(session, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lock-bench'")
    }

    private func count(_ session: RawSession, _ sql: String) throws -> Int {
        guard let number = Int(try session.query(sql)) else { throw BenchError("The server did not return a number.") }
        return number
    }

    /// Waits up to two seconds until the count is 0, and returns it.
    private func rest(_ count: () throws -> Int) async throws -> Int {
        for _ in 0..<200 {
            let number = try count()
            if number == 0 { return 0 }
            try await Task.sleep(for: .milliseconds(10))
        }
        return try count()
    }

    private func until(_ what: String, _ condition: () -> Bool) async throws {
        let deadline = ContinuousClock.now + Self.timeout
        while !condition() {
            guard ContinuousClock.now < deadline else { throw BenchError("Timed out waiting until \(what).") }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}

/// The tasks that have begun and those that wait.
private final class CrowdState: Sendable {
    let begun = Atomic(0)
    let waiting = Mutex<[UnsafeContinuation<Void, Never>]>([])
}
