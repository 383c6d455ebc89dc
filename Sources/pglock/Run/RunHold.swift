import PostgresLock
import Synchronization

/// A lock handle that can be passed between tasks.
final class RunHold: Sendable {
    let lease: HeldLock
    private let handle: Mutex<LockHandle?>

    init(_ handle: consuming LockHandle) {
        lease = handle.lease
        self.handle = Mutex(consume handle)
    }

    /// Releases the lock. A second call does nothing.
    func release() async throws {
        let handle = self.handle.withLock { $0.take() }
        try await handle?.release()
    }
}
