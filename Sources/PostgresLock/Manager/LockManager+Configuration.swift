import LibPQ
import LockCore

extension LockManager {
    /// How a lock manager connects, and its limits.
    ///
    /// Every property has a default that suits a service. ``LockManager/init(configuration:logger:)`` refuses invalid values.
    public struct Configuration: Sendable {
        /// Where the server is: a URL (`postgres://user@host/database`) or a keyword/value string (`host=… dbname=…`).
        ///
        /// libpq reads it, so several hosts, TLS, service files and `~/.pgpass` work. `nil` leaves everything to the `PG*` environment
        /// variables; without `PGHOST` libpq looks for a server on this machine. An empty string is refused.
        public var url: String?

        /// Provides user and password before each connection, for passwords that rotate. If it throws, the attempt to connect has failed.
        /// So it has if the provider takes longer than ``Timeouts/connect``: then its task is cancelled, and its result ignored.
        public var credentials: (@Sendable () async throws -> Credentials)?

        /// What the server shows in `pg_stat_activity`, unless the URL or `PGAPPNAME` says otherwise.
        ///
        /// `nil` for a name that says the program, the host and the process, such as `orders@web-3:4711 #k7q2m`. It ends in a mark of the manager, by
        /// which its sessions are known to belong together: see <doc:Operating>. PostgreSQL cuts names off at 63 bytes.
        public var applicationName: String?

        /// The number of connections, and how long they stay.
        public var pool = Pool()

        /// How long things may take.
        public var timeouts = Timeouts()

        /// How long this process may hand a lock from task to task while other processes wait for it.
        public var handoff = Handoff()

        /// How long a session may be silent before the server ends it and gives its locks to others; 30 s by default, from 1 s to a day.
        ///
        /// It limits how long a process that is frozen, or cut off from the network, can keep others waiting. The manager sends three
        /// heartbeats in that time. By its own clock it considers its locks lost some time before the server does: see
        /// ``HeldLock/isHeld``. `nil` leaves it to the connection's keepalives, which may take hours.
        ///
        /// Servers before version 14 end silent sessions only inside transactions. There, a lock that a frozen process holds stays locked
        /// until the process or its connection has ended. The process itself learns of the loss with any version.
        public var lease: Duration? = .seconds(30)

        /// Whether a release waits for the server's answer; true by default. Then a release that has returned means that others can have the
        /// lock.
        ///
        /// Otherwise a release hands the unlock over to be sent, and returns at once. Others can have the lock a moment later, when the server
        /// has carried the unlock out. A loss that is known by then, or a lease that has run out, is thrown as before. What the server
        /// answers to the unlock is not: a failure is logged. So a session that an administrator or a failover has ended just before the
        /// body's end may go unnoticed by the caller; a silent server can't, because a ``lease`` is required.
        public var awaitsRelease = true

        /// Whether the loss of a lock cancels the body that runs under it; true by default. Otherwise the body goes on, and has to check
        /// ``HeldLock/isHeld`` or wait for ``HeldLock/waitForEnd()``. The loss is thrown in both cases.
        public var cancelsBodyOnLoss = true

        /// What a request of another process to release a lock does; it cancels the body of the lock's scope by default.
        public var releaseRequests = ReleaseRequestHandling.cancelBody

        /// Whether the manager publishes since when it holds a lock, for those who look at the server (`pglock who`); true by default.
        ///
        /// A lock that is held for ten seconds gets a second one on the server then, shared, whose number says since when. At most 64 are
        /// published at a time.
        public var publishesHolds = true

        #if ServiceLifecycleSupport
            /// Whether a wait ends when the graceful shutdown of its service begins; false by default. Then a service goes on to wait during
            /// its graceful shutdown, up to its timeouts.
            ///
            /// It concerns code that runs in a `ServiceGroup` of swift-service-lifecycle. If it is on, a lock, a set, a session or a
            /// transaction that is waited for then fails with ``LockError/Code/shutDown``, and so does one that is asked for later, unless it
            /// can be had without waiting. Bodies go on, with all that they wait for themselves. A wait takes a little more memory.
            public var endsWaitsOnGracefulShutdown = false
        #endif

        /// Whether locks get fencing tokens (``HeldLock/fencingToken``); false by default.
        ///
        /// A call then returns with its lock after a fencing record was written to the server's disk and the session has answered once
        /// more. One record serves all locks that were granted meanwhile, and handoffs between tasks of the process. The fencing session
        /// takes one connection of the pool.
        public var fencingTokens = false

        /// How many keys the manager may lock at a time.
        public var capacity = Capacity.fraction(0.5)

        /// Where ``LockManager/runOnce(_:every:counting:guarantee:isolation:_:)`` records the runs of jobs; `public.pglock_runs` by default.
        public var runTable = RunTable()

        /// Where metrics are recorded.
        public var metrics = Metrics()

        #if DistributedTracingSupport
            /// Which spans are made.
            public var tracing = Tracing()
        #endif

        /// How long a wait lasts before the server is asked whether its snapshot holds up other sessions.
        package var lookInterval = Duration.seconds(1)

        /// A wait begins anew if it is longer than this and its snapshot is older than so many transactions.
        package var longWait = Duration.seconds(900)
        package var oldestSnapshot: Int32 = 1_000_000

        /// For how long a lock is held before that is published.
        package var publicationDelay = Duration.seconds(10)

        /// How often the server is asked for requests to release, while something is held.
        package var releaseLookInterval = Duration.seconds(1)

        /// The name of the sessions if ``applicationName`` gives none.
        var instanceName = ""

        /// Whether a ``TransactionLockManager`` was configured, which has no shared session.
        var isForTransactions = false

        /// - Parameter url: See ``url``.
        public init(url: String? = nil) {
            self.url = url
        }
    }
}

extension LockManager.Configuration {
    /// The user and password for one connection.
    public struct Credentials: Sendable {
        /// The role; `nil` for that of the URL or the environment.
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
    /// One shared session holds all locks that no other process wants. Each wait at the server has a connection of its own, and so has each
    /// transaction and each explicit session, up to the limit. Further calls wait without a connection.
    public struct Pool: Sendable {
        /// The most connections at a time; 8 by default, at most 10,000, at least 2, and at least 3 with
        /// ``LockManager/Configuration/fencingTokens``. One is the shared session. If two or more remain, waits leave one of them to
        /// transactions and sessions, and these leave one to waits: by default there are up to 6 transactions and sessions at a time.
        /// Behind a pooler of sessions a manager makes up to nine connections for a moment, once, to find out whether the pooler resets
        /// sessions.
        public var maximumConnections = 8
        /// How long an idle connection stays open; 60 s by default.
        public var idleTimeout = Duration.seconds(60)

        /// The defaults.
        public init() {}
    }

    /// How long things may take.
    public struct Timeouts: Sendable {
        /// The limit of one attempt to connect, for all hosts and name lookups together; 10 s by default. The credentials provider may take
        /// as long before it, and the checks of the first connection three times as long after it. An attempt that takes longer has
        /// failed.
        public var connect = Duration.seconds(10)
        /// How long a call without a timeout waits while the server can't be reached; 10 s by default. A call with a timeout waits for its
        /// timeout.
        ///
        /// It is also the limit of a call that does not wait for other holders, but only for the server's answer: `tryAcquire`, and calls
        /// with a timeout of zero.
        public var unreachable = Duration.seconds(10)
        /// How long the server may take to answer a statement that does not wait for a lock, before its connection is given up; 30 s by
        /// default, and at most the ``LockManager/Configuration/lease``. After two seconds without an answer, new locks are asked for over
        /// another connection.
        public var response = Duration.seconds(30)
        /// The timeout of a lock, a transaction or a session that is asked for inside the body of another one, or in a task that was
        /// started there, if the call has none; 30 s by default. Without it, two tasks that take two locks in opposite order could wait
        /// for each other without end. A task does not know the locks of its handles (``LockManager/acquire(_:mode:timeout:)``): give a
        /// timeout while you hold one.
        public var nested = Duration.seconds(30)
        /// How long the server may take to answer a COMMIT, before its outcome is unknown; 60 s by default. A COMMIT runs deferred
        /// constraints and triggers, and waits for synchronous standbys. It is not cancelled: the connection is closed.
        public var commit = Duration.seconds(60)
        /// How long an error of a wait that has come to its deadline may be held up to find out which sessions hold the lock; 250 ms by
        /// default. The error says so then (``LockError/holders``). It takes a session of the pool, and the server a millisecond for each thousand
        /// locks that all its sessions have. `.zero` for errors without it.
        public var explanation = Duration.milliseconds(250)
        /// How long ``LockManager/shutdown(gracePeriod:)`` waits for held locks; 10 s by default.
        public var shutdownGrace = Duration.seconds(10)

        /// The defaults.
        public init() {}
    }

    /// When a lock is released at the server although tasks of this process still wait for it.
    ///
    /// Otherwise a release hands the lock to the next task without a round trip. Without a limit, other processes would starve.
    ///
    /// Tasks that want to share what the process shares already join without a round trip for that time, and then after a question to the
    /// server: they wait if another process wants the lock alone.
    public struct Handoff: Sendable {
        /// The most handoffs in a row; 256 by default. With 0, each release goes to the server.
        public var maximumCount = 256
        /// The longest time of handoffs in a row, and of joining a shared lock without asking the server; 50 ms by default.
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
        try require(
            awaitsRelease || lease != nil,
            "awaitsRelease is false, but there is no lease, without which a loss by silence would not be noticed. Set a lease."
        )
        try capacity.validate()
        try runTable.validate()
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
        try require(timeouts.explanation >= .zero, "timeouts.explanation is \(timeouts.explanation), but can't be negative.")
        try require(timeouts.shutdownGrace >= .zero, "timeouts.shutdownGrace is \(timeouts.shutdownGrace), but can't be negative.")
        try require(applicationName?.utf8.contains(0) != true, "applicationName has a zero byte (U+0000) in it.")
        try require(
            url?.allSatisfy(\.isWhitespace) != true,
            "url is empty. Give a connection string (postgres://user@host/database), or nil to connect by the PG* environment variables."
        )
        do {
            try parameters().validate()
        } catch {
            throw LockError(
                .badConfiguration,
                """
                The connection string can't be parsed: \(error.message.sentence) Write it as \
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
        // Managers that are made with one configuration have different names.
        bounded.instanceName = InstanceName.make()
        bounded.pool.idleTimeout = pool.idleTimeout.bounded
        bounded.timeouts.connect = timeouts.connect.bounded
        bounded.timeouts.unreachable = timeouts.unreachable.bounded
        bounded.timeouts.response = timeouts.response.bounded
        bounded.timeouts.nested = timeouts.nested.bounded
        bounded.timeouts.commit = timeouts.commit.bounded
        bounded.timeouts.explanation = timeouts.explanation.bounded
        bounded.timeouts.shutdownGrace = timeouts.shutdownGrace.bounded
        bounded.handoff.maximumDuration = handoff.maximumDuration.bounded
        return bounded
    }

    func parameters(_ credentials: Credentials? = nil) -> ConnectionParameters {
        var parameters = ConnectionParameters(string: url ?? "", applicationName: applicationName ?? instanceName)
        parameters.user = credentials?.user
        parameters.password = credentials?.password
        parameters.silenceLimit = lease
        return parameters
    }

    /// What the server shows of the sessions.
    var shownInstance: String {
        let parameters = parameters()
        return parameters.value(of: "application_name") ?? parameters.applicationName
    }

    /// The lease of sessions. One that may be a pooler's has none.
    package var sessionLease: Duration? { isForTransactions ? nil : lease }

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
        if let lease = sessionLease.map(Lease.init) {
            engine.heartbeatInterval = lease.heartbeatInterval
            engine.overdueAfter = min(engine.overdueAfter, lease.longestOverdue)
        }
        engine.surveyInterval = lease ?? .seconds(30)
        engine.isFencing = fencingTokens
        engine.capacity = capacity.core
        // Behind a pooler of transactions a client has a session of the server for one transaction only.
        engine.hasSharedSession = !isForTransactions
        if !isForTransactions { engine.lookInterval = lookInterval }
        if releaseRequests != .ignore, !isForTransactions { engine.releaseLookInterval = releaseLookInterval }
        engine.longWait = longWait
        engine.oldestSnapshot = oldestSnapshot
        engine.seed = UInt64.random(in: .min ... .max)
        return engine
    }

    /// The settings of the state machine of a checked-out session.
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
