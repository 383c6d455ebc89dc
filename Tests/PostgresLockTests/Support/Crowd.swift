import PostgresLock

/// Many tasks that each acquire a lock at the same time, and hold it until they are asked to release it.
final class Crowd: Sendable {
    private let gate = AsyncStream.makeStream(of: Void.self)
    private let answers = AsyncStream.makeStream(of: Void.self)
    private let tasks: [Task<LockError.Code?, any Error>]

    init(_ locks: LockManager, keys: Range<Int64>) {
        tasks = keys.map { [gate, answers] number in
            Task {
                do {
                    let lock = try await locks.acquire(LockKey(number: number))
                    answers.continuation.yield()
                    for await _ in gate.stream { break }
                    try await lock.release()
                    return nil
                } catch let error as LockError {
                    answers.continuation.yield()
                    return error.code
                }
            }
        }
    }

    /// Waits until each task has its lock, or has failed to get one.
    func answered() async {
        var missing = tasks.count
        for await _ in answers.stream {
            missing -= 1
            if missing == 0 { return }
        }
    }

    /// - Returns: The error of each task; `nil` if it got and released its lock.
    func letGo() async throws -> [LockError.Code?] {
        gate.continuation.finish()
        var codes: [LockError.Code?] = []
        for task in tasks { codes.append(try await task.value) }
        return codes
    }

    func cancel() {
        for task in tasks { task.cancel() }
    }
}
