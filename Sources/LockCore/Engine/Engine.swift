/// Everything that a lock manager decides: who gets which lock, over which connection, and when to give up.
///
/// A value without clock, sockets or continuations. Events go in together with the time, actions come out; the driver
/// carries them out and reports what became of them. The same value runs in a simulator, where the driver is a model of
/// the server: so what comes out must not depend on the order of a dictionary, which differs from run to run.
///
/// Not copyable: it is large, and each look at it by a closure or a getter would copy all of it.
///
/// Connections have roles. A shared session runs everything that can't block, many keys in one statement; one is enough for most. Waiters run one
/// blocking lock statement each, so that PostgreSQL's own queue decides between processes. Contended keys beyond the
/// waiters are tried again from time to time on the shared session. Dedicated connections are lent to transactions.
package struct Engine: ~Copyable, Sendable {
    let configuration: Configuration
    var table: LockTable
    var actions = ActionQueue<Action>()
    var random: SplitMix64

    var calls = CallRegister()
    var confirmations = Confirmations()

    // Connections.
    var sessions = SessionTable()
    var pool: SessionPool
    var checkOuts = CheckOutQueue()
    var pace: ConnectingPace
    var shared = SharedSessions()

    var looks: HarmLooks
    /// Whether such a question has found a wait before.
    var hasNotedHidden = false

    // Contended keys, and the room for all.
    var contention = Contention()
    var quota: LockTableQuota

    // What the server is asked about before deadlines: see Engine+Deadlines.
    var deadlineLooks = DeadlineLooks()

    /// When the other hosts are to be asked for their timeline.
    var surveyAt: Instant?

    // Fencing tokens.
    var records = FencingRecords()

    var lifecycle = Lifecycle.running

    enum Lifecycle: Hashable, Sendable {
        case running
        case draining
        case terminated
    }

    package init(configuration: Configuration) {
        self.configuration = configuration
        table = LockTable(limit: configuration.handoff)
        random = SplitMix64(seed: configuration.seed)
        pool = SessionPool(configuration)
        pace = ConnectingPace(timeout: configuration.connectTimeout)
        looks = HarmLooks(interval: configuration.lookInterval)
        quota = LockTableQuota(configuration.capacity, waitsBeyond: configuration.maximumConnections)
    }

    // MARK: The turn

    /// Something happens. What is to be done for it is taken out by ``nextAction()`` at once.
    ///
    /// - Parameter event: One of the methods that say what has happened, or several.
    package mutating func handle(now: Instant, _ event: (inout Engine, Instant) -> Void) {
        event(&self, now)
        endBroken(now: now)
    }

    package mutating func nextAction() -> Action? {
        actions.popFirst()
    }

    /// What is left for the driver to do at the end of a turn.
    package struct TurnEnd: Sendable {
        /// The session whose answer is all that is waited for, if it can't take long.
        package let loneConnection: ConnectionID?
        /// When ``advance(to:)`` is to be called, if nothing happens before; `nil` for never.
        package let wake: Instant?
    }

    /// The end of a turn, that is of the events that have come together: what they ask of the server goes out.
    package mutating func endTurn(now: Instant) -> TurnEnd {
        flush(now: now)
        endBroken(now: now)
        return TurnEnd(loneConnection: loneConnection, wake: nextWake(now: now))
    }

    /// A session of which something is true that can't be is given up, and its locks are lost: that is loud, and gives out no wrong
    /// grant. In a build for debugging it is a trap.
    private mutating func endBroken(now: Instant) {
        if let (key, what) = table.takeBroken() {
            assertionFailure("\(key): \(what.rawValue)")
            giveUp(key, because: what.rawValue, now: now)
        }
        guard sessions.isChanged else { return }
        for (id, what) in sessions.takeBroken() + contention.takeBroken() {
            assertionFailure("\(id): \(what)")
            actions.append(.log(.invariantBroken(id, what)))
            close(id, because: Failure(.connectionLost, .impossibleSession(what)), now: now)
        }
    }

    /// Something is true of a key that can't be. The session that holds it is given up, and all that is known of the key.
    mutating func giveUp(_ key: AdvisoryKey, because what: String, now: Instant) {
        actions.append(.log(.keyBroken(key, what)))
        let failure = Failure(.connectionLost, .impossibleLock(what))
        if let session = table.entry(of: key)?.session { close(session, because: failure, now: now) }
        table.giveUp(key, failure, now: now)
        settleTable(now: now)
    }

    // MARK: Looking in

    /// See ``LockTable/session(of:)``.
    package func session(of id: RequestID) -> ConnectionID? { table.session(of: id) }

    /// What is under way, for the reader of a failed test.
    package var summary: String {
        "\(lifecycle), calls \(calls.elements), sessions \(sessions.all), waits \(contention), unsent \(shared), table \(table)"
    }

    package var isTerminated: Bool { lifecycle == .terminated }
    package var connectionCount: Int { sessions.count }
    package var waitingCount: Int { calls.elements.count { $0.value.isWaiting } }
    package var heldKeys: [AdvisoryKey] { table.heldKeys }

    /// Whether the call waits for a lock.
    package func isWaiting(_ id: RequestID) -> Bool { table.isQueued(id) }

    /// Nothing is held, asked for, or on its way.
    package var isQuiet: Bool {
        calls.isEmpty && table.isEmpty && contention.count == 0 && shared.isQuiet && records.isEmpty
            && sessions.all.allSatisfy(\.isQuiet)
    }

    // MARK: Ending calls

    mutating func resolve(_ id: RequestID, _ outcome: Outcome) {
        guard calls.end(id) else { return }
        if !checkOuts.isEmpty { checkOuts.remove(id) }
        if !confirmations.isEmpty { endRenewal(of: id, confirmations.takeEnded(id)) }
        actions.append(.resolve(id, outcome))
    }

    /// A call that wanted a further token does so no more.
    private mutating func endRenewal(of call: RequestID, _ grant: Confirmations.Grant?) {
        if let grant, grant.holder != call, let key = grant.key { records.endRenewal(key, of: call) }
    }

    /// The grant is given out.
    mutating func takeConfirmed(_ call: RequestID) -> Confirmations.Grant? {
        let grant = confirmations.take(call)
        endRenewal(of: call, grant)
        return grant
    }

    // MARK: Interpreting the table

    /// Carries out what the lock table decided, until it asks for nothing more.
    mutating func settleTable(now: Instant) {
        repeat {
            releaseUnclaimed(now: now)
            while let action = table.nextAction() {
                perform(action, now: now)
            }
        } while confirmations.isAnyUnclaimed
        checkDrained()
    }

    private mutating func lose(_ id: RequestID, _ failure: Failure) {
        // Who has not been told of the grant is told of no loss.
        if takeConfirmed(id) != nil {
            resolve(id, .failed(failure))
        } else {
            actions.append(.lose(id, failure))
        }
    }

    private mutating func perform(_ action: LockTable.Action, now: Instant) {
        switch action {
        case .grant(let id): grant(id, now: now)
        case .refuse(let id): resolve(id, .refused)
        case .fail(let id, let failure): resolve(id, .failed(failure))
        case .lose(let id, let failure): lose(id, failure)
        case .released(let id): resolve(id, .released)
        case .releaseFailed(let id, let failure): resolve(id, .failed(failure))
        case .changed(let id, let isChanged): resolve(id, .changed(isChanged))
        case .changeFailed(let id, let failure): resolve(id, .failed(failure))
        case .tryLock(let key, let mode):
            shared.appendTry(key, mode)
            ensureSharedSession(now: now)
        case .waitLock(let key, let mode):
            queueWait(key, mode, now: now)
        case .endWait(let key):
            endWait(key, now: now)
        case .unlock(let key, let mode, on: let connection):
            dropRecord(key)
            unlock(key, mode, on: connection, now: now)
        case .changeMode(let key, to: let mode, on: let connection):
            changeMode(key, to: mode, on: connection, now: now)
        }
    }
}
