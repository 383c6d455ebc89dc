// Shared holders that come late.
//
// A session gets again what it holds, past others that wait in the server's queue. So requests that join the shared lock of this process do
// so for a limited time, or other sessions that want the lock alone would starve. After that time the server is asked, by a wait of another
// session in its queue: it grants the wait unless a session before it wants the lock alone. Then the requests join the lock that is held,
// the other session gives back what it was granted, and the time begins anew.
extension LockTable.Entry {
    /// The question whether others may join the shared lock that is held.
    enum Joining: Sendable {
        case none
        /// - Parameter forTries: Whether it goes on although no request waits for the answer, since tries have joined.
        case asked(at: Instant, forTries: Bool)
        /// The wait is being ended; it may still be granted.
        case ended
        /// It was granted while the lock that was held was being released.
        case granted(on: ConnectionID)
    }

    /// Whether the server owes an answer to the question.
    var isAskingToJoin: Bool {
        switch joining {
        case .asked, .ended: true
        case .none, .granted: false
        }
    }

    /// Whether a request that does not wait may join the shared lock that the process holds, beside those that wait for the same mode. It
    /// does not wait for the server's answer, which comes at once unless another session wants the lock alone.
    func mayJoinLate(_ mode: Mode, limit: HandoffLimit, now: Instant) -> Bool {
        guard mode == .shared, case .held(.shared, _) = server, sessionHolders > 0, !isHeldExclusively, queuedExclusive == 0 else {
            return false
        }
        switch joining {
        case .none: return true
        case .asked(let at, _): return at.duration(to: now) <= limit.duration
        case .ended, .granted: return false
        }
    }

    /// Whether the process holds it, and a request may have it that has not queued for it.
    ///
    /// - Parameter behindQueue: Whether it does not matter that others queue.
    func mayBeJoined(_ mode: Mode, behindQueue: Bool = false, limit: HandoffLimit, now: Instant) -> Bool {
        (behindQueue || queuedCount == 0) && isCompatible(mode)
            && (mayGrant(mode, limit: limit, now: now) || mayJoinLate(mode, limit: limit, now: now))
    }

    /// One of the requests for which ``mayBeJoined(_:behindQueue:limit:now:)`` is true joins.
    mutating func join(_ mode: Mode, limit: HandoffLimit, now: Instant) {
        if sessionHolders > 0 { joinLate(limit: limit, now: now) } else { join(mode) }
    }

    /// A request that does not wait joins.
    mutating func joinLate(limit: HandoffLimit, now: Instant) {
        join(.shared)
        hasJoinedLate = !limit.allows(handoffs: 0, heldFor: heldSince.duration(to: now), isShared: true)
    }

    /// Asks whether others may join, or ends the question if no request is left that it is for.
    ///
    /// - Parameter next: The mode that the request at the front of the queue wants, if it may have the lock beside its holders.
    mutating func settleJoining(_ next: Mode?, now: Instant, actions: inout Actions) {
        switch joining {
        case .none:
            guard case .held(.shared, _) = server, sessionHolders > 0, next == .shared || hasJoinedLate else { return }
            joining = .asked(at: now, forTries: hasJoinedLate)
            hasJoinedLate = false
            actions.append(.waitToJoin(key))
        case .asked(_, let forTries):
            guard next != .shared, !forTries || sessionHolders == 0 else { return }
            joining = .ended
            actions.append(.endWait(key))
        case .ended, .granted:
            break
        }
    }

    /// The wait of the other session is granted.
    mutating func joinGranted(on connection: ConnectionID, now: Instant, actions: inout Actions) {
        guard isAskingToJoin else { return }
        switch server {
        case .unlocking:
            joining = .granted(on: connection)
        case .held, .changing:
            joining = .none
            heldSince = now
            hasJoinedLate = false
            actions.append(.giveBack(key, .shared, on: connection))
        case .none, .trying, .choosing, .waiting, .ending:
            break
        }
    }

    mutating func forgetJoining() { joining = .none }

    /// What the server was asked is not answered any more.
    mutating func forgetAsked() {
        if isAskingToJoin { joining = .none } else { server = .none }
    }

    /// The lock that was held is gone. What was asked of the server beside it is all that is left.
    mutating func succeedByJoining(now: Instant, actions: inout Actions) {
        guard case .none = server else { return }
        switch joining {
        case .none:
            return
        case .asked where queuedTries > 0:
            // A wait says nothing to requests that do not wait.
            server = .ending(.shared)
            actions.append(.endWait(key))
        case .asked:
            server = .waiting(.shared)
            isAskedAnew = isAsked
            isAsked = true
            // It is polled from now on if there is no session for it.
            actions.append(.waitLock(key, .shared))
        case .ended:
            server = .ending(.shared)
        case .granted(let connection):
            server = .waiting(.shared)
            serverGranted(on: connection, now: now)
        }
        joining = .none
    }
}
