import LibPQ
import LockCore

/// Carries out what the engine decides, for all calls of one ``LockManager``, on one event loop and over one transport.
///
/// ``drive(_:)`` tells the engine of an event. The engine decides without any I/O; its actions are performed in their order before ``drive(_:)``
/// returns. What the events of one turn of the loop want sent is sent at the end of the turn.
///
/// The driver lives as long as its manager, a handle, a scope or a call does; then its connections are closed. It runs on the loop, so code on the
/// loop calls its isolated methods without waiting.
actor LockDriver: EventLoop.User {
    nonisolated let configuration: LockManager.Configuration
    nonisolated let loop = EventLoop(label: "pglock.loop")
    nonisolated let logger: LogRelay
    nonisolated let clock: LockClock
    nonisolated let telemetry: Telemetry
    /// How many locks were lost since that was last reported. Some losses are found by callers, off the loop.
    private nonisolated let losses = Locked<[LossReason: Int]>([:])
    nonisolated let releaseRequests = ReleaseRequests()
    nonisolated let publications = HoldPublications()
    nonisolated let explanations = Explanations()
    /// Of the requests that keep the order of calls which ask for something else first.
    nonisolated let queuePlaces = Locked(QueuePlaces())
    let transport: any LockTransport

    // The runtime's checks for overlapping accesses take a tenth of the time of a lock that is passed on in memory. They are made in debug
    // builds, which the tests are.
    #if DEBUG
        var engine: Engine
        var calls = CallTable()
    #else
        @exclusivity(unchecked) var engine: Engine
        @exclusivity(unchecked) var calls = CallTable()
    #endif
    /// The sessions that are open.
    var sessions: [ConnectionID: SessionFacts] = [:]
    // No access to the further properties without the check lasts while other code runs.

    /// Until when the sessions live for certain; empty unless the server ends sessions that are silent for the lease.
    @exclusivity(unchecked) var validities = SessionMap<SessionValidity>()
    /// That of the session that has granted a lock last.
    @exclusivity(unchecked) var latestValidity: (session: ConnectionID, validity: SessionValidity)?
    var checkedOut: [ConnectionID: SessionDriver] = [:]
    /// Why sessions were lost after they had been checked out, and before the task that checks them out came to run.
    var lostSessions: [ConnectionID: Failure] = [:]
    private var terminationContinuations: [CheckedContinuation<Void, Never>] = []
    private nonisolated let database = Locked("the server")

    @exclusivity(unchecked) private var timer: (any DeadlineTimer)?
    /// The time that all events of this turn of the loop get.
    @exclusivity(unchecked) private var turnTime: Instant?

    var counts = Counts()
    var outages = ConnectingOutages()
    /// `nil` if no metrics are recorded.
    let reports: MetricsReports?

    /// - Parameters:
    ///   - configuration: Validated, with its durations bounded.
    ///   - transport: Makes the transport, which is confined to the event loop.
    init(
        _ configuration: LockManager.Configuration,
        logger: LogRelay,
        clock: LockClock = .system,
        transport: @Sendable (LockManager.Configuration, EventLoop, LogRelay) -> any LockTransport
    ) {
        self.configuration = configuration
        self.logger = logger
        self.clock = clock
        telemetry = Telemetry(configuration)
        reports = telemetry.manager.map(MetricsReports.init)
        self.transport = transport(configuration, loop, logger)
        engine = Engine(configuration: configuration.engine)
        self.transport.onEvent = { [weak self] event in
            if let self { Self.handleOnLoop(self, event) }
        }
        loop.onTurnEnd { [weak self] in
            self?.endTurn()
        }
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private static let handleOnLoop = onLoop { (driver, event: TransportEvent) in driver.handle(event) }
    private static let endTurnOnLoop = onLoop { (driver, _: Void) in driver.sendRequests() }

    /// Makes a function of the driver that can be called without waiting, on the loop only.
    ///
    /// `assumeIsolated` does the same for a closure, and allocates at each call: a lock takes some ten of these.
    ///
    /// - Parameter body: Captures nothing. It differs from what is returned only in what the compiler knows of where it runs.
    static func onLoop<Argument>(
        _ body: @escaping @Sendable (isolated LockDriver, Argument) -> Void
    ) -> @Sendable (LockDriver, Argument) -> Void {
        let unchecked = unsafeBitCast(body, to: (@Sendable (LockDriver, Argument) -> Void).self)
        return { driver, argument in
            assert(driver.loop.isIsolatingCurrentContext() == true, "This must run on the event loop.")
            unchecked(driver, argument)
        }
    }

    nonisolated var now: Instant { clock.now }

    /// For a server that runs no SQL.
    var lister: (any LockLister)? { transport.lister }

    /// The time of the event that is being handled.
    var eventTime: Instant { turnTime ?? now }

    /// The scopes of this manager around this code that have not ended.
    nonisolated var enclosing: [EnclosingLock] {
        EnclosingLock.all.filter { $0.owner == ObjectIdentifier(self) && $0.state.isOpen }
    }

    /// The process on the server whose session holds the lock; `nil` if that is not known.
    func processID(of lock: LockState) -> Int32? {
        guard let session = engine.session(of: lock.id), let processID = sessions[session]?.processID, processID != 0 else { return nil }
        return processID
    }

    /// How messages name the database.
    nonisolated var databaseName: String {
        get { database.withLock { $0 } }
        set { database.withLock { $0 = newValue } }
    }

    // MARK: One turn

    /// Tells the engine of an event, then performs the actions that it decides on.
    func drive(_ event: (inout Engine, Instant) -> Void) {
        let time = turnTime ?? now
        turnTime = time
        engine.handle(now: time, event)
        performActions()
    }

    /// Called on the loop.
    nonisolated func endTurn() { Self.endTurnOnLoop(self, ()) }

    /// Sends what the events of this turn have asked for.
    private func sendRequests() {
        let time = turnTime ?? now
        defer { turnTime = nil }
        let end = engine.endTurn(now: time)
        performActions()
        if let wake = end.wake { arm(at: wake, now: time) }
        transport.endTurn(loneSession: end.loneConnection, isAnswerNeeded: end.isAnswerNeeded)
        if let step = reports?.endTurn() { perform(step) }
    }

    private func performActions() {
        while let action = engine.nextAction() { perform(action) }
    }

    private func arm(at wake: Instant, now: Instant) {
        if timer == nil { timer = makeTimer() }
        timer?.arm(at: wake.nanoseconds, now: now.nanoseconds)
    }

    private func makeTimer() -> any DeadlineTimer {
        clock.makeTimer(on: loop) { [weak self] in
            self?.assumeIsolated { driver in
                driver.timer?.hasFired()
                driver.drive { $0.advance(to: $1) }
            }
        }
    }

    // MARK: Looking

    /// What there is to be known without the server.
    var snapshot: LockSnapshot { LockSnapshot(Engine.Picture(of: engine), [Held](of: self), of: self) }

    /// Those of the open sessions on the server.
    var processIDs: Set<Int32> { Set(sessions.values.lazy.map(\.processID)) }

    /// - Returns: `nil` if a look takes SQL.
    func lookDirectly(_ look: LockLook) async -> LockLook.Found? {
        await withCheckedContinuation { continuation in
            if !transport.look(look, completion: { continuation.resume(returning: $0) }) { continuation.resume(returning: nil) }
        }
    }

    // MARK: Shutdown

    /// Returns when all connections are closed. Cancelling the task ends the grace period at once.
    func shutdown(gracePeriod: Duration) async {
        drive { $0.shutdown(now: $1) }
        let end = now.advanced(by: gracePeriod.bounded)
        let grace = Task {
            // A cancelled sleep ends the grace period early, as it should.
            try? await clock.sleep(until: end)
            drive { $0.terminate(now: $1) }
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if engine.isTerminated {
                    continuation.resume()
                } else {
                    terminationContinuations.append(continuation)
                }
            }
        } onCancel: {
            grace.cancel()
        }
        grace.cancel()
        await reportLast()
        await logger.drain()
    }

    func noteTermination() {
        timer = nil
        for continuation in terminationContinuations { continuation.resume() }
        terminationContinuations = []
    }

    // MARK: Metrics

    /// Locks are lost. They are counted once each, when they become doubtful.
    nonisolated func noteLosses(_ count: Int, _ reason: LossReason) {
        if count > 0 { losses.withLock { $0[reason, default: 0] += count } }
    }

    private func perform(_ step: MetricsReports.Step) {
        switch step {
        case .none:
            break
        case .plan:
            guard let interval = reports?.metrics.interval else { break }
            loop.run(after: Int(clamping: interval.clampedNanoseconds / 1_000_000)) { [weak self] in
                self?.assumeIsolated { $0.reports?.isDue = true }
            }
        case .report:
            let lost = losses.withLock { losses in
                defer { losses = [:] }
                return losses
            }
            let census = Engine.Census(of: engine)
            let held = checkedOut.values.reduce(census.heldLocks) { $0 + $1.assumeIsolated { $0.heldKeys.count } }
            reports?.report(census, heldLocks: held, counts, lost)
        }
    }

    /// Reports what has happened up to the end of the manager.
    private func reportLast() async {
        guard let metrics = reports?.metrics else { return }
        await metrics.drain()
        if metrics.begin() { perform(.report) }
        await metrics.drain()
    }
}
