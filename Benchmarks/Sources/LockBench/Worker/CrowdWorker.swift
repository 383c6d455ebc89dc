import Foundation
import PostgresLock
import Synchronization

/// Many tasks that wait: what they cost, and how soon they are gone.
///
/// They are no children of a task group: children that finish in another order than they were added take the runtime a
/// time that grows with the square of their number.
struct CrowdWorker {
    let url: String
    let size: Int

    private static let timeout = Duration.seconds(60)

    /// Tasks that wait for a continuation and nothing else.
    func suspended() async throws -> [String: Double] {
        let muster = Muster()
        muster.waiting.withLock { $0.reserveCapacity(size) }
        let before = try resident()
        let tasks = (0..<size).map { _ in
            Task {
                await withUnsafeContinuation { continuation in
                    muster.waiting.withLock { $0.append(continuation) }
                }
            }
        }
        try await until("all tasks wait") { muster.waiting.withLock { $0.count } == size }
        try await Task.sleep(for: .milliseconds(300))
        let after = try resident()
        for continuation in muster.waiting.withLock({ $0 }) { continuation.resume() }
        for task in tasks { await task.value }
        return ["bytes": (after - before) / Double(size)]
    }

    /// Tasks that wait for locks, all for one or each for its own.
    func waiting(keys: Int) async throws -> [String: Double] {
        let holder = try RawSession(url: url)
        try holder.query("SET application_name = 'lock-bench holder'")
        try holder.query("SELECT count(pg_advisory_lock(k)) FROM generate_series(1, \(keys)) k")
        let locks = try LibraryWorker.manager(url)
        try await locks.withLock(LockKey(number: 0)) { _ in }
        let muster = Muster()
        let before = try resident()
        let tasks = (0..<size).map { number in
            Task {
                let key = LockKey(number: Int64(1 + number % keys))
                muster.begun.wrappingAdd(1, ordering: .relaxed)
                try await locks.withLock(key) { _ in }
            }
        }
        try await until("all tasks have begun") { muster.begun.load(ordering: .relaxed) == size }
        // What they have asked for lies before this in the manager's queue.
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
        return ["bytes": (after - before) / Double(size), "cancel": length, "left": Double(left)]
    }

    private func resident() throws -> Double {
        guard let bytes = ProcFile.residentMemory() else { throw BenchError("Memory is read from /proc, which this system has not.") }
        return bytes
    }

    /// What the library's sessions hold or wait for.
    private func waits(_ session: RawSession) throws -> Int {
        try count(session, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()")
    }

    private func sessions(_ session: RawSession) throws -> Int {
        try count(session, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'swift-postgres-lock'")
    }

    private func count(_ session: RawSession, _ sql: String) throws -> Int {
        guard let number = Int(try session.query(sql)) else { throw BenchError("The server did not say how many are left.") }
        return number
    }

    /// Waits up to two seconds for nothing to be left, and returns what is.
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
            guard ContinuousClock.now < deadline else { throw BenchError("In vain waited until \(what).") }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}

/// Who is there.
private final class Muster: Sendable {
    let begun = Atomic(0)
    let waiting = Mutex<[UnsafeContinuation<Void, Never>]>([])
}
