import LockServerModel
public import PostgresLock

// What a test can provoke. Each of these has happened when the call returns; the managers learn of it a moment later.
extension InMemoryLockServer {
    // MARK: Sessions end

    /// Ends sessions, as an administrator or a crash of the server does. What they hold is lost, and their managers are told at once.
    ///
    /// - Parameter manager: Whose sessions; `nil` for those of all managers.
    /// - Returns: How many sessions were ended.
    @discardableResult
    public func endSessions(of manager: LockManager? = nil) -> Int {
        timeline.run {
            let numbers = links(of: manager).map(\.number)
            return end { manager == nil || numbers.contains($0.process) }
        }
    }

    /// Ends the sessions that hold a lock, so that their holders lose it.
    ///
    /// A manager loses with it all that the same session holds: mostly all its locks, except for those that it had to wait for.
    ///
    /// - Parameter key: The lock.
    /// - Returns: How many sessions were ended.
    @discardableResult
    public func endSessions(holding key: LockKey) -> Int {
        timeline.run {
            let holders = Set(model.holders(of: key.advisory).map(\.session))
            return end { holders.contains($0.id) }
        }
    }

    private func end(_ isMeant: (SimulatedSession) -> Bool) -> Int {
        let sessions = model.sessions.values.filter(isMeant).sorted { $0.id < $1.id }
        for session in sessions { session.terminate() }
        return sessions.count
    }

    // MARK: Requests to release

    /// Asks the holders of a lock to release it, as `pglock kick` does. Their managers see it within a second, and do what
    /// `configuration.releaseRequests` says.
    ///
    /// - Parameter key: The lock.
    public func requestRelease(of key: LockKey) {
        timeline.run { model.requestRelease(of: key.advisory) }
    }

    // MARK: The server is away

    /// Ends all sessions, and accepts no connection until ``resume()``. The locks are lost.
    public func stop() {
        timeline.run {
            isDown = true
            _ = end { _ in true }
        }
    }

    /// Ends what ``stop()`` has begun. The server has no locks then.
    public func resume() {
        timeline.run { isDown = false }
    }

    /// Refuses new connections until ``acceptConnections()``. The sessions that are open stay so.
    ///
    /// - Parameter refusal: How.
    public func refuseConnections(_ refusal: ConnectionRefusal = .unreachable) {
        timeline.run { self.refusal = refusal }
    }

    /// Ends what ``refuseConnections(_:)`` has begun.
    public func acceptConnections() {
        timeline.run { refusal = nil }
    }

    // MARK: Silence

    /// Lets nothing pass between a manager and the server, like a network that swallows everything. Neither side is told.
    ///
    /// When the lease has passed (`configuration.lease`), the server ends the sessions of the manager, and others can get its
    /// locks. By its own clock the manager knows before that its locks are lost. That is the case for which there are fencing tokens.
    ///
    /// ``waitUntilUnanswered(_:count:)`` waits until a call waits for the server.
    ///
    /// - Parameter manager: Who is cut off; `nil` for all managers, also those to come.
    public func stopAnswering(_ manager: LockManager? = nil) {
        timeline.run {
            if manager == nil { isSilent = true }
            for link in links(of: manager) { link.setSilent(true) }
        }
    }

    /// Ends what ``stopAnswering(_:)`` has begun. What was sent meanwhile arrives now.
    ///
    /// - Parameter manager: Who can reach the server again; `nil` for all managers.
    public func resumeAnswering(_ manager: LockManager? = nil) {
        timeline.run {
            if manager == nil { isSilent = false }
            for link in links(of: manager) { link.setSilent(false) }
            removeEndedLinks()
        }
    }

    /// Delays all answers of the server from now on, like a slow network.
    ///
    /// - Parameter delay: By how long. `.zero` ends the delay for answers that are not under way yet.
    public func delayAnswers(by delay: Duration) {
        timeline.run { answerDelay = delay }
    }

    // MARK: No room

    /// Lets the server have no room for locks that are not held already, as when others have filled its lock table, until
    /// ``emptyLockTable()``. Calls fail with `lockTableFull`.
    ///
    /// That a manager keeps within its own part of a small lock table (`capacity`) is another case: see
    /// ``init(lockTableSize:time:)``.
    public func fillLockTable() {
        timeline.run { model.behavior.lockTableSize = 0 }
    }

    /// Ends what ``fillLockTable()`` has begun.
    public func emptyLockTable() {
        timeline.run { model.behavior.lockTableSize = lockTableSize }
    }
}
