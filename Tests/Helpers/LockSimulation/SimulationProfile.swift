import LockCore
import LockServerModel

/// The parameters of one run: how many processes and tasks there are, how contended the keys are, and which faults there are.
struct SimulationProfile {
    var processes: Int
    var keys: Int
    /// Tasks at a time, per process.
    var tasks: Int
    /// How many locks each of them takes, one after the other.
    var rounds: Int
    /// Whether some of them are locks of transactions.
    var transactions: Bool
    /// The permits of a semaphore; empty if there is none.
    var permits: [AdvisoryKey] = []
    /// The lock at which those wait who want a permit.
    let turnstile = AdvisoryKey(1, 0)
    /// How many requests ask for the shared mode.
    var readers = 0.3
    var engine = Engine.Configuration()

    var latency: ClosedRange<Duration>
    var hold: ClosedRange<Duration>
    /// How long the callers with a limit wait.
    var timeout: ClosedRange<Duration>
    /// How long a backend takes to notice that it was granted a lock: the time in which a cancel wins all the same.
    var waking: ClosedRange<Duration>
    /// Whether a try passes waiting sessions: PostgreSQL 16 and 18 differ in that.
    var triesPassTheQueue: Bool

    /// Whether sessions keep the library's settings. Sessions behind a pooler of transactions do not.
    var hasSettings = true
    /// Whether the role has settings of its own, and whether its transactions are deferrable.
    var hasRoleSettings = false
    var roleDefers = false
    /// PL/pgSQL is missing.
    var waitsPlainly = false

    /// Whether the server hides what sessions do.
    var hidesActivity = false

    /// How many keys the server's lock table has room for; `nil` for any number.
    var lockTableSize: Int?

    /// Processes with keys of their own that ask for more of them than the lock table has room for. It has more room than the server
    /// promises, as in PostgreSQL, so what the processes hold together is up to the engines.
    var isFleet = false

    // The probability of each fault, per occasion.
    /// A wait harms other sessions, when the server is asked.
    var harms = 0.0
    /// The body has set a limit of its own for waits.
    var bodyLimits = 0.03
    var statementErrors = 0.0
    var cancelsForbidden = false
    var connectFailures = 0.0
    var fatalConnectFailures = 0.0

    /// About how often another session asks for a lock.
    var requestEvery: Duration?
    /// About how often there is a fault of a connection or of the server.
    var troubleEvery: Duration?
    /// About how often a process is frozen.
    var freezeEvery: Duration?
    /// Another server is promoted from time to time.
    var promotions = false
    /// About how often that happens while the server of before goes on.
    var splitEvery: Duration?
    /// One process shuts down, and one crashes, during the run.
    var departures = false

    var isCalm: Bool {
        statementErrors == 0 && connectFailures == 0 && fatalConnectFailures == 0 && troubleEvery == nil && freezeEvery == nil
            && !departures && !hidesActivity && splitEvery == nil
    }

    /// Whether processes stand still, and nothing else is wrong.
    var onlyFreezes: Bool {
        var profile = self
        profile.freezeEvery = nil
        return profile.isCalm
    }

    /// For how long a permit may be free while a task waits that has waited for as long. The search of another process may take it for a moment, and
    /// begins the time anew. A task that was granted the turnstile or a permit may take up to a lease until it runs.
    var permitLimit: Duration {
        let search = SimulatedPermit.searchPause * 6 / 5 + .milliseconds(100) + latency.upperBound * 20
        return (search + (engine.lease ?? .seconds(1))) * 2 + .seconds(2)
    }

    /// Whether only the network's latency keeps the server from saying whether a lock is taken.
    var tellsWhatIsTaken: Bool { isCalm && lockTableSize == nil && engine.capacity == .unlimited }

    /// Whether a call may fail like this. Without faults, only by a lack of room.
    func mayFail(by kind: Failure.Kind) -> Bool {
        switch kind {
        case .capacity: engine.capacity != .unlimited
        case .lockTableFull: !isCalm || mayFillLockTable
        default: !isCalm
        }
    }

    /// Whether the processes together may ask for more than the server has room for, transactions included.
    private var mayFillLockTable: Bool {
        guard let lockTableSize else { return false }
        guard let limit = engine.capacity.limit(lockTableSize: lockTableSize) else { return true }
        // Waits may exceed the limit by the number of connections, and transactions are not counted.
        return processes * (limit + engine.maximumConnections * (transactions ? 2 : 1)) > lockTableSize
    }

    /// How many locks a fleet may hold together, besides what its processes may take again because they have released it just now:
    /// see LockTableQuota.
    var fleetLimit: Int? {
        guard isFleet, let lockTableSize, let keyLimit else { return nil }
        return keyLimit + 2 * processes * max(1, lockTableSize / 16)
    }

    var keyLimit: Int? { engine.capacity.limit(lockTableSize: lockTableSize) }

    /// How long a release may take: a round that is under way, the cancellation of a wait, and the unlock itself, each up to its limit.
    var releaseLimit: Duration { engine.responseTimeout * 3 + .seconds(1) }

    /// The settings of checked-out sessions.
    var settings: CheckedOutSession.Settings {
        var settings = CheckedOutSession.Settings()
        settings.isLeased = engine.lease != nil
        settings.answerLimit = engine.lease.map { min($0, engine.responseTimeout) } ?? engine.responseTimeout
        settings.commitLimit = engine.responseTimeout
        settings.isFencing = engine.isFencing
        settings.hasSettings = hasSettings
        settings.hasRoleSettings = hasRoleSettings
        settings.mayDefer = roleDefers
        return settings
    }

    /// How a server behaves.
    var behavior: ServerBehavior {
        var behavior = ServerBehavior()
        // A fleet's engines keep to what the server promises; it has more room.
        behavior.lockTableSize = isFleet ? nil : lockTableSize
        behavior.triesPassTheQueue = triesPassTheQueue
        behavior.waitsPlainly = waitsPlainly
        behavior.roleDefers = roleDefers
        behavior.hidesActivity = hidesActivity
        behavior.cancelsForbidden = cancelsForbidden
        behavior.statementTime = .microseconds(5) ... .milliseconds(1)
        behavior.waking = waking
        behavior.closingTime = .zero ... .seconds(5)
        behavior.cancelTime = .zero ... .milliseconds(1)
        behavior.lateCancels = 0.1
        // Twice that is less than any response timeout. A record is answered within the lease all the same.
        behavior.diskTime = .zero...min(.milliseconds(500), (engine.lease ?? .seconds(2)) / 4)
        behavior.diskWaits = 0.3
        behavior.statementErrors = statementErrors
        behavior.connectFailures = connectFailures
        behavior.fatalConnectFailures = fatalConnectFailures
        behavior.harms = harms
        behavior.builds = 0.5
        behavior.bodyLimits = bodyLimits
        behavior.bodyLimit = timeout
        return behavior
    }

    init(seed: UInt64) {
        let chance = Chance(seed: seed)
        processes = chance.number(1...4)
        keys = chance.one(of: [1, 2, 3, 5, 20])
        tasks = chance.one(of: [1, 3, 10, 30])
        rounds = chance.one(of: [3, 10])
        transactions = chance.happens(0.6)
        engine.maximumConnections = chance.one(of: [2, 2, 3, 4, 8])
        engine.handoff = chance.one(of: [
            HandoffLimit(count: 0, duration: .zero), HandoffLimit(count: 16, duration: .milliseconds(50)),
            HandoffLimit(count: 2, duration: .seconds(5)), .unlimited,
        ])
        engine.responseTimeout = .seconds(chance.number(2...30))
        engine.connectTimeout = .seconds(chance.number(1...10))
        engine.idleTimeout = .seconds(chance.one(of: [1, 60]))
        engine.batchSize = chance.one(of: [1, 2, 1000])
        engine.batchTransactionThreshold = chance.one(of: [1, 5, 500])
        latency = .microseconds(50)...chance.one(of: [.microseconds(200), .milliseconds(5), .milliseconds(200)])
        // A lease of only a few round trips can't be kept.
        engine.lease = chance.one(of: [nil, latency.upperBound * 10 < .seconds(1) ? .seconds(1) : .seconds(5), .seconds(5)])
        engine.heartbeatInterval = engine.lease.map { $0 / 3 } ?? chance.one(of: [.milliseconds(20), .seconds(10)])
        engine.overdueAfter = chance.one(of: [max(.milliseconds(100), latency.upperBound * 10), .seconds(2)])
        engine.seed = chance.seed()
        hold = .zero...chance.one(of: [.microseconds(100), .milliseconds(20), .seconds(1)])
        // Long enough for the server to grant a lock to another session, if the engine missed the loss.
        if tasks <= 3, let lease = engine.lease, chance.happens(0.5) { hold = .zero...lease * 3 }
        timeout = .zero...chance.one(of: [.milliseconds(20), .milliseconds(500), .seconds(20)])
        waking = .zero...chance.one(of: [.microseconds(10), .milliseconds(2), .milliseconds(50)])
        triesPassTheQueue = chance.happens(0.5)
        lockTableSize = chance.one(of: [nil, nil, 3, 10, 60])
        engine.capacity = chance.one(of: [.unlimited, .fraction(0.5), .fraction(0.1), .fraction(1), .keys(2)])
        engine.pollSize = chance.one(of: [1, 5, 10_000])
        // A crowd, whose statements have several rows.
        if chance.happens(0.1) { (keys, tasks, rounds, engine.batchSize) = (100, 100, 3, 1000) }
        engine.isFencing = engine.maximumConnections >= 3 && chance.happens(0.4)
        engine.lookInterval = chance.one(of: [nil, .milliseconds(5), .milliseconds(100), .seconds(1)])
        harms = chance.one(of: [0, 0.1, 0.5])
        hasSettings = !chance.happens(0.1)
        hasRoleSettings = hasSettings && chance.happens(0.3)
        roleDefers = hasRoleSettings && chance.happens(0.5)
        waitsPlainly = chance.happens(0.1)
        if chance.happens(0.5) { engine.surveyInterval = engine.lease ?? .seconds(1) }
        if chance.happens(0.05) { becomeFleet(chance) }
        // Drawn apart, so that the other draws of a seed stay the same.
        let requests = Chance(seed: seed &+ 0x5EED)
        if requests.happens(0.3) {
            engine.releaseLookInterval = requests.one(of: [.milliseconds(5), .milliseconds(100), .seconds(1)])
            requestEvery = requests.one(of: [.milliseconds(10), .milliseconds(500)])
        }
        let semaphores = Chance(seed: seed &+ 0x9E41)
        // The head asks for permits so often that long runs would take much time.
        if !isFleet, hold.upperBound <= .seconds(1), semaphores.happens(0.3) {
            permits = (1...semaphores.one(of: [1, 2, 5])).map { AdvisoryKey(1, $0) }
        }
        if !isFleet { readers = Chance(seed: seed &+ 0x5A4E).one(of: [0.3, 0.3, 0.9]) }
        // Processes that stand still behind the turnstile, and nothing else, so that what the others do meanwhile can be judged.
        if !permits.isEmpty, semaphores.happens(0.3) {
            (freezeEvery, lockTableSize, engine.capacity) = (.seconds(2), nil, .unlimited)
            return
        }
        guard !isFleet, chance.happens(0.75) else { return }
        statementErrors = chance.one(of: [0, 0.01, 0.2])
        cancelsForbidden = chance.happens(0.2)
        connectFailures = chance.one(of: [0, 0.1, 0.6])
        fatalConnectFailures = chance.one(of: [0, 0, 0.05])
        troubleEvery = chance.one(of: [nil, .milliseconds(20), .milliseconds(300), .seconds(3)])
        departures = chance.happens(0.3)
        promotions = chance.happens(0.3)
        if engine.surveyInterval != nil { splitEvery = chance.one(of: [nil, .seconds(1), .seconds(5), .seconds(20)]) }
        hidesActivity = chance.happens(0.2)
        if chance.happens(0.4) { freezeEvery = chance.one(of: [.milliseconds(300), .seconds(3), .seconds(10)]) }
    }

    private mutating func becomeFleet(_ chance: Chance) {
        isFleet = true
        (processes, keys, tasks, rounds, transactions) = (chance.number(2...5), 100, 100, 3, false)
        hold = .zero...chance.one(of: [.milliseconds(20), .seconds(1), .seconds(20)])
        lockTableSize = chance.one(of: [60, 200])
        engine.capacity = chance.one(of: [.fraction(0.5), .fraction(1)])
        // Without handoff limits there are no polls and no waits behind other processes, which the engine does not hold back.
        engine.handoff = .unlimited
    }
}
