#if ConfigurationSupport
    import Configuration
    import LibPQ
    import PostgresLock
    import Testing

    @Suite("reading the configuration by swift-configuration")
    struct ConfigReaderTests {
        private func reader(_ values: [AbsoluteConfigKey: ConfigValue]) -> ConfigReader {
            ConfigReader(provider: InMemoryProvider(values: values))
        }

        @Test("every key is read")
        func all() async throws {
            let environment = [
                "LOCKS_URL": "postgres://app@db/app", "LOCKS_USER": "app", "LOCKS_PASSWORD": "secret", "LOCKS_APPLICATION_NAME": "orders",
                "LOCKS_POOL_MAXIMUM_CONNECTIONS": "5", "LOCKS_POOL_IDLE_TIMEOUT": "6.5", "LOCKS_TIMEOUTS_CONNECT": "1",
                "LOCKS_TIMEOUTS_UNREACHABLE": "2", "LOCKS_TIMEOUTS_RESPONSE": "3", "LOCKS_TIMEOUTS_NESTED": "4",
                "LOCKS_TIMEOUTS_COMMIT": "5",
                "LOCKS_TIMEOUTS_SHUTDOWN_GRACE": "0.5", "LOCKS_HANDOFF_MAXIMUM_COUNT": "7", "LOCKS_HANDOFF_MAXIMUM_DURATION": "0.02",
                "LOCKS_LEASE": "12", "LOCKS_AWAITS_RELEASE": "false", "LOCKS_CANCELS_BODY_ON_LOSS": "no", "LOCKS_FENCING_TOKENS": "1",
                "LOCKS_CAPACITY_KEYS": "99", "LOCKS_ENDS_WAITS_ON_GRACEFUL_SHUTDOWN": "true",
                "LOCKS_TIMEOUTS_EXPLANATION": "0.1", "LOCKS_PUBLISHES_HOLDS": "false",
            ]
            let provider = EnvironmentVariablesProvider(environmentVariables: environment)
            let configuration = try LockManager.Configuration(config: ConfigReader(provider: provider).scoped(to: "locks"))
            #expect(configuration.url == "postgres://app@db/app")
            let credentials = try await configuration.credentials?()
            #expect(credentials?.user == "app")
            #expect(credentials?.password == "secret")
            #expect(configuration.applicationName == "orders")
            #expect(configuration.pool.maximumConnections == 5)
            #expect(configuration.pool.idleTimeout == .seconds(6.5))
            let timeouts = configuration.timeouts
            #expect([timeouts.connect, timeouts.unreachable, timeouts.response] == [.seconds(1), .seconds(2), .seconds(3)])
            #expect([timeouts.nested, timeouts.commit, timeouts.shutdownGrace] == [.seconds(4), .seconds(5), .milliseconds(500)])
            #expect(configuration.handoff.maximumCount == 7)
            #expect(configuration.handoff.maximumDuration == .milliseconds(20))
            #expect(configuration.lease == .seconds(12))
            #expect(configuration.timeouts.explanation == .milliseconds(100))
            #expect(!configuration.publishesHolds)
            #expect(!configuration.awaitsRelease)
            #expect(!configuration.cancelsBodyOnLoss)
            #expect(configuration.fencingTokens)
            #expect(configuration.capacity == .keys(99))
            #if ServiceLifecycleSupport
                #expect(configuration.endsWaitsOnGracefulShutdown)
            #endif
        }

        @Test("a key without a value leaves the default")
        func defaults() throws {
            let (read, plain) = (try LockManager.Configuration(config: reader([:])), LockManager.Configuration())
            #expect(read.url == nil)
            #expect(read.credentials == nil)
            #expect(read.applicationName == plain.applicationName)
            #expect(read.pool.maximumConnections == plain.pool.maximumConnections)
            #expect(read.timeouts.connect == plain.timeouts.connect)
            #expect(read.lease == plain.lease)
            #expect(read.capacity == plain.capacity)
            #expect(read.awaitsRelease)
        }

        @Test("a lease of zero is none")
        func noLease() throws {
            #expect(try LockManager.Configuration(config: reader(["lease": 0])).lease == nil)
        }

        @Test("a manager of transactions reads the keys that it has")
        func transactions() throws {
            let values: [AbsoluteConfigKey: ConfigValue] = ["pool.maximumConnections": 1, "timeouts.commit": 3, "url": "host=db"]
            let configuration = try TransactionLockManager.Configuration(config: reader(values))
            #expect(configuration.url == "host=db")
            #expect(configuration.pool.maximumConnections == 1)
            #expect(configuration.timeouts.commit == .seconds(3))
        }

        @Test(
            "a wrong value is an error that names its key",
            arguments: [
                ("pool.maximumConnections", "many"), ("pool.maximumConnections", 1), ("timeouts.connect", "10 s"), ("timeouts.connect", -1),
                ("timeouts.connect", 1e30), ("lease", 0.1), ("awaitsRelease", "perhaps"), ("capacity.fraction", 2), ("capacity.keys", 0),
                ("handoff.maximumCount", -1), ("applicationName", 7), ("fencingTokens", 3),
            ] as [(String, ConfigValue)]
        )
        func wrong(key: String, value: ConfigValue) async throws {
            let error = await lockError { try LockManager.Configuration(config: reader([AbsoluteConfigKey(stringLiteral: key): value])) }
            #expect(error?.code == .badConfiguration)
            let name = key.hasPrefix("capacity") ? "capacity" : key
            #expect(error?.message.contains(name) == true)
        }

        @Test("an error does not show the value of the URL or the password", arguments: ["url", "password"])
        func secrets(key: String) async throws {
            let value = "postgres://app:hunter2@db:notaport/app"
            let wrong = key == "url" ? ConfigContent.string(value) : .stringArray(["hunter2"])
            let error = await lockError {
                try LockManager.Configuration(config: reader([AbsoluteConfigKey(stringLiteral: key): ConfigValue(wrong, isSecret: false)]))
            }
            #expect(error?.code == .badConfiguration)
            #expect("\(String(reflecting: error))".contains("hunter2") == false)
        }

        @Test("the URL and the password are secrets in what is told of accesses")
        func access() throws {
            let reporter = Reporter()
            let provider = InMemoryProvider(values: ["url": "postgres://app:hunter2@db/app", "password": "hunter3", "lease": 5])
            _ = try LockManager.Configuration(config: ConfigReader(provider: provider, accessReporter: reporter))
            #expect(reporter.values.keys.contains("lease"))
            #expect(reporter.values["url"] == true)
            #expect(reporter.values["password"] == true)
            #expect(reporter.values["lease"] == false)
        }

        @Test("both limits of the capacity are too many")
        func capacity() async throws {
            let error = await lockError { try LockManager.Configuration(config: reader(["capacity.fraction": 0.5, "capacity.keys": 10])) }
            #expect(error?.code == .badConfiguration)
        }
    }

    /// Notes which keys have shown values, and whether all of these were secret.
    private final class Reporter: AccessReporter {
        private let isSecret = Locked<[String: Bool]>([:])

        var values: [String: Bool] { isSecret.withLock { $0 } }

        func report(_ event: AccessEvent) {
            let found = event.providerResults.compactMap { try? $0.result.get().value } + [try? event.result.get()].compactMap { $0 ?? nil }
            let key = event.metadata.key.description
            for value in found { isSecret.withLock { $0[key] = $0[key, default: true] && value.isSecret } }
        }
    }
#endif
