import LibPQ
import Testing

@testable import LockCore
@testable import PostgresLock

@Suite("What a manager's configuration comes to")
struct ConfigurationTests {
    /// Every value is another one, and none is a default.
    private static func configuration(_ configure: (inout LockManager.Configuration) -> Void = { _ in }) -> LockManager.Configuration {
        var configuration = LockManager.Configuration(url: "host=db")
        configuration.pool.maximumConnections = 21
        configuration.pool.idleTimeout = .seconds(22)
        configuration.timeouts.connect = .seconds(11)
        configuration.timeouts.unreachable = .seconds(12)
        configuration.timeouts.response = .seconds(13)
        configuration.timeouts.nested = .seconds(14)
        configuration.timeouts.commit = .seconds(15)
        configuration.timeouts.shutdownGrace = .seconds(16)
        configuration.handoff.maximumCount = 17
        configuration.handoff.maximumDuration = .milliseconds(18)
        configuration.lease = .seconds(3)
        configuration.applicationName = "test"
        configuration.fencingTokens = true
        configuration.capacity = .keys(19)
        configuration.lookInterval = .seconds(23)
        configuration.longWait = .seconds(24)
        configuration.oldestSnapshot = 25
        configuration.releaseLookInterval = .seconds(26)
        configuration.timeouts.explanation = .seconds(27)
        configure(&configuration)
        return configuration
    }

    private static func fields(_ value: Any) -> [String: String] {
        Dictionary(uniqueKeysWithValues: Mirror(reflecting: value).children.map { ($0.label ?? "", String(describing: $0.value)) })
    }

    /// The names of the fields that have their defaults.
    private static func defaults<Value>(of value: Value, _ initial: Value) -> Set<String> {
        let initial = fields(initial)
        return Set(fields(value).filter { initial[$0.key] == $0.value }.keys)
    }

    @Test("each value reaches the engine, which keeps its own figures for what can't be configured")
    func engine() {
        let engine = Self.configuration().engine
        #expect(engine.maximumConnections == 21)
        #expect(engine.idleTimeout == .seconds(22))
        #expect(engine.connectTimeout == .seconds(12))
        #expect(engine.responseTimeout == .seconds(13))
        #expect(engine.handoff == HandoffLimit(count: 17, duration: .milliseconds(18)))
        #expect(engine.lease == .seconds(3))
        #expect(engine.heartbeatInterval == .seconds(1))
        #expect(engine.overdueAfter == .seconds(1))
        #expect(engine.surveyInterval == .seconds(3))
        #expect(engine.isFencing)
        #expect(engine.capacity == .keys(19))
        #expect(engine.hasSharedSession)
        #expect(engine.lookInterval == .seconds(23))
        #expect(engine.longWait == .seconds(24))
        #expect(engine.oldestSnapshot == 25)
        #expect(engine.releaseLookInterval == .seconds(26))
        #expect(engine.answerLimit == .seconds(3))
        // A field that is new belongs above, or here.
        let own: Set = ["hasSharedSession", "batchSize", "batchTransactionThreshold", "pollSize", "longestWait", "mostDoublings"]
        #expect(Self.defaults(of: engine, Engine.Configuration()) == own)
    }

    @Test("managers draw different random numbers")
    func seeds() {
        #expect(Set((0..<8).map { _ in Self.configuration().engine.seed }).count == 8)
    }

    @Test("without a lease, answers are waited for as long as the response timeout, and servers are surveyed all the same")
    func noLease() {
        let configuration = Self.configuration { $0.lease = nil }
        #expect(configuration.engine.lease == nil)
        #expect(configuration.engine.answerLimit == .seconds(13))
        #expect(configuration.engine.heartbeatInterval == Engine.Configuration().heartbeatInterval)
        #expect(configuration.engine.overdueAfter == Engine.Configuration().overdueAfter)
        #expect(configuration.engine.surveyInterval == .seconds(30))
        let settings = configuration.checkedOut(for: .session, SessionFacts())
        #expect(!settings.isLeased)
        #expect(settings.answerLimit == .seconds(13))
        #expect(configuration.parameters().silenceLimit == nil)
    }

    private static func transactionConfiguration() -> TransactionLockManager.Configuration {
        var configuration = TransactionLockManager.Configuration(url: "host=db")
        configuration.credentials = { .init(password: nil) }
        configuration.applicationName = "test"
        configuration.pool.maximumConnections = 21
        configuration.pool.idleTimeout = .seconds(22)
        configuration.timeouts = Self.configuration().timeouts
        configuration.cancelsBodyOnLoss = false
        configuration.endsWaitsOnGracefulShutdown = true
        configuration.metrics.name = "transactions"
        return configuration
    }

    @Test("a manager of transactions passes each value of its configuration on to its driver, which has no shared session")
    func transactionManager() throws {
        let driver = Self.transactionConfiguration().driver
        #expect(driver.url == "host=db")
        #expect(driver.credentials != nil)
        #expect(driver.applicationName == "test")
        #expect(driver.pool.maximumConnections == 21)
        #expect(driver.isForTransactions)
        #expect(driver.pool.idleTimeout == .seconds(22))
        #expect(Self.fields(driver.timeouts) == Self.fields(Self.configuration().timeouts))
        #expect(!driver.cancelsBodyOnLoss)
        #expect(driver.endsWaitsOnGracefulShutdown)
        #expect(driver.metrics.name == "transactions")
        // A property that is new belongs above, and into the configuration of the driver.
        var names: Set = [
            "url", "credentials", "applicationName", "pool", "timeouts", "cancelsBodyOnLoss", "endsWaitsOnGracefulShutdown", "metrics",
        ]
        #if DistributedTracingSupport
            names.insert("tracing")
        #endif
        #expect(Set(Self.fields(Self.transactionConfiguration()).keys) == names)
        #expect(Set(Self.fields(TransactionLockManager.Configuration.Pool()).keys) == ["maximumConnections", "idleTimeout"])
    }

    @Test("a manager of transactions refuses invalid values by their names, and needs one connection")
    func invalidTransactionManager() throws {
        func refuse(_ configure: (inout TransactionLockManager.Configuration) -> Void) -> LockError? {
            var configuration = TransactionLockManager.Configuration(url: "host=db")
            configure(&configuration)
            do {
                _ = try TransactionLockManager(configuration: configuration)
                return nil
            } catch {
                return error as? LockError
            }
        }
        #expect(refuse { $0.pool.maximumConnections = 1 } == nil)
        #expect(refuse { $0.pool.maximumConnections = 0 }?.message.contains("pool.maximumConnections") == true)
        #expect(refuse { $0.pool.maximumConnections = 10_001 }?.message.contains("pool.maximumConnections") == true)
        #expect(refuse { $0.timeouts.connect = .zero }?.message.contains("timeouts.connect") == true)
        #expect(refuse { $0.applicationName = "a\0b" }?.code == .badConfiguration)
        #expect(refuse { $0.url = "nonsense" }?.message.contains("connection string") == true)
    }

    @Test("sessions of a manager of transactions have no lease, and nothing is asked about them over other sessions")
    func sessionsOfTransactions() {
        let configuration = Self.transactionConfiguration().driver
        #expect(configuration.engine.lease == nil)
        #expect(configuration.engine.heartbeatInterval == Engine.Configuration().heartbeatInterval)
        #expect(configuration.engine.overdueAfter == Engine.Configuration().overdueAfter)
        #expect(configuration.engine.surveyInterval == .seconds(30))
        #expect(!configuration.engine.hasSharedSession)
        #expect(configuration.engine.lookInterval == nil)
        let settings = configuration.checkedOut(for: .transaction, SessionFacts())
        #expect(!settings.isLeased)
        #expect(!settings.hasSettings)
        #expect(settings.answerLimit == .seconds(13))
        #expect(configuration.sessionSettings.generalInTransaction.contains("('idle_in_transaction_session_timeout', '0')"))
    }

    @Test("an answer on a checked-out session is waited for no longer than the lease, nor than the response timeout")
    func answers() {
        for (lease, response, limit) in [(3, 13, 3), (13, 3, 3), (7, 7, 7)] {
            let configuration = Self.configuration {
                $0.lease = .seconds(lease)
                $0.timeouts.response = .seconds(response)
            }
            for scope in [CheckedOutSession.Scope.session, .transaction] {
                #expect(configuration.checkedOut(for: scope, SessionFacts()).answerLimit == .seconds(limit))
            }
            #expect(configuration.engine.answerLimit == .seconds(limit), "the engine's sessions have the same limit")
        }
    }

    @Test("each value that a checked-out session goes by reaches it, and so does what its role has")
    func checkedOut() {
        let facts = SessionFacts(hasRoleSettings: true, mayDefer: true)
        let settings = Self.configuration().checkedOut(for: .session, facts)
        #expect(settings.isLeased)
        #expect(settings.commitLimit == .seconds(15))
        #expect(settings.isFencing)
        #expect(settings.hasSettings)
        #expect(settings.hasRoleSettings)
        #expect(settings.mayDefer)
        #expect(Self.defaults(of: settings, CheckedOutSession.Settings()) == ["hasSettings"])
        let own = Self.transactionConfiguration().driver.checkedOut(for: .transaction, SessionFacts())
        #expect(!own.hasRoleSettings)
        #expect(!own.mayDefer)
        #expect(!Self.configuration().checkedOut(for: .transaction, facts).isFencing, "a transaction's locks have no tokens")
        #expect(!Self.configuration { $0.fencingTokens = false }.checkedOut(for: .session, facts).isFencing)
    }

    @Test("the lease is what the system and the server are told of silence, and credentials win over the connection string")
    func connecting() {
        let configuration = Self.configuration()
        let parameters = configuration.parameters(.init(user: "u", password: "p"))
        #expect(parameters.string == "host=db")
        #expect(parameters.applicationName == "test")
        #expect(parameters.user == "u")
        #expect(parameters.password == "p")
        #expect(parameters.silenceLimit == .seconds(3))
        for name in ["idle_session_timeout", "idle_in_transaction_session_timeout", "tcp_user_timeout"] {
            #expect(configuration.sessionSettings.general.contains("('\(name)', '3000')"))
        }
    }

    @Test("calls inside others, and those that wait for no others, have limits of their own")
    func limits() {
        func limit(_ timeout: Duration?, noWait: Bool = false, isNested: Bool) -> WaitLimit {
            WaitLimit(timeout, noWait: noWait, isNested: isNested, Self.configuration().timeouts, now: Instant(nanoseconds: 0))
        }
        #expect(limit(nil, noWait: true, isNested: true).duration == .seconds(12))
        #expect(limit(nil, isNested: true).duration == .seconds(14))
        #expect(limit(nil, isNested: false).duration == nil)
        #expect(limit(.seconds(1), isNested: true).duration == .seconds(1))
        #expect(limit(nil, isNested: true).length.isDefault)
        #expect(!limit(nil, noWait: true, isNested: true).length.isDefault)
        #expect(!limit(.seconds(1), isNested: true).length.isDefault)
    }

    @Test("a duration of more than a century counts as one")
    func bounds() {
        let long = Duration.seconds(Int64.max)
        let bounded = Self.configuration {
            $0.pool.idleTimeout = long
            $0.timeouts = .init()
            $0.timeouts.connect = long
            $0.timeouts.unreachable = long
            $0.timeouts.response = long
            $0.timeouts.nested = long
            $0.timeouts.commit = long
            $0.timeouts.shutdownGrace = long
            $0.timeouts.explanation = long
            $0.handoff.maximumDuration = long
        }.bounded
        #expect(bounded.pool.idleTimeout == .century)
        #expect(bounded.handoff.maximumDuration == .century)
        #expect(Set(Self.fields(bounded.timeouts).values) == [String(describing: Duration.century)])
    }
}
