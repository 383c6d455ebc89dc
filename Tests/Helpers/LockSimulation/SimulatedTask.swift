import LockCore
import LockServerModel

/// One user of a process: takes locks, one after the other, and behaves as `withLock` and `withTransaction` do.
final class SimulatedTask {
    let process: SimulatedProcess
    private var rounds: Int
    private let onEnd: () -> Void

    var chance: Chance { process.chance }
    var profile: SimulationProfile { process.profile }
    var ledger: Ledger { process.ledger }

    init(_ process: SimulatedProcess, rounds: Int, onEnd: @escaping () -> Void) {
        self.process = process
        self.rounds = rounds
        self.onEnd = onEnd
    }

    func next() {
        guard rounds > 0, !process.isTerminated, !process.isCrashed else { return onEnd() }
        rounds -= 1
        process.plan(after: chance.skewedDuration(profile.hold)) { [self] in
            if !profile.permits.isEmpty, chance.happens(0.3) {
                SimulatedPermit(self).begin()
            } else if profile.transactions, chance.happens(0.2) {
                SimulatedTransaction(self).begin()
            } else if profile.transactions, profile.hasSettings, chance.happens(0.1) {
                SimulatedSessionScope(self).begin()
            } else if chance.happens(0.3) {
                SimulatedLockSet(self).proceed()
            } else if chance.happens(0.2) {
                SimulatedChoice(self).begin()
            } else {
                lock()
            }
        }
    }

    /// How a call may be limited: by a deadline, by a cancellation, or not at all where nothing can go wrong.
    func limits() -> (deadline: Duration?, cancelAfter: Duration?) {
        let time = chance.skewedDuration(profile.timeout)
        if chance.happens(0.3) { return (time, chance.happens(0.2) ? chance.skewedDuration(profile.timeout) : nil) }
        if chance.happens(0.3) || !profile.isCalm { return (nil, chance.happens(0.5) ? time : time + .seconds(20)) }
        return (nil, nil)
    }

    /// Cancels a call some time after it has begun, which may be never too early, and often too late.
    func cancel(_ id: RequestID, after delay: Duration?) {
        guard let delay else { return }
        process.plan(after: process.clock.duration(of: delay)) { [self] in
            process.drive { $0.cancel(id, now: $1) }
        }
    }

    func randomKey() -> AdvisoryKey {
        let number = chance.number(1...profile.keys) + (profile.isFleet ? 1000 * process.id : 0)
        return number % 3 == 0 ? AdvisoryKey(0, Int32(number)) : AdvisoryKey(Int64(number))
    }

    /// After how long a call has ended. If it does not wait for others, the server and the opening of a session are waited for.
    func limit(_ limit: Duration?, noWait: Bool) -> Duration? {
        noWait && profile.isCalm ? min(limit ?? .seconds(3), .seconds(3)) : limit
    }

    /// Whether a call may end like this, without what it has asked for.
    func check(_ outcome: Engine.Outcome, noWait: Bool, deadline: Instant?, cancelAt: Instant? = nil) {
        switch outcome {
        case .refused where noWait: break
        case .ended(.timedOut) where deadline.map { $0 <= process.now } == true: break
        case .ended(.cancelled) where cancelAt.map { $0 <= process.now } == true: break
        case .failed(let failure) where profile.mayFail(by: failure.kind) || process.isTerminated: break
        default: ledger.report("process \(process.id): a call has ended by \(outcome) (try: \(noWait))")
        }
    }

    /// Asks for a session of the task's own.
    ///
    /// - Parameters:
    ///   - limit: For the call.
    ///   - noWait: Whether the call does not wait until another one gives its session back.
    ///   - turn: The turn for a key that the task has, and for how long it is kept although other requests want it.
    /// - Returns: The call.
    @discardableResult
    func checkOut(
        within limit: Duration?,
        deadline: Instant?,
        noWait: Bool,
        turn: (id: RequestID, timeout: Duration)? = nil,
        cancelAt: Instant? = nil,
        completion: @escaping (ConnectionID?, _ hasYielded: Bool) -> Void
    ) -> RequestID {
        // The pause between two attempts to connect is a second at most.
        let mayBeTold = deadline.map { process.now.duration(to: $0) > .milliseconds(1500) } ?? true
        return process.call(
            within: self.limit(limit, noWait: noWait),
            { [process] engine, id, now in
                process.checkOuts.insert(id)
                let turn = noWait ? nil : turn.map { (id: $0.id, until: now.advanced(by: $0.timeout)) }
                engine.checkOut(id, deadline: deadline, noWait: noWait, turn: turn, now: now)
            },
            completion: { [self, timeFrozen = process.timeFrozen] id, outcome in
                process.checkOuts.remove(id)
                switch outcome {
                case .checkedOut(let connection): return completion(connection, false)
                case .ended(.yielded) where turn != nil: return completion(nil, true)
                case .refused: ledger.refusedCheckOuts += 1
                case .ended(.timedOut(nil)) where noWait && mayBeTold && process.timeFrozen == timeFrozen:
                    ledger.report("process \(process.id): a call that does not wait for a session was not told that all are in use")
                default: break
                }
                check(outcome, noWait: noWait, deadline: deadline, cancelAt: cancelAt)
                completion(nil, false)
            }
        )
    }

    // MARK: Session locks

    private func lock() {
        acquire(randomKey(), chance.happens(profile.readers) ? .shared : .exclusive) { [self] id, key, mode in
            guard let id else { return next() }
            process.plan(after: chance.skewedDuration(profile.hold)) { [self] in
                if chance.happens(0.3) { return changeMode(of: id, from: mode) }
                guard mode == .shared, chance.happens(0.3), process.held[id] != nil else { return release(id) }
                acquire(key, .shared, enclosing: id) { [self] inner, _, _ in
                    guard let inner else { return release(id) }
                    release(inner, then: { [self] in release(id) })
                }
            }
        }
    }

    /// As a handle's `downgrade` and `tryUpgrade` do it: mostly to the other mode, and perhaps back again.
    func changeMode(of lock: RequestID, from mode: Mode) {
        let target: Mode = (mode == .shared) == chance.happens(0.9) ? .exclusive : .shared
        guard let key = process.held[lock] else { return release(lock) }
        // Others may be let in before the answer is here.
        if target == .shared, mode == .exclusive { ledger.change(process: process.id, lock, key, to: .shared) }
        let id = process.call(
            within: profile.releaseLimit,
            { [process] engine, id, now in
                process.changes[id] = (lock, target)
                engine.change(id, of: lock, to: target, now: now)
            },
            completion: { [self] id, outcome in
                let isLost = process.held[lock] == nil
                switch outcome {
                case .changed(true): break
                case .changed(false) where target == .exclusive && mode == .shared: break
                case .failed where isLost && !profile.isCalm: break
                default: ledger.report("process \(process.id): the change of \(lock) to \(target) ended by \(outcome)")
                }
                let now = outcome == .changed(true) ? target : mode
                let goOn = { [self] in
                    process.plan(after: chance.skewedDuration(profile.hold)) { [self] in
                        if chance.happens(0.3) { changeMode(of: lock, from: now) } else { release(lock) }
                    }
                }
                if now == .exclusive, now != mode, profile.engine.isFencing { renewToken(of: lock, key, then: goOn) } else { goOn() }
            }
        )
        // Which has no effect.
        if chance.happens(0.1) { cancel(id, after: chance.skewedDuration(profile.latency)) }
    }

    /// Other holders of the shared lock may have greater ones.
    private func renewToken(of lock: RequestID, _ key: AdvisoryKey, then goOn: @escaping () -> Void) {
        process.call(within: nil, { $0.requestToken($1, of: lock, now: $2) }) { [self] id, outcome in
            switch outcome {
            case .changed(true): if process.held[lock] != nil { process.checkToken(of: lock, key) }
            case .failed where process.held[lock] == nil || !profile.isCalm: break
            default: ledger.report("process \(process.id): the token of \(lock) was not renewed: \(outcome)")
            }
            goOn()
        }
    }

    private func acquire(
        _ key: AdvisoryKey,
        _ mode: Mode,
        enclosing: RequestID? = nil,
        completion: @escaping (RequestID?, AdvisoryKey, Mode) -> Void
    ) {
        let noWait = chance.happens(0.15)
        let (deadline, cancelAfter) = noWait ? (nil, nil) : limits()
        let (began, beganAt) = (process.now, process.agenda.now)
        let end = deadline.map { began.advanced(by: $0) }
        let request = LockTable.Request(key, mode, noWait: noWait, deadline: end)
        let limit = [deadline, cancelAfter].compactMap(\.self).min()
        let id = process.call(
            within: limit,
            for: request,
            isEnclosed: enclosing != nil,
            { $0.acquire($1, request, deadline: end, enclosing: enclosing, now: $2) },
            completion: { [self] id, outcome in
                switch outcome {
                case .granted:
                    return completion(process.claim([id]) ? id : nil, key, mode)
                case .refused where noWait:
                    break
                case .ended(.timedOut(let uncertainty)) where end.map { $0 <= process.now } == true:
                    check(uncertainty, key, since: beganAt, limit: deadline ?? .zero)
                case .ended(.cancelled) where cancelAfter.map { began.advanced(by: $0) <= process.now } == true:
                    break
                case .failed(let failure) where profile.mayFail(by: failure.kind) || process.isTerminated:
                    break
                default:
                    ledger.report("process \(process.id), \(id) ended by \(outcome) (try: \(noWait), limit: \(limit ?? .zero))")
                }
                completion(nil, key, mode)
            }
        )
        cancel(id, after: cancelAfter)
    }

    /// How long it may take until the server has said that a lock is taken. What is polled has its turn once in so many pauses. One that
    /// was granted waits for its token, which waits for the disk, maybe behind another record.
    private var timeToTell: Duration {
        profile.latency.upperBound * 20 + .milliseconds(200) + .milliseconds(250) * (profile.keys / profile.engine.pollSize)
            + (profile.engine.isFencing ? .seconds(2) : .zero)
    }

    /// A lock is reported as taken only if it was, and without faults that is known in time.
    private func check(_ uncertainty: Failure?, _ key: AdvisoryKey, since: Instant, limit: Duration) {
        switch uncertainty?.kind {
        case nil:
            // What the server has said may be as old as an answer may be, or as the process has stood still.
            let oldest = since.advanced(by: .zero - profile.engine.responseTimeout - process.timeFrozen)
            guard !process.hosts.wasTaken(key, since: oldest) else { return }
            ledger.report("process \(process.id): key \(key) is called taken, but was free for longer than the call")
        case .unanswered where profile.tellsWhatIsTaken && limit > timeToTell:
            // A transaction that has the key's turn may wait for a connection, and not have asked yet.
            let begun = process.agenda.now.advanced(by: .zero - timeToTell)
            guard !profile.transactions || process.waits(for: key, since: begun) else { return }
            ledger.report("process \(process.id): whether key \(key) is taken is not known after \(limit)")
        default:
            break
        }
    }

    func release(_ id: RequestID, then completion: (() -> Void)? = nil) {
        let wasHeld = process.known.contains(id)
        process.release(id) { [self] outcome in
            switch outcome {
            case .released where wasHeld: break
            case .failed where !profile.isCalm, nil: break
            default: ledger.report("process \(process.id): the release of \(id) ended by \(String(describing: outcome))")
            }
            if let completion { completion() } else { next() }
        }
    }
}
