extension LockError {
    /// The kind of an error. New codes may be added.
    ///
    /// A code is a pattern for `catch` and `switch`:
    ///
    /// ```swift
    /// do {
    ///     try await locks.withLock("nightly-report", timeout: .seconds(5)) { _ in try await buildReport() }
    /// } catch LockError.Code.timedOut {
    ///     // Another process builds the report.
    /// }
    /// ```
    ///
    /// ``isContention``, ``isOutage`` and ``isRetryable`` sort the codes by what a service does about them. <doc:HandlingErrors> lists
    /// them all.
    public struct Code: Hashable, Sendable {
        let name: Name

        /// An enumeration, so that a new code without its decisions does not compile.
        enum Name: String, CaseIterable {
            case cannotConnect, authenticationFailed, tooManyConnections
            case serverTooOld, transactionPooling, locksDoNotExclude, notPrimary, anotherServer
            case badConfiguration, invalidArgument
            case timedOut, noAnswer, poolExhausted, alreadyHeld, deadlock
            case connectionLost, lockLost, notReleased, releaseRequested
            case lockTableFull, capacity
            case commitOutcomeUnknown, shutDown, statementFailed, decodingFailed
            case noRunTable, runMismatch, shareMismatch, limitMismatch
        }

        /// The server can't be reached, or refuses the connection for another reason than those below.
        public static let cannotConnect = Code(name: .cannotConnect)
        /// The server refuses the user or the password. The manager does not try again.
        public static let authenticationFailed = Code(name: .authenticationFailed)
        /// The server has no connection left (SQLSTATE 53300).
        public static let tooManyConnections = Code(name: .tooManyConnections)
        /// The server is older than version 12.
        public static let serverTooOld = Code(name: .serverTooOld)
        /// A pooler gives each transaction another server session, so a session can't keep a lock. ``TransactionLockManager`` works there.
        public static let transactionPooling = Code(name: .transactionPooling)
        /// The server grants the same lock twice.
        public static let locksDoNotExclude = Code(name: .locksDoNotExclude)
        /// The server is a standby. Its locks are not those of the primary.
        public static let notPrimary = Code(name: .notPrimary)
        /// The server is not the one that the manager has connected to before: another cluster, or one from before a promotion.
        public static let anotherServer = Code(name: .anotherServer)
        /// The configuration is invalid.
        public static let badConfiguration = Code(name: .badConfiguration)
        /// An argument is invalid, or something is used outside its scope, or by two tasks where one is allowed.
        public static let invalidArgument = Code(name: .invalidArgument)
        /// The lock is taken, and the deadline has passed, or the timeout is zero. The server has said that the lock is taken, or this
        /// process holds it or asked for it first. A server that does not answer leads to ``noAnswer`` instead.
        public static let timedOut = Code(name: .timedOut)
        /// The deadline passed before the server had said whether the lock is free: it did not answer, was still being connected to, or
        /// could not be asked yet. The lock may be free. The caller does not hold it.
        public static let noAnswer = Code(name: .noAnswer)
        /// The deadline passed, or the timeout is zero, while other tasks, or scopes around this one, had all connections that the pool may open
        /// for transactions and sessions. The server was not asked for the lock.
        public static let poolExhausted = Code(name: .poolExhausted)
        /// The task, its session or its connection already holds what is asked for. A task would wait for itself; a session or connection
        /// would get the lock although it is held.
        public static let alreadyHeld = Code(name: .alreadyHeld)
        /// PostgreSQL has broken a deadlock by this error (SQLSTATE 40P01).
        public static let deadlock = Code(name: .deadlock)
        /// The connection was lost during an operation, which may or may not have taken effect.
        public static let connectionLost = Code(name: .connectionLost)
        /// The lock was held, and is not held any more.
        public static let lockLost = Code(name: .lockLost)
        /// A lock on the caller's own connection (``ConnectionLock``) could not be released. The message says what state it is in.
        public static let notReleased = Code(name: .notReleased)
        /// Another process has asked for the release of the lock, so the body was cancelled, and has ended by that.
        public static let releaseRequested = Code(name: .releaseRequested)
        /// The server's lock table is full (SQLSTATE 53200).
        public static let lockTableFull = Code(name: .lockTableFull)
        /// The manager, or all sessions of the server together, have as many locks as ``LockManager/Configuration/capacity`` allows.
        public static let capacity = Code(name: .capacity)
        /// The connection was lost during COMMIT, or COMMIT was not answered in time. The transaction may or may not have been committed.
        public static let commitOutcomeUnknown = Code(name: .commitOutcomeUnknown)
        /// The lock manager has been shut down, or the service that a call is a part of shuts down gracefully and does not wait any more.
        public static let shutDown = Code(name: .shutDown)
        /// The server refuses a statement.
        public static let statementFailed = Code(name: .statementFailed)
        /// A column does not hold what was asked for, or there is no such row or column.
        public static let decodingFailed = Code(name: .decodingFailed)
        /// The table that records the runs of jobs does not exist, or is not as it should be: see ``RunTable``.
        public static let noRunTable = Code(name: .noRunTable)
        /// What is recorded of a job contradicts the call: an interval of another length, or a run in the future. See
        /// <doc:RunningOnce>.
        public static let runMismatch = Code(name: .runMismatch)
        /// Another process divides the work of this name into another number of shares. See <doc:SharingWork>.
        public static let shareMismatch = Code(name: .shareMismatch)
        /// Another process uses a semaphore with another limit. See <doc:Semaphores>.
        public static let limitMismatch = Code(name: .limitMismatch)
    }
}

extension LockError.Code {
    /// Whether another holder is the reason: the lock is taken, or two holders wait for each other. HTTP's 409 Conflict.
    public var isContention: Bool {
        if case .contention = kind { true } else { false }
    }

    /// Whether the server, a connection to it, or room in its lock table can't be had at present. HTTP's 503 Service Unavailable.
    ///
    /// What only a change of the configuration, of the server or of the program can repair is no outage.
    public var isOutage: Bool {
        if case .outage = kind { true } else { false }
    }

    /// Whether the call that has thrown the error may succeed later, and can be repeated without doing anything twice.
    ///
    /// A body that has run, and has thrown the error itself or passed it on, is the caller's to judge.
    public var isRetryable: Bool {
        switch kind {
        case .contention, .outage(isRetryable: true): true
        case .outage(isRetryable: false), .other: false
        }
    }

    private enum Kind {
        case contention
        case outage(isRetryable: Bool)
        case other
    }

    private var kind: Kind {
        switch name {
        case .timedOut, .deadlock:
            .contention
        case .cannotConnect, .tooManyConnections, .notPrimary, .anotherServer, .noAnswer, .poolExhausted, .lockTableFull, .capacity:
            .outage(isRetryable: true)
        case .connectionLost, .commitOutcomeUnknown, .shutDown:
            .outage(isRetryable: false)
        case .authenticationFailed, .serverTooOld, .transactionPooling, .locksDoNotExclude, .badConfiguration, .invalidArgument,
            .alreadyHeld, .lockLost, .notReleased, .releaseRequested, .statementFailed, .decodingFailed,
            .noRunTable, .runMismatch, .shareMismatch, .limitMismatch:
            .other
        }
    }

    /// Matches a ``LockError`` with this code, so that codes can be caught by pattern.
    ///
    /// - Parameters:
    ///   - code: The pattern.
    ///   - error: Any error. One of another type does not match, nor does a ``LockError/underlying`` error.
    /// - Returns: Whether the error has the code.
    public static func ~= (code: LockError.Code, error: any Error) -> Bool {
        (error as? LockError)?.code == code
    }
}

extension LockError.Code: CustomStringConvertible {
    /// The code's name.
    public var description: String { name.rawValue }
}
