import LockCore

/// What a lock table may do, said as naively as possible: every action is checked against it, and what is left undone.
struct TableModel {
    struct Key {
        /// In order of arrival.
        var queue: [RequestID] = []
        var holders: [RequestID] = []
        /// What was asked of the server and is not answered.
        var asked: LockTable.ServerState?
        var held: (mode: Mode, connection: ConnectionID, since: Instant)?
        var isUnlocking = false
        /// The call that has asked the server for the other mode, and the holder for whom.
        var change: (call: RequestID, holder: RequestID, mode: Mode)?
        /// How often the process has used the server's grant.
        var turns = 0
        /// The question whether others may join, until it is answered.
        var joining: Joining?
        /// A request that does not wait has joined after the time for that.
        var hasJoinedLate = false
        /// What was granted to the question, and is to be given back, or is what is held once the former lock is released.
        var granted: ConnectionID?
    }

    struct Joining {
        let at: Instant
        var isEnding = false
    }

    let limit: HandoffLimit
    private(set) var keys: [AdvisoryKey: Key] = [:]
    private(set) var requests: [RequestID: LockTable.Request] = [:]
    private(set) var releasing: [RequestID: AdvisoryKey] = [:]
    /// Calls for another mode that are not answered, with the key.
    private(set) var changing: [RequestID: AdvisoryKey] = [:]
    private(set) var violations: [String] = []
    private(set) var grants = 0

    init(limit: HandoffLimit) {
        self.limit = limit
    }

    mutating func report(_ violation: String) {
        violations.append(violation)
    }

    private func sessionHolders(_ key: Key) -> Int {
        key.holders.count { requests[$0]?.scope == .session }
    }

    /// Whether a request that does not wait may join whatever the limit says, and before others that want to share it.
    private func mayJoinLate(_ request: LockTable.Request, _ key: Key, now: Instant) -> Bool {
        let isAnswered = key.joining.map { !$0.isEnding && $0.at.duration(to: now) <= limit.duration } ?? true
        return request.noWait && request.mode == .shared && request.scope == .session && sessionHolders(key) > 0 && isAnswered
            && !key.queue.contains { requests[$0]?.mode == .exclusive }
    }

    private func isFree(_ key: Key, for mode: Mode) -> Bool {
        key.holders.allSatisfy { mode == .shared && requests[$0]?.mode == .shared }
    }

    // MARK: Events

    mutating func request(_ id: RequestID, _ request: LockTable.Request) {
        requests[id] = request
        keys[request.key, default: Key()].queue.append(id)
    }

    /// Past everyone, and beside the holder that encloses it.
    mutating func join(_ id: RequestID, _ request: LockTable.Request) {
        requests[id] = request
        keys[request.key]?.holders.append(id)
    }

    mutating func cancel(_ id: RequestID) {
        guard let key = requests.removeValue(forKey: id)?.key else { return }
        keys[key]?.queue.removeAll { $0 == id }
    }

    mutating func release(_ id: RequestID) {
        guard let key = requests.removeValue(forKey: id)?.key else { return }
        keys[key]?.holders.removeAll { $0 == id }
        releasing[id] = key
    }

    mutating func answered(_ key: AdvisoryKey, granted mode: Mode?, on connection: ConnectionID, now: Instant) {
        keys[key]?.asked = nil
        keys[key]?.turns = 0
        keys[key]?.hasJoinedLate = false
        keys[key]?.held = mode.map { ($0, connection, now) }
    }

    /// The question whether others may join is answered.
    ///
    /// - Parameter connection: The session that was granted the lock; `nil` if none was.
    mutating func joinAnswered(_ key: AdvisoryKey, granted connection: ConnectionID?, now: Instant) {
        keys[key]?.joining = nil
        guard let connection else { return }
        keys[key]?.granted = connection
        guard keys[key]?.isUnlocking == false else { return }
        keys[key]?.hasJoinedLate = false
        keys[key]?.held?.since = now
    }

    /// What was held is gone. What is left is what was asked beside it.
    private mutating func succeed(_ key: AdvisoryKey, now: Instant) {
        if let connection = keys[key]?.granted {
            answered(key, granted: .shared, on: connection, now: now)
            keys[key]?.granted = nil
        } else if keys[key]?.joining?.isEnding == true {
            keys[key]?.joining = nil
            keys[key]?.asked = .ending(.shared)
        }
    }

    mutating func change(_ call: RequestID, of id: RequestID, to mode: Mode) {
        guard let key = requests[id]?.key else { return }
        changing[call] = key
        if requests[id]?.mode != mode, keys[key]?.change == nil, keys[key]?.holders == [id] {
            keys[key]?.change = (call, id, mode)
        }
    }

    mutating func changeAnswered(_ key: AdvisoryKey, _ isChanged: Bool, now: Instant) {
        guard let change = keys[key]?.change else { return }
        keys[key]?.change = nil
        guard isChanged else { return }
        keys[key]?.held?.mode = change.mode
        // As if the server had granted it shared just now.
        if change.mode == .shared { keys[key]?.held?.since = now }
        if let old = requests[change.holder] {
            requests[change.holder] = LockTable.Request(key, change.mode, scope: old.scope, noWait: old.noWait)
        }
    }

    mutating func unlocked(_ key: AdvisoryKey, now: Instant) {
        keys[key]?.isUnlocking = false
        keys[key]?.held = nil
        succeed(key, now: now)
    }

    mutating func lost(_ connection: ConnectionID, now: Instant) {
        for (key, state) in keys {
            if state.granted == connection { keys[key]?.granted = nil }
            guard state.held?.connection == connection else { continue }
            keys[key]?.held = nil
            keys[key]?.isUnlocking = false
            keys[key]?.change = nil
            succeed(key, now: now)
        }
    }

    // MARK: Actions

    mutating func check(_ actions: [LockTable.Action], now: Instant) {
        for action in actions { check(action, now: now) }
    }

    private mutating func check(_ action: LockTable.Action, now: Instant) {
        switch action {
        case .grant(let id):
            checkGrant(id, now: now)
        case .choose:
            report("\(action), and no request is for several keys")
        case .refuse(let id):
            guard let request = take(id) else { return report("\(action), which does not wait") }
            if !request.noWait { report("\(action), which may wait") }
        case .fail(let id, _):
            guard let request = take(id) else { return report("\(action), which does not wait") }
            if request.scope != .session { report("\(action), which does not need the server") }
        case .lose(let ids, _):
            for id in ids {
                guard let request = requests.removeValue(forKey: id), let key = keys[request.key], key.holders.contains(id),
                    key.held == nil, request.scope == .session
                else { return report("\(action), where \(id) has lost nothing") }
                keys[request.key]?.holders.removeAll { $0 == id }
            }
        case .released(let id), .releaseFailed(let id, _):
            if releasing.removeValue(forKey: id) == nil { report("\(action), which is not releasing") }
        case .changed(let id, _), .changeFailed(let id, _):
            if changing.removeValue(forKey: id) == nil { report("\(action), which is not changing") }
        case .changeMode(let key, to: let mode, on: let connection):
            guard let change = keys[key]?.change, change.mode == mode, keys[key]?.held?.connection == connection,
                keys[key]?.isUnlocking == false
            else { return report("\(action), which must not be asked for") }
        case .tryLock(let key, let mode):
            checkAsk(key, mode, .trying(mode))
        case .waitLock(let key, let mode):
            if keys[key]?.held == nil, keys[key]?.joining != nil {
                if mode != .shared { report("\(action), where it was asked for to be shared") }
                keys[key]?.joining = nil
                keys[key]?.asked = .waiting(.shared)
            } else {
                checkAsk(key, mode, .waiting(mode))
            }
        case .waitToJoin(let key):
            guard let state = keys[key], state.held?.mode == .shared, !state.isUnlocking, sessionHolders(state) > 0, state.joining == nil
            else { return report("\(action), which is not shared, or is asked already") }
            let front = state.queue.first.flatMap { requests[$0] }
            if front?.mode != .shared, !state.hasJoinedLate { report("\(action), which no request wants") }
            keys[key]?.hasJoinedLate = false
            keys[key]?.joining = Joining(at: now)
        case .endWait(let key):
            if keys[key]?.joining?.isEnding == false {
                guard keys[key]?.held == nil else {
                    keys[key]?.joining?.isEnding = true
                    return
                }
                keys[key]?.joining = nil
                keys[key]?.asked = .ending(.shared)
                return
            }
            guard case .waiting(let mode) = keys[key]?.asked else { return report("\(action), which is not waited for") }
            keys[key]?.asked = .ending(mode)
        case .giveBack(let key, let mode, on: let connection):
            guard let state = keys[key], state.granted == connection, mode == .shared, state.held != nil
            else { return report("\(action), which was not granted beside what is held") }
            keys[key]?.granted = nil
        case .unlock(let key, let mode, on: let connection):
            guard let state = keys[key], let held = state.held, !state.isUnlocking, state.change == nil,
                sessionHolders(state) == 0,
                held.mode == mode, held.connection == connection
            else { return report("\(action), which is not held, or is in use") }
            keys[key]?.isUnlocking = true
        }
    }

    /// A call that waits ends.
    private mutating func take(_ id: RequestID) -> LockTable.Request? {
        guard let request = requests[id], keys[request.key]?.queue.contains(id) == true else { return nil }
        cancel(id)
        return request
    }

    private mutating func checkGrant(_ id: RequestID, now: Instant) {
        guard let request = requests[id], var key = keys[request.key], key.queue.contains(id) else {
            return report("grant \(id), which does not wait")
        }
        let joinsLate = mayJoinLate(request, key, now: now)
        if key.queue.first != id, !joinsLate { report("grant \(id) before \(key.queue)") }
        if !isFree(key, for: request.mode) { report("grant \(id) beside \(key.holders)") }
        if key.change != nil { report("grant \(id) while the mode is being changed") }
        switch request.scope {
        case .session:
            if key.held?.mode != request.mode || key.isUnlocking { report("grant \(id) without the server") }
            if sessionHolders(key) == 0 { key.turns += 1 }
            if key.turns > 1, key.turns - 1 > limit.count { report("grant \(id) beyond the count of hand-ons") }
            if key.turns > 1 || sessionHolders(key) > 0, let held = key.held, held.since.duration(to: now) > limit.duration {
                if joinsLate { key.hasJoinedLate = true } else { report("grant \(id) beyond the duration of hand-ons") }
            }
        case .transaction:
            if key.held != nil, key.isUnlocking || sessionHolders(key) == 0 { report("grant \(id) in its own way") }
        }
        grants += 1
        key.queue.removeAll { $0 == id }
        key.holders.append(id)
        keys[request.key] = key
    }

    private mutating func checkAsk(_ key: AdvisoryKey, _ mode: Mode, _ state: LockTable.ServerState) {
        guard let known = keys[key], known.asked == nil, known.held == nil else { return report("ask for \(key) twice") }
        guard let front = known.queue.first.flatMap({ requests[$0] }) else { return report("ask for \(key), which no request wants") }
        if front.mode != mode || front.scope != .session { report("ask for \(key) \(mode), where \(front) is next") }
        if case .waiting = state, front.noWait { report("wait for \(key), where the next only tries") }
        if !isFree(known, for: mode) { report("ask for \(key) beside \(known.holders)") }
        keys[key]?.asked = state
    }

    // MARK: What is left undone

    /// After an event everything must be done that can be done.
    mutating func checkNothingForgotten(_ key: AdvisoryKey, now: Instant) {
        guard let state = keys[key], state.change == nil else { return }
        if state.held != nil, !state.isUnlocking, sessionHolders(state) == 0 { report("\(key) is kept without a holder") }
        let front = state.queue.first.flatMap { requests[$0] }
        if case .waiting(let mode) = state.asked, front?.mode != mode || front?.scope != .session {
            report("\(key) is waited for in vain")
        }
        let isOpen =
            switch state.asked {
            case .trying, .ending: true
            default: false
            }
        if !isOpen, !state.isUnlocking, state.queue.contains(where: { requests[$0]?.noWait == true }) {
            report("a try waits for \(key)")
        }
        guard let front, isFree(state, for: front.mode) else { return }
        switch front.scope {
        case .session:
            if state.asked == nil, state.held == nil { report("\(key) is wanted and not asked for") }
            if let held = state.held, !state.isUnlocking, held.mode == front.mode, sessionHolders(state) > 0, state.joining == nil {
                report("\(key) is held and wanted, and it is not asked whether it may be joined")
            }
            // Joining is refused only when the time is over.
            if let held = state.held, !state.isUnlocking, held.mode == front.mode,
                held.since.duration(to: now) <= limit.duration
            {
                report("\(key) is held, but not passed to the next request")
            }
        case .transaction:
            if !state.isUnlocking { report("a transaction waits for \(key), which is not held") }
        }
    }
}
