extension Engine {
    package struct Configuration: Sendable {
        /// The most sessions of all roles together. At least 2.
        package var maximumConnections = 8
        package var handoff = HandoffLimit(count: 256, duration: .milliseconds(50))
        /// How long callers without a deadline wait for a server that can't be reached.
        package var connectTimeout = Duration.seconds(10)
        /// How long a statement that can't block may stay unanswered before its session counts as dead.
        package var responseTimeout = Duration.seconds(30)
        /// After how long of silence a shared session is sent nothing more, and another one is opened for what is to be tried.
        package var overdueAfter = Duration.seconds(2)
        /// After how long the server ends a session that it hears nothing of; `nil` if it does not.
        package var lease: Duration? {
            didSet { validity = lease.map(Lease.init) }
        }
        private(set) var validity: Lease?
        /// How often the other hosts are asked for their timeline while something is held; `nil` for never.
        package var surveyInterval: Duration?
        /// Whether there is a shared session, over which the server can be asked what another session does, and what that runs can be
        /// cancelled. Behind a pooler of transactions there is none, since a session of the server serves one client after the other there.
        package var hasSharedSession = true
        /// Whether locks get fencing tokens.
        package var isFencing = false
        /// How long a session that holds something stays silent before it is asked for a heartbeat.
        package var heartbeatInterval = Duration.seconds(10)
        /// How long an unused session stays open.
        package var idleTimeout = Duration.seconds(60)
        /// The most keys in one array statement.
        package var batchSize = 1000
        /// How many locks a session must have held for its rounds to be put into one transaction. Below, `BEGIN` and `COMMIT` cost more
        /// than they save.
        package var batchTransactionThreshold = 500
        /// The most contended keys that are tried again at a time.
        package var pollSize = 4000
        /// How long a wait lasts before the server is asked whether it harms other sessions, and the pause before that is asked again;
        /// `nil` for never.
        package var lookInterval: Duration?
        /// How long something is held before the server is asked whether other sessions ask for its release, and the pause before that is
        /// asked again; `nil` for never.
        package var releaseLookInterval: Duration?
        /// After waiting for ``longWait``, a snapshot is too old when so many transactions have been begun since.
        package var oldestSnapshot: Int32 = 1_000_000
        package var longWait = Duration.seconds(900)
        /// After that, when any transaction has been begun since.
        package var longestWait = Duration.seconds(4 * 3600)
        /// How often all three are doubled at most: once for each time that the wait was begun anew.
        package var mostDoublings = 4
        package var capacity = Capacity.fraction(0.5)
        package var seed: UInt64 = 0

        package init() {}

        /// How long an answer is waited for: by the end of the lease the server has ended a session that it hears nothing of.
        var answerLimit: Duration { lease.map { min($0, responseTimeout) } ?? responseTimeout }

        /// The shortest time after which something is due because of a statement on a shared session.
        var leastPause: Duration { min(answerLimit, heartbeatInterval, validity?.validity ?? heartbeatInterval) }
    }

    /// How many keys may be held or asked for at a time.
    ///
    /// The locks of transactions and explicit sessions are not limited.
    package enum Capacity: Hashable, Sendable {
        /// This part of the server's lock table, whose size is learned by connecting.
        case fraction(Double)
        case keys(Int)
        case unlimited

        package func limit(lockTableSize: Int?) -> Int? {
            switch self {
            case .unlimited: nil
            case .keys(let count): count
            case .fraction(let fraction): lockTableSize.map { max(1, Int(Double($0) * fraction)) }
            }
        }
    }
}
