/// A held lock, and the right to release it, for places that a noncopyable ``LockHandle`` can't be in: arrays, results of tasks,
/// results of helpers such as a span of tracing.
///
/// ```swift
/// let handle = try await withSpan("lock") { _ in try await locks.acquire("nightly-report").copyable() }
/// …
/// try await handle.release()
/// ```
///
/// All copies stand for one lock. When the last of them is gone, the lock is released by itself, a moment later, with a warning in
/// the log.
public struct CopyableLockHandle: Sendable {
    /// A view of the lock, to pass around.
    public let lock: HeldLock

    let owner: LockOwner

    /// Releases the lock, and returns when it is free for others. Only the first call releases it; those after it, of all copies,
    /// return at once.
    ///
    /// Not ended by cancellation: a cancelled task releases its locks all the same.
    ///
    /// - Throws: ``LockError`` with the code ``LockError/Code/lockLost`` if the lock had been lost before the first call, or
    ///   ``LockError/Code/connectionLost`` if the connection was lost during the release. In both cases the lock is not held
    ///   any more.
    public func release() async throws {
        try await owner.release()
    }
}
