import DequeModule

extension LockTable {
    /// What the process has, or has asked for, at the server, for one key and in session scope.
    package enum ServerState: Hashable, Sendable {
        case none
        case trying(Mode)
        case waiting(Mode)
        /// The wait is being ended; the lock may yet be granted.
        case ending(Mode)
        case held(Mode, on: ConnectionID)
        case unlocking(Mode, on: ConnectionID)
    }

    struct Entry: Sendable {
        var server = ServerState.none
        /// In order of arrival. Who has left stays in it, without a request, until the front reaches it.
        private(set) var queue = Deque<RequestID>()
        private var living = 0
        private var livingExclusive = 0
        private var livingTries = 0

        var sessionHolders = 0
        var transactionHolders = 0
        private var isHeldExclusively = false

        /// No request that has come so far has a later one.
        private(set) var latestDeadline = Instant(nanoseconds: .min)

        /// Who waits for the server's unlock.
        private(set) var releaser: RequestID?
        private var handOns = 0
        private var heldSince = Instant(nanoseconds: 0)
        /// After the hand-on limit the place is behind the others in the server's queue: a try could barge past them.
        private var mustQueue = false
    }
}

extension LockTable.Entry {
    /// Applies an event, then what follows from it; returns whether nothing is left to remember.
    mutating func apply(_ change: (inout Self) -> Void, then decide: (inout Self) -> Void) -> Bool {
        change(&self)
        decide(&self)
        return isIdle
    }

    private var isIdle: Bool {
        server == .none && living == 0 && sessionHolders == 0 && transactionHolders == 0
    }

    var isAsking: Bool {
        switch server {
        case .trying, .waiting, .ending: true
        case .none, .held, .unlocking: false
        }
    }

    /// Whether the outcome of a try can still be open. A try never queues behind a request that it conflicts with.
    func mayAdmitTry(_ mode: Mode) -> Bool {
        if living > 0 {
            guard mode == .shared, livingExclusive == 0 else { return false }
        }
        guard isCompatible(mode) else { return false }
        switch server {
        case .none, .trying, .unlocking: return true
        case .held: return living == 0
        case .waiting, .ending: return false
        }
    }

    mutating func enqueue(_ id: RequestID, _ request: LockTable.Request) {
        queue.append(id)
        living += 1
        latestDeadline = max(latestDeadline, request.deadline)
        if request.mode == .exclusive { livingExclusive += 1 }
        if request.isTry { livingTries += 1 }
    }

    /// A queued request was granted or has gone away.
    mutating func noteLeft(_ request: LockTable.Request) {
        living -= 1
        if request.mode == .exclusive { livingExclusive -= 1 }
        if request.isTry { livingTries -= 1 }
    }

    mutating func release(_ id: RequestID, _ request: LockTable.Request) {
        switch request.scope {
        case .transaction:
            transactionHolders -= 1
        case .session:
            sessionHolders -= 1
            if sessionHolders == 0 { releaser = id }
        }
        if sessionHolders == 0, transactionHolders == 0 { isHeldExclusively = false }
    }

    func isUnlocking(for id: RequestID) -> Bool {
        guard case .unlocking = server else { return false }
        return releaser == id
    }

    mutating func takeReleaser() -> RequestID? {
        defer { releaser = nil }
        return releaser
    }

    mutating func forgetReleaser(_ id: RequestID) {
        if releaser == id { releaser = nil }
    }

    mutating func serverGranted(on connection: ConnectionID, now: Instant) {
        switch server {
        case .trying(let mode), .waiting(let mode), .ending(let mode):
            server = .held(mode, on: connection)
            heldSince = now
            handOns = 0
        case .none, .held, .unlocking:
            break
        }
    }

    /// A try found the lock taken: from now on it has to be waited for.
    mutating func serverRefused() {
        server = .none
        mustQueue = true
    }

    mutating func loseServerLock() {
        server = .none
        sessionHolders = 0
        if transactionHolders == 0 { isHeldExclusively = false }
    }

    // MARK: Deciding

    /// Grants what can be granted, and asks the server for what the front of the queue needs next.
    mutating func advance(
        _ key: AdvisoryKey,
        limit: HandOnLimit,
        now: Instant,
        requests: inout [RequestID: LockTable.Request],
        actions: inout [LockTable.Action]
    ) {
        while let (id, request) = front(requests), isCompatible(request.mode) {
            guard request.scope == .transaction ? isFreeForTransaction : mayGrant(request.mode, limit: limit, now: now)
            else { break }
            grant(id, request, requests: &requests)
            actions.append(.grant(id))
        }
        askServer(key, requests: requests, actions: &actions)
        switch server {
        case .trying, .unlocking: break
        case .none, .waiting, .ending, .held:
            if livingTries > 0 { refuseTries(requests: &requests, actions: &actions) }
        }
        compact(requests)
    }

    /// Moves the server's side towards what the front of the queue needs.
    private mutating func askServer(
        _ key: AdvisoryKey,
        requests: [RequestID: LockTable.Request],
        actions: inout [LockTable.Action]
    ) {
        let request = front(requests)?.1
        let isNext = request.map { $0.scope == .session && isCompatible($0.mode) } ?? false
        let next = isNext ? request?.mode : nil
        switch server {
        case .held(let mode, on: let connection) where sessionHolders == 0:
            // Whoever is next is asked for behind the other processes, since the hand-on limit was reached.
            mustQueue = next == mode
            server = .unlocking(mode, on: connection)
            actions.append(.unlock(key, mode, on: connection))
        case .none:
            defer { mustQueue = false }
            guard let next else { return }
            let waits = mustQueue && request?.isTry == false
            server = waits ? .waiting(next) : .trying(next)
            actions.append(waits ? .waitLock(key, next) : .tryLock(key, next))
        case .waiting(let mode) where next != mode:
            server = .ending(mode)
            actions.append(.endWait(key))
        case .trying, .waiting, .ending, .held, .unlocking:
            break
        }
    }

    private func isCompatible(_ mode: Mode) -> Bool {
        mode == .shared ? !isHeldExclusively : sessionHolders == 0 && transactionHolders == 0
    }

    /// A session lock that nobody holds any more would stand in the transaction's way.
    private var isFreeForTransaction: Bool {
        switch server {
        case .held: sessionHolders > 0
        case .unlocking: false
        case .none, .trying, .waiting, .ending: true
        }
    }

    private func mayGrant(_ mode: Mode, limit: HandOnLimit, now: Instant) -> Bool {
        guard case .held(mode, _) = server else { return false }
        // Nobody has had it yet since the server's grant.
        if handOns == 0 { return true }
        guard heldSince.duration(to: now) <= limit.duration else { return false }
        // Joining other shared holders is no hand-on, but it prolongs the hold all the same: hence the duration above.
        return sessionHolders > 0 || handOns <= limit.count
    }

    private mutating func grant(
        _ id: RequestID,
        _ request: LockTable.Request,
        requests: inout [RequestID: LockTable.Request]
    ) {
        queue.removeFirst()
        noteLeft(request)
        requests[id]?.isGranted = true
        isHeldExclusively = request.mode == .exclusive
        switch request.scope {
        case .transaction:
            transactionHolders += 1
        case .session:
            if sessionHolders == 0 { handOns += 1 }
            sessionHolders += 1
        }
    }

    /// Who only tried is told that the lock is taken.
    mutating func refuseTries(
        requests: inout [RequestID: LockTable.Request],
        actions: inout [LockTable.Action]
    ) {
        for id in queue {
            guard let request = requests[id], request.isTry, !request.isGranted else { continue }
            requests[id] = nil
            noteLeft(request)
            actions.append(.refuse(id))
        }
    }

    /// The first request in the queue that is still there.
    private mutating func front(_ requests: [RequestID: LockTable.Request]) -> (RequestID, LockTable.Request)? {
        while let id = queue.first {
            if let request = requests[id] { return (id, request) }
            queue.removeFirst()
        }
        return nil
    }

    /// Many cancellations leave many dead places; without this a busy key's queue would only grow.
    private mutating func compact(_ requests: [RequestID: LockTable.Request]) {
        guard queue.count > 2 * living + 32 else { return }
        queue = Deque(queue.lazy.filter { requests[$0] != nil })
    }
}
