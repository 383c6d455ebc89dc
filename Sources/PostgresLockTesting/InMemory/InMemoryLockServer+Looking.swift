import LockServerModel
public import PostgresLock

// What there is on the server.
extension InMemoryLockServer {
    /// Whether any manager holds the lock, in any mode.
    ///
    /// It is the server that says so: a manager that has lost its connection, and does not know it yet, holds nothing any more.
    ///
    /// - Parameter key: The lock.
    public func isHeld(_ key: LockKey) -> Bool {
        holderCount(of: key) > 0
    }

    /// How many managers hold the lock. Several can if they share it; tasks of one manager that share a lock count as one.
    ///
    /// - Parameter key: The lock.
    public func holderCount(of key: LockKey) -> Int {
        timeline.run { Set(model.holders(of: key.advisory).map(\.session)).count }
    }

    /// How many managers wait for the lock in the server's queue.
    ///
    /// Tasks of one manager that wait for one lock count as one, since the manager asks the server once for all of them. A task that waits for a
    /// lock that its own manager holds does not count, because the server is not asked.
    ///
    /// - Parameter key: The lock.
    public func waitingCount(for key: LockKey) -> Int {
        timeline.run { model.waitingCount(for: key.advisory) }
    }

    /// How many sessions are open, of all managers. It is 0 when all of them are shut down, or gone.
    public var sessionCount: Int {
        timeline.run { model.sessions.count }
    }

    /// Waits until managers wait for a lock in the server's queue, as ``waitingCount(for:)`` counts them.
    ///
    /// - Parameters:
    ///   - key: The lock.
    ///   - count: How many managers, at least.
    /// - Throws: `CancellationError` when the task is cancelled. There is no limit otherwise: give the test a time limit.
    public func waitUntilQueued(for key: LockKey, count: Int = 1) async throws {
        await timeline.wait { [self] in model.waitingCount(for: key.advisory) >= count }
        try Task.checkCancellation()
    }
}
