import LockCore
import LockServerModel

/// A process with an engine of its own, which does what `LockManager` does, with a model of the server instead of libpq.
final class SimulatedProcess {
    let id: Int
    let agenda: Agenda
    let chance: Chance
    let profile: SimulationProfile
    let hosts: SimulatedHosts
    let ledger: Ledger
    let clock: SimulatedClock

    var engine: Engine
    var calls: [RequestID: (number: Int, completion: (Engine.Outcome) -> Void)] = [:]
    /// The statements that calls run on checked-out sessions.
    var submissions: [RequestID: OwnSubmission] = [:]
    struct OwnSubmission {
        /// Each is answered as a whole, or not at all.
        let groups: [[SimulatedStatement]]
        let onReplies: ([SimulatedReply]) -> Void
    }

    var links: [ConnectionID: SimulatedLink] = [:]
    var attempts: Set<ConnectionID> = []
    /// The sessions of attempts to connect whose servers are being checked.
    var opening: [ConnectionID: SimulatedSession] = [:]
    /// The locks that calls ask for in session scope.
    var wanted: [RequestID: Wanted] = [:]
    struct Wanted {
        let key: AdvisoryKey
        let mode: Mode
        /// Whether it may join the shared lock that encloses it, past all waiting requests.
        let isEnclosed: Bool
        /// Whether it does not wait, so that it may join what the process shares past requests that wait for the server to let them.
        let isTry: Bool
        let order: Int
        let place: QueuePlace
        let since: Instant

        /// Whether it is to be granted first.
        func isInFront(of other: Wanted) -> Bool {
            place.precedes(other.place) || !other.place.precedes(place) && order < other.order
        }
    }

    /// The calls for any of several keys.
    var choices: [RequestID: Choosing] = [:]
    struct Choosing {
        let choice: LockTable.Choice
        let since: Instant
    }

    /// The tasks that wait for a permit, and since when.
    var permitWaiters = PermitWaiters()
    var queuePlaces = QueuePlaces()
    var permitWaits: [PermitWaiters.Ticket: Instant] = [:]

    /// The keys of the session locks that are held.
    var held: [RequestID: AdvisoryKey] = [:]
    /// Until when each session certainly lives.
    var verifications: [ConnectionID: Instant] = [:]
    var tokens: [RequestID: SimulatedToken] = [:]
    /// What remains to be done with each lock that was granted, as `LockState` keeps it.
    var grants: [RequestID: GrantState] = [:]
    /// The locks of which the engine has not said that they are lost.
    var known: Set<RequestID> = []
    /// The calls that change the mode of a lock.
    var changes: [RequestID: (lock: RequestID, mode: Mode)] = [:]
    /// When the key was last held.
    var lastHeld: [AdvisoryKey: Instant] = [:]
    /// Locks at the server without a holder in the process, and since when.
    var unownedSince: [Unowned: Instant] = [:]
    /// What to call when a checked-out session is lost.
    var onLoss: [ConnectionID: (Failure) -> Void] = [:]
    /// The requests of transactions that wait for the turn of their key, or have it.
    var turns: [RequestID: (key: AdvisoryKey, since: Instant)] = [:]
    /// When a task of the process last ceased to want a key.
    var lastWanted: [AdvisoryKey: Instant] = [:]
    /// The calls that ask for a session of their own.
    var checkOuts: Set<RequestID> = []
    /// The highest timeline that it has seen.
    var seenTimeline: UInt32 = 0
    var isSurveying = false
    /// Locks on a server that was replaced, and since when.
    var believedReplaced: [RequestID: Instant] = [:]
    /// Whether PL/pgSQL is known to be missing.
    var waitsPlainly = false

    private var nextID: UInt64 = 1
    private var callCount = 0
    private var isTurnEndPlanned = false
    private var armedFor: Instant?
    private var eventsInTurn = 0
    private var hasWokenAt: Instant?
    private var lastBusy: Instant
    private(set) var isCrashed = false
    var isFrozen = false
    /// The events that have come while it was frozen.
    var missed: [() -> Void] = []
    var timeFrozen = Duration.zero
    /// Since when calls wait for a free lock without a reason.
    var quietSince = Instant(nanoseconds: 0)
    var isTerminated = false

    init(_ id: Int, hosts: SimulatedHosts) {
        self.id = id
        self.hosts = hosts
        agenda = hosts.agenda
        chance = hosts.chance
        profile = hosts.profile
        ledger = hosts.ledger
        var configuration = profile.engine
        configuration.seed = chance.seed()
        clock = SimulatedClock(chance)
        lastBusy = clock.time(at: hosts.agenda.now)
        engine = Engine(configuration: configuration)
    }

    /// The time by its own clock.
    var now: Instant { clock.time(at: agenda.now) }

    /// Tells the engine of an event, then does what it decides.
    func drive(_ event: (inout Engine, Instant) -> Void) {
        guard !isCrashed else { return }
        engine.handle(now: now, event)
        eventsInTurn += 1
        performActions()
        check()
        guard !isTurnEndPlanned else { return }
        isTurnEndPlanned = true
        // Events that arrive in one turn of the loop are sent together.
        plan(after: chance.happens(0.5) ? .zero : .microseconds(20)) { [self] in endTurn() }
    }

    private func endTurn() {
        isTurnEndPlanned = false
        let end = engine.endTurn(now: now)
        performActions()
        check()
        if let wake = end.wake { arm(at: wake) }
        eventsInTurn = 0
        // Another event may come at the same time, and what follows from that may be due at once.
        hasWokenAt = nil
    }

    private func performActions() {
        while let action = engine.nextAction() { perform(action) }
    }

    // MARK: Time

    private func arm(at wake: Instant) {
        guard armedFor != wake else { return }
        if hasWokenAt == now, eventsInTurn == 1, wake <= now {
            ledger.report("process \(id) wants to be woken \(wake.duration(to: now)) ago, right after it was")
        }
        armedFor = wake
        let lateness = chance.skewedDuration(.zero ... .microseconds(500))
        plan(after: agenda.now.duration(to: max(clock.instant(of: wake), agenda.now)) + lateness) { [self] in
            guard armedFor == wake else { return }
            armedFor = nil
            hasWokenAt = now
            drive { $0.advance(to: $1) }
        }
    }

    // MARK: Calls

    /// Makes a call, and checks that it ends once and in time.
    ///
    /// - Parameters:
    ///   - limit: After how long it must have ended; `nil` if it may take as long as it likes.
    ///   - request: The session lock that it asks for.
    ///   - event: Begins the call.
    ///   - completion: Gets the outcome, when the task that waits for it comes to run.
    @discardableResult
    func call(
        within limit: Duration?,
        for request: LockTable.Request? = nil,
        isEnclosed: Bool = false,
        _ event: (inout Engine, RequestID, Instant) -> Void,
        completion: @escaping (RequestID, Engine.Outcome) -> Void
    ) -> RequestID {
        let id = nextRequestID()
        wanted[id] = request.map {
            Wanted(
                key: $0.key,
                mode: $0.mode,
                isEnclosed: isEnclosed,
                isTry: $0.noWait,
                order: callCount,
                place: $0.place,
                since: agenda.now
            )
        }
        begin(id, within: limit, { event(&$0, id, $1) }) { completion(id, $0) }
        return id
    }

    func nextRequestID() -> RequestID {
        defer { nextID += 1 }
        return RequestID(nextID)
    }

    func begin(
        _ id: RequestID,
        within limit: Duration?,
        _ event: (inout Engine, Instant) -> Void,
        completion: @escaping (Engine.Outcome) -> Void
    ) {
        guard !isCrashed else { return }
        callCount += 1
        calls[id] = (
            callCount,
            { [self] outcome in
                plan(after: resumption(after: outcome)) { completion(outcome) }
            }
        )
        if let limit { expectEnd(of: id, number: callCount, within: limit) }
        drive(event)
    }

    /// How long it takes until the waiting task runs: mostly no time, but its executor may be busy, and then its lock can come in
    /// doubt before.
    private func resumption(after outcome: Engine.Outcome) -> Duration {
        guard outcome == .granted, chance.happens(0.1) else { return chance.skewedDuration(.zero ... .microseconds(100)) }
        return chance.duration(.zero...(profile.engine.lease ?? .seconds(1)))
    }

    /// A lock and its release have the same name, but are two calls.
    private func expectEnd(of id: RequestID, number: Int, within limit: Duration) {
        plan(after: clock.duration(of: limit) + .milliseconds(2)) { [self, timeFrozen] in
            guard calls[id]?.number == number else { return }
            // The time in which the process was frozen does not count.
            if self.timeFrozen > timeFrozen { return expectEnd(of: id, number: number, within: self.timeFrozen - timeFrozen) }
            ledger.report("process \(self.id), \(id) has not ended within \(limit)")
        }
    }

    /// All limits begin anew.
    func noteThawed() {
        lastBusy = now
        quietSince = agenda.now
        unownedSince = [:]
        believedReplaced = [:]
    }

    /// A transaction's turn for its key is over.
    func leaveTurn(_ id: RequestID) {
        if let turn = turns.removeValue(forKey: id) { lastWanted[turn.key] = agenda.now }
    }

    /// Whether the process holds the key, wants it or gives it back, beside this request.
    func isBusy(with key: AdvisoryKey, beside request: RequestID) -> Bool {
        held.values.contains(key) || wanted.values.contains { $0.key == key } || turns.contains { $0.value.key == key && $0.key != request }
            || links.values.contains { $0.role != .checkedOut && ($0.session.heldKeys[key] != nil || $0.session.wait?.key == key) }
    }

    // MARK: Freezing

    // A process can be stopped at any moment, for as long as it likes: by a debugger, a hypervisor, or a machine without memory. Its clock
    // goes on.

    /// Something that happens in the process itself, after so much real time.
    func plan(after delay: Duration = .zero, _ action: @escaping () -> Void) {
        agenda.plan(after: delay) { [self] in meet(action) }
    }

    /// Something happens to the process, which notices it now, or when it wakes up.
    func meet(_ event: @escaping () -> Void) {
        guard !isCrashed else { return }
        if isFrozen { missed.append(event) } else { event() }
    }

    func freeze(for duration: Duration) {
        guard !isCrashed, !isFrozen else { return }
        isFrozen = true
        ledger.freezes += 1
        agenda.plan(after: duration) { [self] in thaw(after: duration) }
    }

    private func thaw(after duration: Duration) {
        guard !isCrashed else { return }
        isFrozen = false
        timeFrozen += duration
        // What its tasks believe, they believe before anything else can happen.
        checkBeliefs()
        if held.keys.contains(where: isExpired) { ledger.outlived += 1 }
        noteThawed()
        // The timer can be ahead of all that the sockets have to tell.
        if chance.happens(0.5) { drive { $0.advance(to: $1) } }
        let events = missed
        missed = []
        for event in events { meet(event) }
    }

    private func isExpired(_ id: RequestID) -> Bool {
        held[id].flatMap { ledger.lease(process: self.id, id, $0) }?.session.isExpired ?? false
    }

    // MARK: Leaving

    func shutDown(grace: Duration) {
        drive { $0.shutdown(now: $1) }
        plan(after: clock.duration(of: grace)) { [self] in
            let idle = lastBusy.duration(to: now)
            if !isTerminated, held.isEmpty, calls.isEmpty, onLoss.isEmpty, idle > profile.releaseLimit {
                ledger.report("process \(id) has not terminated, though nothing was left for \(idle): \(engine.summary)")
            }
            drive { $0.terminate(now: $1) }
            if !isCrashed, !isTerminated { ledger.report("process \(id) has not terminated after its grace period") }
        }
    }

    func crash() {
        isCrashed = true
        missed = []
        ledger.processEnded(id)
        for (_, link) in links.sorted(by: { $0.key < $1.key }) { link.cut() }
        for (_, session) in opening.sorted(by: { $0.key < $1.key }) { session.receiveClose() }
        (links, opening) = ([:], [:])
    }

    // MARK: Promises

    private func checkBudget() {
        // A session whose unlock has failed may take the keys behind it in the round, before it is closed.
        guard profile.statementErrors == 0, profile.troubleEvery == nil else { return }
        guard let limit = profile.engine.capacity.limit(lockTableSize: profile.lockTableSize) else { return }
        // Two sessions that have the same key share its slot in the lock table.
        var keys: Set<AdvisoryKey> = []
        for link in links.values where link.role != .checkedOut && link.session.isAlive {
            keys.formUnion(link.session.heldKeys.keys)
            if let wait = link.session.wait { keys.insert(wait.key) }
        }
        let count = keys.count
        // Waits may take a few more.
        if count > limit + profile.engine.maximumConnections {
            ledger.report("process \(id) has \(count) locks at the server, of \(limit) that it may have")
        }
    }

    /// No holder counts a lock as held that the server may have granted to another session.
    func checkBeliefs() {
        for (lock, key) in held {
            guard let lease = ledger.lease(process: id, lock, key), ledger.isOver(lease), believes(in: lease) else { continue }
            ledger.report("process \(id), \(lock) believes in key \(key), whose session has ended")
        }
    }

    private func check() {
        if !held.isEmpty || !calls.isEmpty || !onLoss.isEmpty { lastBusy = now }
        if engine.connectionCount > profile.engine.maximumConnections {
            ledger.report("process \(id) has \(engine.connectionCount) connections")
        }
        if engine.sessionCount > profile.engine.maximumConnections {
            ledger.report("process \(id) may have \(engine.sessionCount) sessions at the server")
        }
        checkBudget()
        checkTimelines()
        checkBeliefs()
        for (lock, key) in held {
            guard let lease = ledger.lease(process: id, lock, key), links.values.contains(where: { $0.session === lease.session })
            else { return ledger.report("process \(id), \(lock) still holds key \(key), on a connection that is gone") }
        }
        // The engine knows nothing of the locks that a scope holds on its own session.
        guard engine.isQuiet, onLoss.isEmpty else { return }
        if !held.isEmpty { ledger.report("process \(id) is quiet, but holds \(held)") }
        if !calls.isEmpty { ledger.report("process \(id) is quiet, but \(calls.keys.sorted()) have not ended") }
        for (connection, link) in links where link.session.isAlive && !link.session.heldKeys.isEmpty {
            ledger.report("process \(id) is quiet, but \(connection) holds \(link.session.heldKeys.keys.sorted()) at the server")
        }
    }
}
