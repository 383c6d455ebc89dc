import LockCore
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

    /// What the server shows of its locks, with its sessions' numbers in place of processes. To be called on the queue.
    func find(_ look: LockLook) -> LockLook.Found {
        let keys = look.keys ?? model.lockedKeys
        let locks = keys.flatMap { key in
            let waits = model.waits(for: key)
            let holders = Set(model.holders(of: key).map { [$0.session, Int($0.mode.rawValue)] }).sorted { $0[0] < $1[0] }
            let held = holders.map { (session: $0[0], mode: $0[1] == Int(Mode.shared.rawValue) ? Mode.shared : .exclusive, isHeld: true) }
            return (held + waits.map { (session: $0.session, mode: $0.mode, isHeld: false) }).map { lock in
                SeenLock(key: key, mode: lock.mode, isHeld: lock.isHeld, session: session(lock.session), isContended: !waits.isEmpty)
            }
        }
        return LockLook.Found(locks: locks)
    }

    private func session(_ id: Int) -> SeenSession {
        let number = "\(model.sessions[id]?.process ?? 0)"
        // With a mark, by which the sessions of a manager belong together.
        let mark = String(repeating: "0", count: max(0, 5 - number.count)) + number
        return SeenSession(processID: Int32(truncatingIfNeeded: id), name: "manager \(number) #\(mark)")
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

    /// Waits until managers have sent what does not reach the server, since it does not answer: see ``stopAnswering(_:)``. So a test knows that a
    /// call has begun, and waits, before it sets the time forward.
    ///
    /// Each attempt to connect and each statement counts as one, as do heartbeats, which come when the time has been set forward. What was sent
    /// before the silence has reached the server, and does not count.
    ///
    /// - Parameters:
    ///   - manager: Whose messages; `nil` for those of all managers.
    ///   - count: How many messages, at least. Calls of one manager can share one, for instance if they wait for its first connection.
    /// - Throws: `CancellationError` when the task is cancelled. There is no limit otherwise: give the test a time limit.
    public func waitUntilUnanswered(_ manager: LockManager? = nil, count: Int = 1) async throws {
        await timeline.wait { [self] in links(of: manager).reduce(0) { $0 + $1.heldRequestCount } >= count }
        try Task.checkCancellation()
    }
}
