import LibPQ
import LockCore

extension LockManager {
    /// How a lock manager connects, and what it allows itself.
    ///
    /// Every property has a default that suits a service; ``LockManager/init(configuration:logger:)`` refuses nonsense.
    public struct Configuration: Sendable {
        /// Where the server is: a URL (`postgres://user@host/database`) or a keyword/value string (`host=… dbname=…`).
        ///
        /// `nil` leaves everything to the `PG*` environment variables. Read by libpq, with all that it knows: several
        /// hosts, TLS, service files, `~/.pgpass`.
        public var url: String?

        /// Asked for user and password before every connection, for passwords that rotate. An error that it throws
        /// counts as a failed attempt to connect. So does an answer that takes longer than ``Timeouts/connect``: then its task
        /// is cancelled, and what it answers later is dropped.
        public var credentials: (@Sendable () async throws -> Credentials)?

        /// What the server shows in `pg_stat_activity`, unless the URL or `PGAPPNAME` says otherwise.
        public var applicationName = "swift-postgres-lock"

        /// The number of connections, and how long they stay.
        public var pool = Pool()

        /// How long things may take.
        public var timeouts = Timeouts()

        /// How long this process may keep a lock for its own tasks, while other processes wait for it.
        public var handoff = Handoff()

        /// After how long of silence the server ends a session and gives its locks to others; 30 s by default, from 1 s to a day.
        ///
        /// It is what a process that freezes, or a network that swallows everything, can cost the others. The manager sends a
        /// heartbeat three times in that time, and takes its locks for lost, by its own clock, some time before the server
        /// does: see ``HeldLock/isHeld``. `nil` leaves it to the connection's keepalives, which may take hours.
        ///
        /// Servers before version 14 end idle sessions only inside transactions; there, a lock that a frozen process holds
        /// stays locked until the process or its connection is gone. The process itself knows on any version.
        public var lease: Duration? = .seconds(30)

        /// Whether the loss of a lock cancels the body that runs under it; true by default. If not, the body runs on, and has to
        /// look at ``HeldLock/isHeld`` or wait for ``HeldLock/waitForEnd()``. The loss is thrown in any case.
        public var cancelsBodyOnLoss = true

        /// Whether locks get fencing tokens (``HeldLock/fencingToken``); false by default.
        ///
        /// A lock is then given out only after a record was written to the server's disk and the session has answered once more.
        /// One record serves all locks that were granted meanwhile, and those that tasks of the process pass on to each other. It
        /// takes one connection of the pool for itself.
        public var fencingTokens = false

        /// How many keys the manager may lock at a time.
        public var capacity = Capacity.fraction(0.5)

        /// How long a wait lasts before the server is asked whether it holds up others.
        package var lookInterval = Duration.seconds(1)

        /// From when on the age of a wait's snapshot counts, and from how many transactions on it is too old.
        package var longWait = Duration.seconds(900)
        package var oldestSnapshot: Int32 = 1_000_000

        /// Whether a ``TransactionLockManager`` was configured, which has no shared session.
        var isForTransactions = false

        /// - Parameter url: See ``url``.
        public init(url: String? = nil) {
            self.url = url
        }
    }
}

extension LockManager.Configuration {
    /// A user and a password, as they are at the moment.
    public struct Credentials: Sendable {
        /// The role; `nil` leaves it to the URL and the environment.
        public var user: String?
        /// The password; never printed.
        public var password: String?

        /// - Parameters:
        ///   - user: See ``user``.
        ///   - password: See ``password``.
        public init(user: String? = nil, password: String?) {
            self.user = user
            self.password = password
        }
    }

    /// The connections of a manager.
    ///
    /// One connection carries every lock that nobody else wants. Each lock that had to be waited for has a connection of
    /// its own, and so has each transaction, up to the limit; what goes beyond it waits without one.
    public struct Pool: Sendable {
        /// Never more connections than these; 8 by default, at most 10,000, at least 2, and at least 3 with
        /// ``LockManager/Configuration/fencingTokens``. Of the rest, where it is two or more, waits leave one
        /// place to transactions and sessions, and these leave one to waits: by default there are up to 6 of the latter at a time.
        /// Behind a pooler of sessions a manager makes up to nine for a moment, once, to find out whether the pooler resets them.
        public var maximumConnections = 8
        /// How long a connection that nobody uses stays open; 60 s by default.
        public var idleTimeout = Duration.seconds(60)

        /// The defaults.
        public init() {}
    }

    /// How long things may take.
    public struct Timeouts: Sendable {
        /// One attempt to connect, all hosts and their names together; 10 s by default. The credentials provider may take as
        /// long before it, and the checks of the first connection three times as long after it. What takes longer counts as a
        /// failed attempt, also if it never ends.
        public var connect = Duration.seconds(10)
        /// How long a call without a timeout of its own puts up with a server that can't be reached; 10 s by default.
        /// A call with a timeout puts up with it for just that long.
        ///
        /// It is also the most that a call may take which does not wait for others: `tryAcquire` and those with a timeout of
        /// zero. They wait for no other holder, but for the server's answer.
        public var unreachable = Duration.seconds(10)
        /// How long a statement that can't block may stay unanswered before its connection counts as dead; 30 s by
        /// default. With a ``LockManager/Configuration/lease`` not longer than that: by its end the server has ended the session.
        /// After two seconds of silence already, new locks are asked for over another connection.
        public var response = Duration.seconds(30)
        /// The timeout of a lock, a transaction or a session that is asked for inside the body of another one, or in a task that
        /// was started there, if none is given; 30 s by default. Without it, two tasks that take two locks in opposite order
        /// could wait for ever. What a handle holds (``LockManager/acquire(_:mode:timeout:)``) is not known to its task: give a
        /// timeout yourself where you hold one.
        public var nested = Duration.seconds(30)
        /// How long a COMMIT may stay unanswered before its outcome counts as unknown; 60 s by default. It runs deferred
        /// constraints and triggers, and waits for synchronous standbys. It is not cancelled: the connection is closed.
        public var commit = Duration.seconds(60)
        /// How long ``LockManager/shutdown(gracePeriod:)`` waits for held locks; 10 s by default.
        public var shutdownGrace = Duration.seconds(10)

        /// The defaults.
        public init() {}
    }

    /// When a lock goes back to the server although tasks of this process still wait for it.
    ///
    /// A release passes the lock to the next task without a round trip. Without a limit, other processes would starve.
    public struct Handoff: Sendable {
        /// How many times in a row; 256 by default. 0 gives the lock back to the server every time.
        public var maximumCount = 256
        /// For how long; 50 ms by default.
        public var maximumDuration = Duration.milliseconds(50)

        /// The defaults.
        public init() {}
    }
}

extension LockManager.Configuration {
    package func validate() throws {
        try require(
            pool.maximumConnections >= 2,
            """
            pool.maximumConnections is \(pool.maximumConnections), but a manager needs at least 2: one shared session, and one for a wait \
            or a transaction.
            """
        )
        if let lease {
            try require(
                lease >= .seconds(1) && lease <= .seconds(86_400),
                "lease is \(lease), but must be from 1 second to 1 day, or nil for none."
            )
        }
        try require(
            !fencingTokens || pool.maximumConnections >= 3,
            """
            pool.maximumConnections is \(pool.maximumConnections), but with fencingTokens it must be at least 3: one more \
            connection writes the records that tokens come from.
            """
        )
        try capacity.validate()
        try require(handoff.maximumCount >= 0, "handoff.maximumCount is \(handoff.maximumCount), but can't be negative.")
        try require(handoff.maximumDuration >= .zero, "handoff.maximumDuration is \(handoff.maximumDuration), but can't be negative.")
        try validateConnecting()
    }

    /// Refuses what is invalid for a ``TransactionLockManager``, too.
    func validateConnecting() throws {
        try require(pool.maximumConnections <= 10_000, "pool.maximumConnections is \(pool.maximumConnections), over 10,000.")
        for (name, duration) in [
            ("pool.idleTimeout", pool.idleTimeout), ("timeouts.connect", timeouts.connect),
            ("timeouts.unreachable", timeouts.unreachable), ("timeouts.response", timeouts.response),
            ("timeouts.nested", timeouts.nested), ("timeouts.commit", timeouts.commit),
        ] {
            try require(duration > .zero, "\(name) is \(duration), but must be more than zero.")
        }
        try require(timeouts.shutdownGrace >= .zero, "timeouts.shutdownGrace is \(timeouts.shutdownGrace), but can't be negative.")
        try require(!applicationName.utf8.contains(0), "applicationName has a zero byte (U+0000) in it.")
        do {
            try parameters().validate()
        } catch {
            throw LockError(
                .badConfiguration,
                """
                The connection string can't be understood: \(error.message.sentence) Write it as \
                postgres://user:password@host:5432/database, with special characters percent-encoded, or as \
                "host=… dbname=…", with values quoted.
                """
            )
        }
    }

    private func require(_ isValid: Bool, _ message: String) throws {
        guard isValid else { throw LockError(.badConfiguration, message) }
    }

    /// With durations that can be computed with.
    var bounded: Self {
        var bounded = self
        bounded.pool.idleTimeout = pool.idleTimeout.bounded
        bounded.timeouts.connect = timeouts.connect.bounded
        bounded.timeouts.unreachable = timeouts.unreachable.bounded
        bounded.timeouts.response = timeouts.response.bounded
        bounded.timeouts.nested = timeouts.nested.bounded
        bounded.timeouts.commit = timeouts.commit.bounded
        bounded.timeouts.shutdownGrace = timeouts.shutdownGrace.bounded
        bounded.handoff.maximumDuration = handoff.maximumDuration.bounded
        return bounded
    }

    func parameters(_ credentials: Credentials? = nil) -> ConnectionParameters {
        var parameters = ConnectionParameters(string: url ?? "", applicationName: applicationName)
        parameters.user = credentials?.user
        parameters.password = credentials?.password
        parameters.silenceLimit = lease
        return parameters
    }

    /// The lease of sessions. One that may be a pooler's has none.
    var sessionLease: Duration? { isForTransactions ? nil : lease }

    /// How long an answer of a session is waited for.
    var answerLimit: Duration { min(timeouts.response, sessionLease ?? timeouts.response) }

    var sessionSettings: SessionSettings { SessionSettings(lease: sessionLease) }

    var engine: Engine.Configuration {
        var engine = Engine.Configuration()
        engine.maximumConnections = pool.maximumConnections
        engine.idleTimeout = pool.idleTimeout
        engine.connectTimeout = timeouts.unreachable
        engine.responseTimeout = timeouts.response
        engine.handoff = HandoffLimit(count: handoff.maximumCount, duration: handoff.maximumDuration)
        engine.lease = sessionLease
        if let lease = sessionLease {
            engine.heartbeatInterval = lease / 3
            engine.overdueAfter = min(engine.overdueAfter, lease / 3)
        }
        engine.surveyInterval = lease ?? .seconds(30)
        engine.isFencing = fencingTokens
        engine.capacity = capacity.core
        // Behind a pooler of transactions a session of the server is one client's for no longer than a transaction.
        engine.hasSharedSession = !isForTransactions
        if !isForTransactions { engine.lookInterval = lookInterval }
        engine.longWait = longWait
        engine.oldestSnapshot = oldestSnapshot
        engine.seed = UInt64.random(in: .min ... .max)
        return engine
    }

    /// What the machine of a session that is checked out has to know.
    func checkedOut(for scope: CheckedOutSession.Scope, _ facts: SessionFacts) -> CheckedOutSession.Settings {
        var settings = CheckedOutSession.Settings()
        settings.isLeased = sessionLease != nil
        settings.answerLimit = answerLimit
        settings.commitLimit = timeouts.commit
        settings.isFencing = fencingTokens && scope == .session
        settings.hasSettings = !isForTransactions
        settings.hasRoleSettings = facts.hasRoleSettings
        settings.mayDefer = facts.mayDefer
        return settings
    }
}
