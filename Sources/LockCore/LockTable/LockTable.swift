import DequeModule

/// Decides between the requests of the process before the server is asked.
///
/// PostgreSQL grants a session at once what the session already holds, so the table has to exclude two tasks that share a session from each
/// other. Each key has one FIFO queue, at most one server request, and at most one server lock, which serves one exclusive holder or any
/// number of shared holders.
///
/// The table is a value without clock, sessions or continuations: events go in, actions come out.
package struct LockTable: Sendable {
    // Not private because of the requests for any of several keys, whose part is in a file of its own.
    var entries = EntryStore()
    var requests = RequestMap<QueuedRequest>()
    /// The requests for any of several keys that wait.
    var choices = ChoiceQueue()
    let limit: HandoffLimit

    /// How many keys have a slot in the server's lock table, or are about to get one by a try. Keys that are waited for do not count.
    package private(set) var serverKeyCount = 0

    /// The first key whose state contradicts an invariant.
    private var broken: (key: AdvisoryKey, what: Entry.Impossible)?

    /// What the events so far ask for. The caller takes it out with ``nextAction()``.
    var actions = Deque<Action>()

    package init(limit: HandoffLimit) {
        self.limit = limit
    }

    package mutating func nextAction() -> Action? {
        actions.popFirst()
    }

    // MARK: What users ask for

    /// A new request.
    ///
    /// - Parameter enclosing: A shared holder of the same key that can't end before this request does. To join it is always safe, while
    ///   to queue behind an exclusive request that waits for it would be a deadlock.
    package mutating func request(_ id: RequestID, _ request: Request, enclosing: RequestID? = nil, now: Instant) {
        if let enclosing, let holder = requests[enclosing], holder.request.canBeJoined(by: request),
            !entries[holder.entry].isChanging
        {
            var joined = QueuedRequest(request: request, entry: holder.entry)
            joined.request.isGranted = true
            requests[id] = joined
            entries[holder.entry].sessionHolders += 1
            actions.append(.grant(id))
            return
        }
        let known = entries.index(of: request.key)
        if let known, request.noWait, request.scope == .session, entries[known].mayJoinLate(request.mode, limit: limit, now: now) {
            var joined = QueuedRequest(request: request, entry: known)
            joined.request.isGranted = true
            requests[id] = joined
            entries[known].joinLate(limit: limit, now: now)
            actions.append(.grant(id))
            return advance(known, now: now)
        }
        guard !request.noWait || known.map({ entries[$0].mayAdmitTry(request.mode) }) ?? true else {
            actions.append(.refuse(id))
            return
        }
        let index = known ?? entries.makeIndex(of: request.key)
        requests[id] = QueuedRequest(request: request, entry: index)
        entries[index].enqueue(id, request, in: &requests)
        advance(index, now: now)
    }

    /// The request is not wanted any more. A granted request is not affected.
    package mutating func cancel(_ id: RequestID, now: Instant) {
        cancel(CollectionOfOne(id), now: now)
    }

    /// Several requests are not wanted any more. None of them is granted because another one has left the queue before it.
    package mutating func cancel(_ ids: some Sequence<RequestID>, now: Instant) {
        var indices: [Int] = []
        var seen: Set<Int> = []
        for id in ids {
            guard let queued = requests[id], !queued.request.isGranted else {
                if !choices.isEmpty { choices.remove(id) }
                continue
            }
            leaveQueue(id, queued)
            if seen.insert(queued.entry).inserted { indices.append(queued.entry) }
        }
        for index in indices {
            advance(index, now: now)
        }
    }

    private mutating func leaveQueue(_ id: RequestID, _ queued: QueuedRequest) {
        entries[queued.entry].dequeue(id, queued.request, in: &requests)
        requests[id] = nil
    }

    /// A holder releases its lock. Answered by `released`, or by `releaseFailed` if the holder is unknown or has lost the lock.
    package mutating func release(_ id: RequestID, now: Instant) {
        guard let held = requests[id], held.request.isGranted else {
            actions.append(.releaseFailed(id, Failure(.notHeld, .notHeld)))
            return
        }
        requests[id] = nil
        let isLast = entries[held.entry].release(id, held.request, now: now)
        advance(held.entry, now: now)
        if !isLast { actions.append(.released(id)) }
    }

    /// A holder wants its lock in the other mode. Answered by `changed` or `changeFailed`.
    ///
    /// - Parameters:
    ///   - call: Names the call that asks for it.
    ///   - id: The holder.
    package mutating func change(_ call: RequestID, of id: RequestID, to mode: Mode, now: Instant) {
        guard let held = requests[id], held.request.isGranted, held.request.scope == .session else {
            actions.append(.changeFailed(call, Failure(.notHeld, .notHeld)))
            return
        }
        guard held.request.mode != mode else {
            actions.append(.changed(call, true))
            return
        }
        switch entries[held.entry].change(call, of: id, to: mode) {
        case .asked(let connection):
            actions.append(.changeMode(held.request.key, to: mode, on: connection))
        case .refused:
            actions.append(.changed(call, false))
        case .busy:
            actions.append(.changeFailed(call, Failure(.notHeld, .modeIsChanging)))
        }
    }

    // MARK: What the server answers

    /// The server has granted what `tryLock` or `waitLock` asked for, on this session.
    package mutating func granted(_ key: AdvisoryKey, on connection: ConnectionID, now: Instant) {
        guard let index = entries.index(of: key) else { return }
        entries[index].joinGranted(on: connection, now: now, actions: &actions)
        entries[index].serverGranted(on: connection, now: now)
        advance(index, now: now)
    }

    /// `tryLock` has found the lock taken, or an ended wait is verified to hold nothing.
    ///
    /// - Parameter isTaken: Whether the server has said that the lock is taken.
    package mutating func notGranted(_ key: AdvisoryKey, isTaken: Bool = true, now: Instant) {
        guard let index = entries.index(of: key) else { return }
        switch entries[index].server {
        case .trying:
            entries[index].serverRefused()
            if isTaken { entries[index].takenAt = now }
            entries[index].refuseTries(requests: &requests, actions: &actions)
        case .waiting, .ending:
            entries[index].server = .none
        case .held, .changing, .unlocking:
            guard entries[index].isAskingToJoin else { return }
            entries[index].forgetJoining()
        case .none, .choosing:
            return
        }
        advance(index, now: now)
    }

    /// The server can't be asked for this key. The requests for it fail.
    package mutating func failed(_ key: AdvisoryKey, _ failure: Failure, now: Instant) {
        guard let index = entries.index(of: key), entries[index].isAsking || entries[index].isAskingToJoin else { return }
        for id in entries[index].queue.ids(in: requests) {
            guard let queued = requests[id], queued.request.scope == .session else { continue }
            leaveQueue(id, queued)
            actions.append(.fail(id, failure))
        }
        entries[index].forgetAsked()
        advance(index, now: now)
    }

    /// There is no room for the key that is being tried. A request for a new key fails; a request that has waited for the key before goes
    /// on waiting.
    package mutating func noRoom(_ key: AdvisoryKey, _ failure: Failure, now: Instant) {
        guard let index = entries.index(of: key) else { return }
        if entries[index].isAskedAnew, entries[index].hasWaits {
            notGranted(key, isTaken: false, now: now)
        } else {
            failed(key, failure, now: now)
        }
    }

    /// What the server was asked is not answered any more. It is asked anew if a request still wants the key.
    package mutating func waitCancelled(_ key: AdvisoryKey, now: Instant) {
        guard let index = entries.index(of: key), entries[index].isAsking || entries[index].isAskingToJoin else { return }
        entries[index].forgetAsked()
        advance(index, now: now)
    }

    /// The server's answer to `changeMode`.
    package mutating func modeChanged(_ key: AdvisoryKey, _ isChanged: Bool, now: Instant) {
        guard let index = entries.index(of: key), let change = entries[index].endChange(isChanged, now: now) else { return }
        if isChanged {
            let mode = change.mode
            requests.update(change.holder) { $0.request.mode = mode }
        }
        actions.append(.changed(change.call, isChanged))
        advance(index, now: now)
    }

    /// The server's lock is released on this session.
    package mutating func unlocked(_ key: AdvisoryKey, on connection: ConnectionID, failure: Failure? = nil, now: Instant) {
        guard let index = entries.index(of: key), case .unlocking(_, on: connection) = entries[index].server else { return }
        if let releaser = entries[index].takeReleaser() {
            actions.append(failure.map { .releaseFailed(releaser, $0) } ?? .released(releaser))
        }
        entries[index].server = .none
        if !choices.isEmpty { choices.noteFree([key]) }
        advance(index, now: now)
    }

    /// A session is gone, and all that it held.
    package mutating func lost(_ connection: ConnectionID, _ failure: Failure, now: Instant) {
        var heldKeys: Set<AdvisoryKey> = []
        var unlockingKeys: [AdvisoryKey] = []
        var joinedKeys: [AdvisoryKey] = []
        for entry in entries.living {
            if case .granted(on: connection) = entry.joining { joinedKeys.append(entry.key) }
            switch entry.server {
            case .held(_, on: connection), .changing(_, on: connection): heldKeys.insert(entry.key)
            case .unlocking(_, on: connection): unlockingKeys.append(entry.key)
            default: break
            }
        }
        if !heldKeys.isEmpty {
            let holders = requests.elements.filter { _, held in
                held.request.isGranted && held.request.scope == .session && heldKeys.contains(held.request.key)
            }
            lose(holders.map(\.id), failure)
        }
        for key in heldKeys.sorted() {
            guard let index = entries.index(of: key) else { continue }
            if let change = entries[index].endChange(false, now: now) { actions.append(.changeFailed(change.call, failure)) }
            if let releaser = entries[index].takeReleaser() { actions.append(.releaseFailed(releaser, failure)) }
            entries[index].loseServerLock(now: now)
            if !choices.isEmpty { choices.noteFree([key]) }
            advance(index, now: now)
        }
        for key in unlockingKeys.sorted() {
            unlocked(key, on: connection, failure: failure, now: now)
        }
        for key in joinedKeys.sorted() {
            guard let index = entries.index(of: key) else { continue }
            entries[index].forgetJoining()
            advance(index, now: now)
        }
    }

    // MARK: Looking in

    /// The session that a granted request holds its lock on; `nil` if it holds none at the server.
    func session(of id: RequestID) -> ConnectionID? {
        guard let held = requests[id], held.request.scope == .session else { return nil }
        return entries[held.entry].session
    }

    /// All requests that hold their locks on this session.
    func holders(on connection: ConnectionID) -> [RequestID] {
        requests.elements.filter { $0.value.request.isGranted && session(of: $0.id) == connection }.map(\.id)
    }

    /// Whether others wait for the key that the request holds.
    func isContended(_ id: RequestID) -> Bool {
        requests[id].map { entries[$0.entry].isWanted } ?? false
    }

    /// The releases that wait for the server's unlock on this session. The caller answers them: the table does not.
    mutating func releasers(on connection: ConnectionID) -> [RequestID] {
        var releasers: [RequestID] = []
        for entry in entries.living {
            guard case .unlocking(_, on: connection) = entry.server, let index = entries.index(of: entry.key) else { continue }
            if let releaser = entries[index].takeReleaser() { releasers.append(releaser) }
        }
        return releasers.sorted()
    }

    package var isEmpty: Bool { entries.isEmpty && requests.isEmpty && choices.isEmpty }

    /// How many requests hold a lock outside of transactions.
    var sessionHolderCount: Int { requests.values.count { $0.request.isGranted && $0.request.scope == .session } }

    package func isQueued(_ id: RequestID) -> Bool {
        requests[id].map { !$0.request.isGranted } ?? isChoosing(id)
    }

    package var queued: [RequestID] {
        requests.elements.filter { !$0.value.request.isGranted }.map(\.id)
    }

    package func request(_ id: RequestID) -> Request? {
        requests[id]?.request
    }

    package func serverState(of key: AdvisoryKey) -> ServerState {
        entries[key]?.server ?? .none
    }

    // MARK: Whether a lock is taken

    /// The server has granted a transaction the lock that it had its turn for.
    mutating func transactionGranted(_ id: RequestID) {
        guard let held = requests[id], held.request.isGranted, held.request.scope == .transaction, !held.request.isServerGranted
        else { return }
        requests.update(id) { $0.request.isServerGranted = true }
        entries[held.entry].transactionGranted()
    }

    /// The server has released a transaction's lock before its turn has ended.
    mutating func transactionReleased(_ id: RequestID, now: Instant) {
        guard let held = requests[id], held.request.isServerGranted else { return }
        requests.update(id) { $0.request.isServerGranted = false }
        entries[held.entry].transactionReleased(now: now)
    }

    /// The server has answered that others hold the key, which goes on waiting.
    mutating func noteTaken(_ key: AdvisoryKey, now: Instant) {
        guard let index = entries.index(of: key) else { return }
        entries[index].takenAt = now
    }

    /// Whether the lock was certainly not free at some time since then.
    func isTaken(_ key: AdvisoryKey, since: Instant) -> Bool {
        guard let entry = entries[key] else { return false }
        return entry.isHeldHere || entry.takenAt.map { $0 >= since } ?? false
    }

    func entry(of key: AdvisoryKey) -> Entry? { entries[key] }

    func latestDeadline(of key: AdvisoryKey) -> Instant {
        entries[key]?.latestDeadline ?? .distantFuture
    }

    package var heldKeys: [AdvisoryKey] {
        entries.living.filter { $0.sessionHolders > 0 || $0.transactionHolders > 0 }.map(\.key)
    }

    // MARK: Invariants

    /// A key whose state contradicts an invariant: see ``Entry/impossible``.
    mutating func takeBroken() -> (key: AdvisoryKey, what: Entry.Impossible)? {
        defer { broken = nil }
        return broken
    }

    /// The holders of the key lose it, and the requests for it fail, since the state of the key can't be relied on.
    mutating func giveUp(_ key: AdvisoryKey, _ failure: Failure, now: Instant) {
        guard let index = entries.index(of: key) else { return }
        let concerned = requests.elements.filter { $0.value.entry == index }
        for (id, queued) in concerned where !queued.request.isGranted {
            requests[id] = nil
            actions.append(.fail(id, failure))
        }
        lose(concerned.filter { $0.value.request.isGranted }.map(\.id), failure)
        entries[index].clear()
        advance(index, now: now)
    }

    private mutating func lose(_ holders: [RequestID], _ failure: Failure) {
        guard !holders.isEmpty else { return }
        for id in holders { requests[id] = nil }
        actions.append(.lose(holders, failure))
    }

    // MARK: What follows from an event

    mutating func advance(_ index: Int, now: Instant) {
        entries[index].succeedByJoining(now: now, actions: &actions)
        if !choices.isEmpty { serveChoices(at: index, now: now) }
        entries[index].advance(limit: limit, now: now, requests: &requests, actions: &actions)
        let rest = entries[index].endEvent()
        serverKeyCount += rest.countChange
        if let what = rest.impossible, broken == nil { broken = (entries[index].key, what) }
        if rest.isIdle { entries.remove(index) }
    }
}
