import DequeModule

/// Arbitrates inside the process before the server is asked.
///
/// PostgreSQL gives a session again, at once, what it already holds; so two tasks that share a session must be kept
/// apart here. Per key there is one FIFO queue, one server request at most, and one server lock at most, which serves
/// one exclusive holder or any number of shared ones.
///
/// A value without clock, sessions or continuations: events go in, `actions` come out.
package struct LockTable: Sendable {
    private var entries: [AdvisoryKey: Entry] = [:]
    private var requests: [RequestID: Request] = [:]
    private let limit: HandOnLimit

    /// What the events so far ask for. The caller takes them out with ``takeActions()``.
    private var actions: [Action] = []

    package init(limit: HandOnLimit) {
        self.limit = limit
    }

    package mutating func takeActions() -> [Action] {
        defer { actions.removeAll(keepingCapacity: true) }
        return actions
    }

    // MARK: What users ask for

    /// A new request.
    ///
    /// - Parameter enclosing: A shared holder of the same key that can't end before this request does. Joining it is
    ///   always safe, while queueing behind an exclusive request that waits for it would be a deadlock.
    package mutating func request(_ id: RequestID, _ request: Request, enclosing: RequestID? = nil, now: Instant) {
        var request = request
        if let enclosing, request.mode == .shared, request.scope == .session, let holder = requests[enclosing],
            holder.isGranted, holder.key == request.key, holder.mode == .shared, holder.scope == .session
        {
            request.isGranted = true
            requests[id] = request
            entries[request.key]?.sessionHolders += 1
            actions.append(.grant(id))
            return
        }
        guard !request.isTry || entries[request.key]?.mayAdmitTry(request.mode) ?? true else {
            actions.append(.refuse(id))
            return
        }
        requests[id] = request
        update(request.key, now: now) { $0.enqueue(id, request) }
    }

    /// The request's task has gone away. Granted requests are not affected.
    package mutating func cancel(_ id: RequestID, now: Instant) {
        guard let request = requests[id], !request.isGranted else { return }
        requests[id] = nil
        update(request.key, now: now) { $0.noteLeft(request) }
    }

    /// Several tasks have gone away at once. None of them is served because another one has left before it.
    package mutating func cancel(_ ids: some Sequence<RequestID>, now: Instant) {
        var keys: [AdvisoryKey] = []
        var seen: Set<AdvisoryKey> = []
        for id in ids {
            guard let request = requests[id], !request.isGranted else { continue }
            requests[id] = nil
            entries[request.key]?.noteLeft(request)
            if seen.insert(request.key).inserted { keys.append(request.key) }
        }
        for key in keys {
            update(key, now: now) { _ in }
        }
    }

    /// A holder is done. Answered by `released` or `releaseFailed`; unknown or lost holders by `releaseFailed`.
    package mutating func release(_ id: RequestID, now: Instant) {
        guard let request = requests[id], request.isGranted else {
            actions.append(.releaseFailed(id, Failure(.notHeld, "The lock is not held.")))
            return
        }
        requests[id] = nil
        update(request.key, now: now) { $0.release(id, request) }
        // The last session holder is answered by the server's unlock, unless the lock was passed on.
        if entries[request.key]?.isUnlocking(for: id) != true {
            entries[request.key]?.forgetReleaser(id)
            actions.append(.released(id))
        }
    }

    // MARK: What the server answers

    /// The server has granted what `tryLock` or `waitLock` asked for, on this session.
    package mutating func granted(_ key: AdvisoryKey, on connection: ConnectionID, now: Instant) {
        update(key, now: now) { $0.serverGranted(on: connection, now: now) }
    }

    /// `tryLock` found the lock taken, or an ended wait proved to hold nothing.
    package mutating func notGranted(_ key: AdvisoryKey, now: Instant) {
        guard let entry = entries[key] else { return }
        switch entry.server {
        case .trying:
            update(key, refusingTries: true, now: now) { $0.serverRefused() }
        case .waiting, .ending:
            update(key, now: now) { $0.server = .none }
        case .none, .held, .unlocking:
            break
        }
    }

    /// The server can't be asked for this key; whoever wants it is told.
    package mutating func failed(_ key: AdvisoryKey, _ failure: Failure, now: Instant) {
        guard let entry = entries[key], entry.isAsking else { return }
        for id in entry.queue where requests[id]?.scope == .session {
            guard let request = requests.removeValue(forKey: id) else { continue }
            entries[key]?.noteLeft(request)
            actions.append(.fail(id, failure))
        }
        update(key, now: now) { $0.server = .none }
    }

    /// What was asked of the server went down with its connection; it is asked anew if somebody still wants it.
    package mutating func interrupted(_ key: AdvisoryKey, now: Instant) {
        guard entries[key]?.isAsking == true else { return }
        update(key, now: now) { $0.server = .none }
    }

    /// The server's lock is released.
    package mutating func unlocked(_ key: AdvisoryKey, failure: Failure? = nil, now: Instant) {
        guard let entry = entries[key], case .unlocking = entry.server else { return }
        if let releaser = entries[key]?.takeReleaser() {
            actions.append(failure.map { .releaseFailed(releaser, $0) } ?? .released(releaser))
        }
        update(key, now: now) { $0.server = .none }
    }

    /// A session is gone, and all that it held.
    package mutating func lost(_ connection: ConnectionID, _ failure: Failure, now: Instant) {
        var heldKeys: Set<AdvisoryKey> = []
        var unlockingKeys: [AdvisoryKey] = []
        for (key, entry) in entries {
            switch entry.server {
            case .held(_, on: connection): heldKeys.insert(key)
            case .unlocking(_, on: connection): unlockingKeys.append(key)
            default: break
            }
        }
        if !heldKeys.isEmpty {
            let losers = requests.filter {
                $0.value.isGranted && $0.value.scope == .session && heldKeys.contains($0.value.key)
            }
            for id in losers.keys.sorted() {
                requests[id] = nil
                actions.append(.lose(id))
            }
        }
        for key in heldKeys.sorted() {
            update(key, now: now) { $0.loseServerLock() }
        }
        for key in unlockingKeys.sorted() {
            unlocked(key, failure: failure, now: now)
        }
    }

    // MARK: Looking in

    package var isEmpty: Bool { entries.isEmpty && requests.isEmpty }

    /// How many requests hold a lock.
    package var holderCount: Int { requests.values.count { $0.isGranted } }

    package func isQueued(_ id: RequestID) -> Bool {
        requests[id].map { !$0.isGranted } ?? false
    }

    package var queued: [RequestID] {
        requests.filter { !$0.value.isGranted }.map(\.key)
    }

    package func request(_ id: RequestID) -> Request? {
        requests[id]
    }

    package func serverState(of key: AdvisoryKey) -> ServerState {
        entries[key]?.server ?? .none
    }

    func latestDeadline(of key: AdvisoryKey) -> Instant {
        entries[key]?.latestDeadline ?? .distantFuture
    }

    package var heldKeys: [AdvisoryKey] {
        entries.filter { $0.value.sessionHolders > 0 || $0.value.transactionHolders > 0 }.map(\.key)
    }

    // MARK: The one place that changes an entry

    private mutating func update(
        _ key: AdvisoryKey,
        refusingTries: Bool = false,
        now: Instant,
        _ change: (inout Entry) -> Void
    ) {
        let isIdle = entries[key, default: Entry()].apply(change) { entry in
            if refusingTries {
                entry.refuseTries(requests: &requests, actions: &actions)
            }
            entry.advance(key, limit: limit, now: now, requests: &requests, actions: &actions)
        }
        if isIdle {
            entries[key] = nil
        }
    }
}
