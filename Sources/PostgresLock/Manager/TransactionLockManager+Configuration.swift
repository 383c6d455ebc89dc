extension TransactionLockManager {
    /// How a manager of transactions connects, and how long it waits.
    public struct Configuration: Sendable {
        /// Where the server or the pooler is: see ``LockManager/Configuration/url``.
        public var url: String?

        /// Asked for user and password before every connection: see ``LockManager/Configuration/credentials``.
        public var credentials: (@Sendable () async throws -> LockManager.Configuration.Credentials)?

        /// What the server shows in `pg_stat_activity`: see ``LockManager/Configuration/applicationName``.
        public var applicationName: String?

        /// The number of connections, and how long they stay.
        public var pool = Pool()

        /// How long things may take. All of them apply.
        public var timeouts = LockManager.Configuration.Timeouts()

        /// Whether the loss of a lock cancels the body: see ``LockManager/Configuration/cancelsBodyOnLoss``.
        public var cancelsBodyOnLoss = true

        #if ServiceLifecycleSupport
            /// Whether a wait ends when the graceful shutdown of its service begins: see
            /// ``LockManager/Configuration/endsWaitsOnGracefulShutdown``.
            public var endsWaitsOnGracefulShutdown = false
        #endif

        /// Where metrics are recorded.
        public var metrics = LockManager.Configuration.Metrics()

        #if DistributedTracingSupport
            /// Which spans are made.
            public var tracing = LockManager.Configuration.Tracing()
        #endif

        /// - Parameter url: See ``url``.
        public init(url: String? = nil) {
            self.url = url
        }
    }
}

extension TransactionLockManager.Configuration {
    /// The connections of a manager of transactions. Each serves one transaction at a time.
    public struct Pool: Sendable {
        /// The most connections, and so the most transactions, at a time; 8 by default, from 1 to 10,000.
        public var maximumConnections = 8
        /// How long a connection that no transaction uses stays open; 60 s by default.
        public var idleTimeout = Duration.seconds(60)

        /// The defaults.
        public init() {}
    }

    func validate() throws {
        guard pool.maximumConnections >= 1 else {
            throw LockError(.badConfiguration, "pool.maximumConnections is \(pool.maximumConnections), but must be at least 1.")
        }
        try driver.validateConnecting()
    }

    /// What the driver goes by.
    var driver: LockManager.Configuration {
        var configuration = LockManager.Configuration(url: url)
        configuration.credentials = credentials
        configuration.applicationName = applicationName
        configuration.pool.maximumConnections = pool.maximumConnections
        configuration.isForTransactions = true
        configuration.pool.idleTimeout = pool.idleTimeout
        configuration.timeouts = timeouts
        configuration.cancelsBodyOnLoss = cancelsBodyOnLoss
        #if ServiceLifecycleSupport
            configuration.endsWaitsOnGracefulShutdown = endsWaitsOnGracefulShutdown
        #endif
        configuration.metrics = metrics
        #if DistributedTracingSupport
            configuration.tracing = tracing
        #endif
        return configuration
    }

    /// With durations that can be computed with.
    var bounded: Self {
        var bounded = self
        bounded.pool.idleTimeout = driver.bounded.pool.idleTimeout
        bounded.timeouts = driver.bounded.timeouts
        return bounded
    }
}
