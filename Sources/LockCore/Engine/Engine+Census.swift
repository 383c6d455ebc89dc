extension Engine {
    /// How many sessions, calls and locks there are, for metrics.
    package struct Census: Hashable, Sendable {
        /// Sessions that hold nothing and run nothing. Those that are being opened are not counted.
        package private(set) var idleSessions = 0
        package private(set) var usedSessions = 0
        /// Calls that wait for a session of their own, and keys that wait for a session to wait on.
        package let pendingRequests: Int
        /// Calls that wait for a lock or a session.
        package let waitingCalls: Int
        /// Locks outside of transactions and explicit sessions.
        package let heldLocks: Int
        /// Keys that have a slot in the server's lock table, or may get one by what is under way.
        package let takenKeys: Int
        /// How many there may be; `nil` for no limit, or if it is not known yet.
        package let keyLimit: Int?
        /// How many polls were begun so far.
        package let pollCount: Int
    }
}

extension Engine.Census {
    package init(of engine: borrowing Engine) {
        pendingRequests = engine.checkOuts.count + engine.contention.queuedCount
        waitingCalls = engine.waitingCount + engine.sessions.count { $0.runningStatement?.lockWait != nil }
        heldLocks = engine.table.sessionHolderCount
        takenKeys = engine.keysTaken
        keyLimit = engine.quota.limit
        pollCount = engine.contention.pollCount
        usedSessions = engine.sessions.count { !$0.isConnecting && !$0.isUnused }
        idleSessions = engine.sessions.count { $0.isUnused }
    }
}

extension ServerSession {
    /// Whether it holds nothing and runs nothing.
    fileprivate var isUnused: Bool { isIdle || isFree && heldCount == 0 }
}
