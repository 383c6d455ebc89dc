import DequeModule

extension LockTable {
    /// What the process has at the server, or has asked for, for one key in session scope.
    package enum ServerState: Hashable, Sendable {
        case none
        case trying(Mode)
        /// It is one of several keys of which the server takes as many as there are requests for any of them.
        case choosing(Mode)
        case waiting(Mode)
        /// The wait is being ended; the lock may still be granted.
        case ending(Mode)
        case held(Mode, on: ConnectionID)
        /// Held throughout, in one mode or the other.
        case changing(to: Mode, on: ConnectionID)
        case unlocking(Mode, on: ConnectionID)
    }

    struct Entry: Sendable {
        /// A holder whose lock is being changed to the other mode.
        struct Change: Sendable {
            let call: RequestID
            let holder: RequestID
            let mode: Mode
        }

        enum ChangeOutcome {
            case asked(on: ConnectionID)
            /// The process has a second holder.
            case refused
            case busy
        }

        // There is an entry for each key that is in use, so the order and the sizes leave no gaps.

        var server = ServerState.none
        private(set) var queue = RequestQueue()
        /// The latest deadline of all requests so far.
        private(set) var latestDeadline = Instant(nanoseconds: .min)
        /// The request that waits for the server's unlock.
        private var releaser = RequestID.none
        // Not private because of the requests that join late, whose part is in a file of its own.
        var heldSince = Instant(nanoseconds: 0)
        let key: AdvisoryKey
        private(set) var isHeldExclusively = false
        /// A request that does not wait has joined after the time for that, and the server is to be asked.
        var hasJoinedLate = false
        /// The server has refused a try, so the next request waits in the server's queue.
        private var mustQueue = false
        private(set) var queuedCount: Int32 = 0
        private(set) var queuedExclusive: Int32 = 0
        private(set) var queuedTries: Int32 = 0
        var sessionHolders: Int32 = 0
        var transactionHolders: Int32 = 0
        /// How many transactions of this process the server has granted it to.
        private var transactionsGranted: Int32 = 0
        private var handoffs: Int32 = 0
        private var isCounted = false
        /// The server was asked for it before, for a request that may still wait.
        var isAskedAnew = false
        var isAsked = false
        /// When the lock was last known to be held, by this process or another one.
        var takenAt: Instant?
        var joining = Joining.none
        private var change: Change?

        init(_ key: AdvisoryKey) {
            self.key = key
        }

        /// The session that holds it.
        var session: ConnectionID? {
            switch server {
            case .held(_, on: let session), .changing(_, on: let session): session
            case .none, .trying, .choosing, .waiting, .ending, .unlocking: nil
            }
        }
    }
}

extension LockTable.Entry {
    typealias Requests = RequestMap<LockTable.QueuedRequest>
    typealias Actions = Deque<LockTable.Action>

    /// Whether the entry can be removed.
    var isIdle: Bool {
        guard case .none = server else { return false }
        return queuedCount == 0 && sessionHolders == 0 && transactionHolders == 0
    }

    var isAsking: Bool {
        switch server {
        case .trying, .waiting, .ending: true
        case .none, .choosing, .held, .changing, .unlocking: false
        }
    }

    /// Whether any request waits for it.
    var isWanted: Bool { queuedCount > 0 }

    /// Whether any queued request waits for holders to release.
    var hasWaits: Bool { queuedCount > queuedTries }

    private mutating func noteCounted() -> Int {
        let had = isCounted
        switch server {
        case .trying, .held, .changing, .unlocking: isCounted = true
        case .none, .choosing, .waiting, .ending: isCounted = false
        }
        return (isCounted ? 1 : 0) - (had ? 1 : 0)
    }

    /// Whether a request that does not wait may be granted. It never queues behind a request that it conflicts with.
    func mayAdmitTry(_ mode: Mode) -> Bool {
        if queuedCount > 0 {
            guard mode == .shared, queuedExclusive == 0 else { return false }
        }
        guard isCompatible(mode) else { return false }
        switch server {
        // A wait that is being ended is this process's own: whether the lock is free is not known before its end.
        case .none, .trying, .choosing, .ending, .unlocking: return true
        case .held: return queuedCount == 0
        case .waiting, .changing: return false
        }
    }

    /// Whether the server may be asked for it on behalf of a request for any of several keys. Transactions of this process may share it.
    func mayBeChosen(_ mode: Mode) -> Bool {
        guard case .none = server else { return false }
        return queuedCount == 0 && isCompatible(mode)
    }

    mutating func enqueue(_ id: RequestID, _ request: LockTable.Request, in requests: inout Requests) {
        queue.insert(id, at: request.place, in: &requests)
        queuedCount += 1
        latestDeadline = max(latestDeadline, request.deadline)
        if request.mode == .exclusive { queuedExclusive += 1 }
        if request.noWait { queuedTries += 1 }
    }

    /// A queued request is granted, or goes away.
    mutating func dequeue(_ id: RequestID, _ request: LockTable.Request, in requests: inout Requests) {
        queue.remove(id, in: &requests)
        queuedCount -= 1
        if request.mode == .exclusive { queuedExclusive -= 1 }
        if request.noWait { queuedTries -= 1 }
    }

    /// - Returns: Whether it was the last session holder. Its release is answered when the server has released the lock, or when the lock
    ///   was passed on.
    mutating func release(_ id: RequestID, _ request: LockTable.Request, now: Instant) -> Bool {
        if isHeldHere { takenAt = now }
        defer {
            if sessionHolders == 0, transactionHolders == 0 { isHeldExclusively = false }
        }
        switch request.scope {
        case .transaction:
            transactionHolders -= 1
            if request.isServerGranted { transactionsGranted -= 1 }
            return false
        case .session:
            sessionHolders -= 1
            if sessionHolders == 0 { releaser = id }
            return sessionHolders == 0
        }
    }

    mutating func takeReleaser() -> RequestID? {
        defer { releaser = .none }
        return releaser == .none ? nil : releaser
    }

    mutating func serverGranted(on connection: ConnectionID, now: Instant) {
        switch server {
        case .trying(let mode), .choosing(let mode), .waiting(let mode), .ending(let mode):
            server = .held(mode, on: connection)
            heldSince = now
            handoffs = 0
            hasJoinedLate = false
        case .none, .held, .changing, .unlocking:
            break
        }
    }

    /// A try has found the lock taken: the next request has to wait for it.
    mutating func serverRefused() {
        server = .none
        mustQueue = true
    }

    mutating func loseServerLock(now: Instant) {
        takenAt = now
        server = .none
        sessionHolders = 0
        if transactionHolders == 0 { isHeldExclusively = false }
    }

    // MARK: Whether it is taken

    mutating func transactionGranted() {
        transactionsGranted += 1
    }

    mutating func transactionReleased(now: Instant) {
        transactionsGranted -= 1
        takenAt = now
    }

    /// Whether the server has granted it to this process, in session scope or to a transaction.
    var isHeldHere: Bool {
        switch server {
        case .held, .changing: true
        case .none, .trying, .choosing, .waiting, .ending, .unlocking: transactionsGranted > 0
        }
    }

    // MARK: Changing the mode

    /// A holder wants the other mode.
    mutating func change(_ call: RequestID, of holder: RequestID, to mode: Mode) -> ChangeOutcome {
        guard change == nil, case .held(_, on: let connection) = server else { return .busy }
        guard sessionHolders == 1, transactionHolders == 0 else { return .refused }
        change = Change(call: call, holder: holder, mode: mode)
        server = .changing(to: mode, on: connection)
        return .asked(on: connection)
    }

    var isChanging: Bool { change != nil }

    mutating func endChange(_ isChanged: Bool, now: Instant) -> Change? {
        guard let change, case .changing(let mode, on: let connection) = server else { return nil }
        self.change = nil
        server = .held(isChanged ? mode : mode.other, on: connection)
        if isChanged, sessionHolders > 0 { isHeldExclusively = mode == .exclusive }
        // The limit for sharing runs from now on, however long the lock was held.
        if isChanged, mode == .shared { heldSince = now }
        return change
    }

    // MARK: Invariants

    /// A state that contradicts an invariant between two events.
    enum Impossible: String {
        case queue = "its queue and the number of its queued requests differ"
        case holders = "it had holders, and no lock at the server"
        case mode = "it was held exclusively by several holders, or by a shared lock"
        case transactions = "the server had granted it to more transactions than had their turn"
        case joining = "the server was asked whether others may join it, and it was not held"
    }

    /// What an event has left.
    struct Rest {
        /// By how much the number of keys with a slot in the server's lock table has changed.
        let countChange: Int
        let isIdle: Bool
        let impossible: Impossible?
    }

    /// Called at the end of an event. (One call for all, since each look from outside copies the entry.)
    mutating func endEvent() -> Rest { Rest(countChange: noteCounted(), isIdle: isIdle, impossible: impossible) }

    /// The invariant that its state contradicts.
    var impossible: Impossible? {
        if (queue.first == .none) != (queuedCount == 0) || queuedExclusive < 0 || queuedExclusive > queuedCount
            || queuedTries < 0 || queuedTries > queuedCount
        {
            return .queue
        }
        if sessionHolders < 0 || transactionHolders < 0 || sessionHolders > 0 && session == nil { return .holders }
        if isHeldExclusively, sessionHolders + transactionHolders != 1 || isSharedAtServer { return .mode }
        if case .none = joining {} else if case .none = server { return .joining }
        return transactionsGranted < 0 || transactionsGranted > transactionHolders ? .transactions : nil
    }

    private var isSharedAtServer: Bool {
        if case .held(.shared, _) = server { sessionHolders > 0 } else { false }
    }

    /// Removes the holders and the queued requests. What the server was asked for is still answered, and released then.
    mutating func clear() {
        queue = RequestQueue()
        (queuedCount, queuedExclusive, queuedTries) = (0, 0, 0)
        (sessionHolders, transactionHolders, transactionsGranted, isHeldExclusively) = (0, 0, 0, false)
        change = nil
    }

    // MARK: Deciding

    /// Grants what can be granted, and asks the server for what the front of the queue needs next.
    mutating func advance(
        limit: HandoffLimit,
        now: Instant,
        requests: inout Requests,
        actions: inout Actions
    ) {
        while let request = requests[queue.first]?.request, isCompatible(request.mode) {
            guard request.scope == .transaction ? isFreeForTransaction : mayGrant(request.mode, limit: limit, now: now)
            else { break }
            let id = queue.first
            grant(id, request, requests: &requests)
            actions.append(.grant(id))
        }
        askServer(requests[queue.first]?.request, now: now, actions: &actions)
        switch server {
        case .trying, .choosing, .ending, .unlocking: break
        case .none, .waiting, .held, .changing:
            if queuedTries > 0 { refuseTries(requests: &requests, actions: &actions) }
        }
        switch server {
        case .unlocking, .changing: break
        case .none, .trying, .choosing, .waiting, .ending, .held:
            if let releaser = takeReleaser() { actions.append(.released(releaser)) }
        }
    }

    /// Moves the server's side towards what the front of the queue needs.
    private mutating func askServer(_ request: LockTable.Request?, now: Instant, actions: inout Actions) {
        let isNext = request.map { $0.scope == .session && isCompatible($0.mode) } ?? false
        let next = isNext ? request?.mode : nil
        defer { settleJoining(next, now: now, actions: &actions) }
        switch server {
        case .held(let mode, on: let connection) where sessionHolders == 0:
            // If the handoff limit was reached, the lock is asked for again behind the unlock, by a try: the server gives it to a session
            // that waits in its queue in the moment of the unlock, and refuses the try then. Where none waits, a try costs less than a
            // wait.
            server = .unlocking(mode, on: connection)
            actions.append(.unlock(key, mode, on: connection))
        case .none:
            defer { mustQueue = false }
            guard let next else { return }
            isAskedAnew = isAsked
            isAsked = true
            let waits = mustQueue && request?.noWait == false
            server = waits ? .waiting(next) : .trying(next)
            actions.append(waits ? .waitLock(key, next) : .tryLock(key, next))
        case .waiting(let mode) where next != mode:
            server = .ending(mode)
            actions.append(.endWait(key))
        case .trying, .choosing, .waiting, .ending, .held, .changing, .unlocking:
            break
        }
    }

    func isCompatible(_ mode: Mode) -> Bool {
        mode == .shared ? !isHeldExclusively : sessionHolders == 0 && transactionHolders == 0
    }

    /// Whether the process keeps no session lock without a holder, which the transaction would have to wait for.
    private var isFreeForTransaction: Bool {
        switch server {
        case .held: sessionHolders > 0
        case .changing, .unlocking: false
        case .none, .trying, .choosing, .waiting, .ending: true
        }
    }

    func mayGrant(_ mode: Mode, limit: HandoffLimit, now: Instant) -> Bool {
        guard case .held(mode, _) = server else { return false }
        // No request has had it since the server's grant.
        if handoffs == 0 { return true }
        return limit.allows(handoffs: Int(handoffs), heldFor: heldSince.duration(to: now), isShared: sessionHolders > 0)
    }

    private mutating func grant(_ id: RequestID, _ request: LockTable.Request, requests: inout Requests) {
        dequeue(id, request, in: &requests)
        requests.update(id) { $0.request.isGranted = true }
        switch request.scope {
        case .transaction:
            isHeldExclusively = request.mode == .exclusive
            transactionHolders += 1
        case .session:
            join(request.mode)
        }
    }

    /// A request becomes a holder of the server's lock.
    mutating func join(_ mode: Mode) {
        isHeldExclusively = mode == .exclusive
        if sessionHolders == 0 { handoffs += 1 }
        sessionHolders += 1
    }

    /// Tells the requests that do not wait that the lock is taken.
    mutating func refuseTries(requests: inout Requests, actions: inout Actions) {
        var id = queue.first
        while let queued = requests[id] {
            if queued.request.noWait {
                dequeue(id, queued.request, in: &requests)
                requests[id] = nil
                actions.append(.refuse(id))
            }
            id = queued.next
        }
    }
}
