#if ConfigurationSupport
    public import Configuration

    extension LockManager.Configuration {
        /// Reads the configuration by swift-configuration: <doc:InAService> lists the keys.
        ///
        /// A key that has no value leaves the default.
        ///
        /// - Parameter config: Scoped to where the keys are, for instance `config.scoped(to: "locks")`.
        /// - Throws: ``LockError`` with the code ``LockError/Code/badConfiguration``, if a value is of the wrong type, or invalid. It names the
        ///   key, and no value of a secret.
        public init(config: ConfigReader) throws {
            self.init()
            let values = ConfigurationValues(config)
            try values.read("url", into: &url, isSecret: true)
            credentials = try values.credentials()
            try values.read("applicationName", into: &applicationName)
            try values.read("pool.maximumConnections", into: &pool.maximumConnections)
            try values.read("pool.idleTimeout", into: &pool.idleTimeout)
            try timeouts.read(values)
            try values.read("handoff.maximumCount", into: &handoff.maximumCount)
            try values.read("handoff.maximumDuration", into: &handoff.maximumDuration)
            var lease = lease ?? .zero
            try values.read("lease", into: &lease)
            self.lease = lease == .zero ? nil : lease
            try values.read("awaitsRelease", into: &awaitsRelease)
            try values.read("cancelsBodyOnLoss", into: &cancelsBodyOnLoss)
            try values.read("publishesHolds", into: &publishesHolds)
            #if ServiceLifecycleSupport
                try values.read("endsWaitsOnGracefulShutdown", into: &endsWaitsOnGracefulShutdown)
            #endif
            try values.read("fencingTokens", into: &fencingTokens)
            capacity = try Capacity(values) ?? capacity
            try validate()
        }
    }

    extension TransactionLockManager.Configuration {
        /// Reads the configuration by swift-configuration: <doc:InAService> lists the keys.
        ///
        /// A key that has no value leaves the default.
        ///
        /// - Parameter config: Scoped to where the keys are.
        /// - Throws: As ``LockManager/Configuration/init(config:)``.
        public init(config: ConfigReader) throws {
            self.init()
            let values = ConfigurationValues(config)
            try values.read("url", into: &url, isSecret: true)
            credentials = try values.credentials()
            try values.read("applicationName", into: &applicationName)
            try values.read("pool.maximumConnections", into: &pool.maximumConnections)
            try values.read("pool.idleTimeout", into: &pool.idleTimeout)
            try timeouts.read(values)
            try values.read("cancelsBodyOnLoss", into: &cancelsBodyOnLoss)
            #if ServiceLifecycleSupport
                try values.read("endsWaitsOnGracefulShutdown", into: &endsWaitsOnGracefulShutdown)
            #endif
            try validate()
        }
    }

    extension LockManager.Configuration.Timeouts {
        fileprivate mutating func read(_ values: ConfigurationValues) throws {
            try values.read("timeouts.connect", into: &connect)
            try values.read("timeouts.unreachable", into: &unreachable)
            try values.read("timeouts.response", into: &response)
            try values.read("timeouts.nested", into: &nested)
            try values.read("timeouts.commit", into: &commit)
            try values.read("timeouts.shutdownGrace", into: &shutdownGrace)
            try values.read("timeouts.explanation", into: &explanation)
        }
    }

    extension LockManager.Configuration.Capacity {
        fileprivate init?(_ values: ConfigurationValues) throws {
            let (fraction, count) = (try values.number("capacity.fraction"), try values.int("capacity.keys"))
            switch (fraction, count) {
            case (nil, nil): return nil
            case (let fraction?, nil): self = .fraction(fraction)
            case (nil, let count?): self = .keys(count)
            case (_?, _?):
                throw LockError(.badConfiguration, "The configuration has both capacity.fraction and capacity.keys. Leave one of them out.")
            }
        }
    }

    extension ConfigurationValues {
        /// Provides user and password; `nil` if there is neither.
        fileprivate func credentials() throws -> (@Sendable () async throws -> LockManager.Configuration.Credentials)? {
            var credentials = LockManager.Configuration.Credentials(password: nil)
            try read("user", into: &credentials.user)
            try read("password", into: &credentials.password, isSecret: true)
            guard credentials.user != nil || credentials.password != nil else { return nil }
            return { [credentials] in credentials }
        }
    }
#endif
