import PostgresLock

/// Many tasks that take a lock each, all at once, and keep what they get until they are told to let go.
final class Crowd: Sendable {
    private let gate = AsyncStream.makeStream(of: Void.self)
    private let tasks: [Task<LockError.Code?, any Error>]

    init(_ locks: LockManager, keys: Range<Int64>) {
        tasks = keys.map { [gate] number in
            Task {
                do {
                    let lock = try await locks.acquire(LockKey(number: number))
                    for await _ in gate.stream { break }
                    try await lock.release()
                    return nil
                } catch let error as LockError {
                    return error.code
                }
            }
        }
    }

    /// - Returns: How each of them ended; `nil` if it got and released its lock.
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
