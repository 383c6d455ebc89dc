import LockCore

/// What a lock manager holds and waits for, and what it has for that: see ``LockManager/snapshot()``.
///
/// It is what this process knows, from its memory. What other processes hold and wait for, the server knows:
/// ``LockManager/holders(of:)``, ``LockManager/waiters(of:)``.
public struct LockSnapshot: Sendable {
    /// A held lock. Tasks that share one are one entry each.
    public struct Held: Hashable, Sendable {
        /// What is locked.
        public let key: LockKey
        /// How it is locked.
        public let mode: LockMode
        /// For how long it is held.
        public let age: Duration
        /// What holds it.
        public let scope: Scope
        /// The process of its session on the server, as in `pg_stat_activity`; `nil` if that is not known.
        public let processID: Int32?
        /// Whether another process asks for its release.
        public let isReleaseRequested: Bool
    }

    /// What a lock ends with.
    public enum Scope: String, Hashable, Sendable {
        /// A body of `withLock`, or a handle.
        case lock
        /// A transaction.
        case transaction
        /// An explicit session: ``LockManager/withSession(timeout:isolation:_:)``.
        case session
    }

    /// A task that waits for a lock.
    public struct Waiting: Hashable, Sendable {
        /// What is waited for.
        public let key: LockKey
        /// How it is to be locked.
        public let mode: LockMode
        /// For how long it has been waited for.
        public let age: Duration
        /// How long it is still waited for; `nil` without a limit.
        public let remaining: Duration?
    }

    /// A session of the pool.
    public struct Session: Hashable, Sendable {
        /// The process on the server, as in `pg_stat_activity`; `nil` while it is being connected to.
        public let processID: Int32?
        /// What it is for: `shared`, `waiting`, `checkedOut`, `fencing`, as in the log.
        public let role: String
        /// What it does, in a word or two.
        public let state: String
        /// What it holds or waits for, if it is for one lock.
        public let key: LockKey?
        /// How many locks it holds.
        public let heldCount: Int
    }

    /// How many keys there are in the server's lock table.
    public struct Capacity: Hashable, Sendable {
        /// How many the manager has there, or is about to.
        public let taken: Int
        /// How many it may have: see ``LockManager/Configuration/capacity``. `nil` for any number, and as long as the server has not said how
        /// large its table is.
        public let limit: Int?
    }

    /// The name of the manager's sessions on the server.
    public let instance: String
    /// What is held, the oldest first.
    public let held: [Held]
    /// The tasks that wait, in order.
    public let waiting: [Waiting]
    /// The open sessions, and those that are being opened.
    public let sessions: [Session]
    /// The most sessions at a time.
    public let maximumConnections: Int
    /// How many calls wait for a session of their own, for a transaction or an explicit session.
    public let waitingForSession: Int
    /// The room in the server's lock table.
    public let capacity: Capacity
}

extension LockDriver.Held {
    /// - Parameter now: The time at which it is looked at.
    fileprivate func shown(now: Instant, processID: Int32?) -> LockSnapshot.Held {
        LockSnapshot.Held(
            key: state.key,
            mode: state.mode,
            age: since.duration(to: now),
            scope: scope,
            processID: processID,
            isReleaseRequested: state.releaseRequest != nil
        )
    }
}

extension LockSnapshot {
    init(_ picture: Engine.Picture, _ held: [LockDriver.Held], of driver: isolated LockDriver) {
        let now = driver.now
        let processIDs = driver.sessions.mapValues(\.processID).filter { $0.value != 0 }
        let counts = Dictionary(held.lazy.compactMap { $0.session }.map { ($0, 1) }, uniquingKeysWith: +)
        let names = Dictionary(
            (held.map(\.state.key) + picture.waits.compactMap { (driver.calls[$0.call] as? LockState)?.key }).map { ($0.advisory, $0) },
            uniquingKeysWith: { first, _ in first }
        )
        func name(_ key: AdvisoryKey) -> LockKey { names[key] ?? LockKey(key) }
        self.init(
            instance: driver.configuration.shownInstance,
            held: held.sorted { $0.since < $1.since }.map { $0.shown(now: now, processID: $0.session.flatMap { processIDs[$0] }) },
            waiting: picture.waits.map { wait in
                Waiting(
                    key: name(wait.key),
                    mode: LockMode(core: wait.mode),
                    age: wait.since.duration(to: now),
                    remaining: wait.deadline.map { max(.zero, now.duration(to: $0)) }
                )
            },
            sessions: picture.sessions.map { session in
                Session(
                    processID: processIDs[session.id],
                    role: "\(session.role)",
                    state: session.state,
                    key: session.key.map(name),
                    heldCount: counts[session.id] ?? 0
                )
            },
            maximumConnections: driver.configuration.pool.maximumConnections,
            waitingForSession: picture.waitingCheckOuts,
            capacity: Capacity(taken: picture.takenKeys, limit: picture.keyLimit)
        )
    }
}
