import LockCore
import LockServerModel

// Carries out what the engine decides.
extension SimulatedProcess {
    func perform(_ action: Engine.Action) {
        switch action {
        case .resolve(let id, let outcome): resolve(id, outcome)
        case .choose(let id, let key): choose(id, key)
        case .lose(let ids, _): for id in ids { lose(id) }
        case .endAccess(let id, let failure): onLoss.removeValue(forKey: id)?(failure)
        case .renew(let id, let until): renew(id, until)
        case .noteRequests(let requests): noteRequests(requests)
        case .giveToken(let id, let position, let index): tokens[id] = SimulatedToken(position: position, index: index)
        case .suspect(_, let requests, _): suspect(requests)
        case .connect(let id, let role): connect(id, role)
        case .survey: survey()
        case .submit(let id, let work): submit(work, on: id)
        case .convert(let id, let role): links[id]?.role = role
        case .cancelOutOfBand(let id): cancelOutOfBand(id)
        case .close(let id): close(id)
        case .terminated: terminate()
        case .log(let event): log(event)
        }
    }

    private func resolve(_ id: RequestID, _ outcome: Engine.Outcome) {
        guard let completion = calls.removeValue(forKey: id)?.completion else {
            return ledger.report("process \(self.id), \(id) ended again: \(outcome)")
        }
        ledger.resolved += 1
        if case .failed(let failure) = outcome, failure.kind == .capacity { ledger.refusedByBudget += 1 }
        if case .checkedOut(let connection) = outcome { links[connection]?.useCount += 1 }
        if outcome == .refused { checkRefusal(of: id) }
        choices[id] = nil
        let lock = wanted.removeValue(forKey: id)
        if let lock { lastWanted[lock.key] = agenda.now }
        if let lock, outcome == .granted {
            checkTurn(id, lock)
            beginLease(id, lock.key, lock.mode)
            if let lease = ledger.lease(process: self.id, id, lock.key), !believes(in: lease) {
                ledger.report("process \(self.id), \(id) got key \(lock.key), but can't be certain of it")
            }
            checkToken(of: id, lock.key)
        }
        if let change = changes.removeValue(forKey: id) { endChange(change.lock, change.mode, outcome) }
        completion(outcome)
    }

    /// A call for any of several keys gets one of them.
    private func choose(_ id: RequestID, _ key: AdvisoryKey) {
        guard let (choice, since) = choices[id].map({ ($0.choice, $0.since) }), choice.keys.contains(key), wanted[id] == nil else {
            return ledger.report("process \(self.id), \(id) gets key \(key), which it does not want, or got another one before")
        }
        // It has no position among the calls for this key.
        wanted[id] = Wanted(
            key: key,
            mode: choice.mode,
            isEnclosed: true,
            isTry: choice.noWait,
            order: .max,
            place: .last,
            since: since
        )
    }

    /// A session of a call's own, or the turn for a key, is refused only if others are in the way.
    private func checkRefusal(of id: RequestID) {
        guard profile.isCalm else { return }
        for key in choices[id]?.choice.keys ?? []
        where !isBusy(with: key, beside: id) && !wasBusyOrTaken(key, since: choices[id]?.since ?? .distantFuture) {
            ledger.report("process \(self.id), \(id) is refused key \(key), which no other task has or wants")
        }
        if let turn = turns[id], !isBusy(with: turn.key, beside: id), !hosts.wasTaken(turn.key, since: turn.since) {
            ledger.report("process \(self.id), \(id) is refused the turn for key \(turn.key), which no other task has or wants")
        }
        // An attempt to connect may wait for the end of a closed session.
        guard checkOuts.contains(id), engine.connectionCount == links.count else { return }
        guard links.values.allSatisfy({ $0.role == .shared || $0.role == .fencing }) else { return }
        ledger.report("process \(self.id), \(id) is refused a session, and none is in use")
    }

    /// Whether the process has wanted the key since then, or any process has had it. What is found taken once is not asked for again.
    private func wasBusyOrTaken(_ key: AdvisoryKey, since: Instant) -> Bool {
        hosts.wasTaken(key, since: since) || lastWanted[key].map { $0 >= since } ?? false
    }

    func checkToken(of id: RequestID, _ key: AdvisoryKey) {
        guard profile.engine.isFencing else { return }
        guard let token = tokens.removeValue(forKey: id) else {
            return ledger.report("process \(self.id), \(id) got key \(key) without a token")
        }
        if let lease = ledger.lease(process: self.id, id, key) { ledger.note(token, of: lease) }
    }

    /// What a holder has found in doubt by the clock must not become certain again.
    private func renew(_ id: ConnectionID, _ until: Instant) {
        if let last = verifications[id], last <= now, let session = links[id]?.session {
            for (lock, key) in held where grants[lock] == .held && ledger.lease(process: self.id, lock, key)?.session === session {
                ledger.report("process \(self.id), \(lock) becomes certain of key \(key) again")
            }
        }
        verifications[id] = until
    }

    /// No request of the process is overtaken: neither by a later one of the same mode, nor, if it is exclusive, by a shared one. The
    /// exceptions are requests that join a shared lock without waiting.
    ///
    /// A call that ends by a deadline or a cancellation in this moment counts as gone. So does one that has come later, with an earlier
    /// place, if a grant may wait for its token or for its session's answer: it may have come after the grant.
    private func checkTurn(_ id: RequestID, _ lock: Wanted) {
        guard !lock.isEnclosed else { return }
        let mayBeTooLate = profile.engine.isFencing || profile.engine.lease != nil
        for (other, earlier) in wanted where earlier.key == lock.key && earlier.isInFront(of: lock) && engine.isWaiting(other) {
            if mayBeTooLate, earlier.order > lock.order { continue }
            if earlier.mode == .exclusive || earlier.mode == lock.mode && !(lock.isTry && lock.mode == .shared) {
                ledger.report("process \(self.id), \(id) got key \(lock.key) \(lock.mode) before \(other) \(earlier.mode)")
            }
        }
    }

    private func endChange(_ lock: RequestID, _ mode: Mode, _ outcome: Engine.Outcome) {
        guard outcome == .changed(true) else {
            if outcome == .changed(false), mode == .exclusive { ledger.refusedUpgrades += 1 }
            return
        }
        if mode == .exclusive, let key = held[lock] { ledger.change(process: self.id, lock, key, to: mode) }
    }

    /// The lock is the caller's from now on, also if its task has not run yet.
    private func beginLease(_ id: RequestID, _ key: AdvisoryKey, _ mode: Mode) {
        held[id] = key
        grants[id] = .held
        known.insert(id)
        // No other request of the process holds a transaction's lock.
        let all = links.sorted { $0.key < $1.key }.filter { $0.value.role != .checkedOut }
        // For a moment, another session may hold a shared lock, too: the one that has asked whether others may join.
        let own = engine.session(of: id)
        let sessions = all.filter { own == nil || $0.key == own }.map(\.value.session)
        if let session = sessions.first(where: { $0.isAlive && $0.heldKeys[key] != nil }) {
            ledger.begin(.init(process: self.id, id: id, key: key, mode: mode, session: session, isOrphan: false))
        } else if let session = sessions.first(where: { !$0.isAlive && $0.heldAtDeath.contains(key) }) {
            ledger.begin(.init(process: self.id, id: id, key: key, mode: mode, session: session, isOrphan: true))
        } else {
            ledger.report("process \(self.id), \(id) got key \(key), but no session of it holds that")
        }
    }

    /// It has no holder any more.
    func letGo(of id: RequestID) -> AdvisoryKey? {
        guard let key = held.removeValue(forKey: id) else { return nil }
        lastHeld[key] = agenda.now
        ledger.end(process: self.id, id, key)
        return key
    }

    private func suspect(_ requests: [RequestID]) {
        ledger.suspected += requests.count
        for id in requests {
            // Its holder may be about to release it.
            if !known.contains(id) { ledger.report("process \(self.id) is told to suspect \(id), which holds nothing") }
            _ = grants[id]?.end(.suspected)
        }
    }

    /// Whether the holder counts the lock as held, by the clock.
    func believes(in lease: Ledger.Lease) -> Bool {
        guard !isCrashed, held[lease.id] != nil, grants[lease.id] == .held,
            let connection = links.first(where: { $0.value.session === lease.session })?.key
        else { return false }
        return profile.engine.lease == nil || verifications[connection].map { $0 > now } ?? false
    }

    private func lose(_ id: RequestID) {
        known.remove(id)
        _ = grants[id]?.end(.lost)
        guard letGo(of: id) != nil else { return }
        ledger.lost += 1
    }

    private func terminate() {
        if isTerminated { ledger.report("process \(id) has terminated twice") }
        isTerminated = true
        if !links.isEmpty { ledger.report("process \(id) has terminated, but keeps \(links.keys.sorted())") }
    }

    // MARK: Connections

    private func submit(_ work: Engine.Work, on id: ConnectionID) {
        guard let link = links[id] else { return }
        if case .statement(let call) = work { return submitOwn(call, over: link, id) }
        if case .wait(let key, .shared, _) = work, engine.isShared(key) { ledger.joins += 1 }
        let statement = SimulatedStatement(
            work,
            session: { links[$0]?.session },
            isMissed: { target, onlyLockWaits in
                let aim = aim(at: target, over: link, onlyLockWaits)
                return { aim.isMissed }
            }
        )
        link.submit(statement) { [self] reply in
            drive { $0.answered(id, reply.answer(to: work), now: $1) }
        }
        if case .cancel = work, hosts.isFaulty, profile.troubleEvery != nil, chance.happens(0.02) { plan(after: .zero) { link.cut() } }
    }

    private func submitOwn(_ call: RequestID, over link: SimulatedLink, _ id: ConnectionID) {
        guard let submission = submissions.removeValue(forKey: call) else {
            return ledger.report("process \(self.id) has no statements for \(call)")
        }
        let groups = submission.groups.filter { !$0.isEmpty }
        for (slot, group) in groups.enumerated() {
            var replies: [SimulatedReply] = []
            for statement in group {
                link.submit(statement) { [self] reply in
                    replies.append(reply)
                    guard replies.count == group.count else { return }
                    submission.onReplies(replies)
                    if slot == groups.count - 1 { drive { $0.answered(id, .done, now: $1) } }
                }
            }
        }
    }

    /// A cancel request that is lost with the session that it was sent over may be carried out at any later time. It must not
    /// strike what a checked-out session runs, unless it strikes nothing but waits, and never what the next call runs there.
    private func aim(at target: ConnectionID, over link: SimulatedLink, _ onlyLockWaits: Bool) -> SimulatedCancelAim {
        let target = links[target]
        return SimulatedCancelAim(at: target) { [useCount = target?.useCount] in
            link.isLost && target?.useCount == useCount && (onlyLockWaits || target?.role != .checkedOut)
        }
    }

    private func cancelOutOfBand(_ id: ConnectionID) {
        let session = links[id]?.session
        let aim = SimulatedCancelAim(at: links[id])
        agenda.plan(after: chance.skewedDuration(profile.latency)) { [self] in
            if !chance.happens(0.05) { session?.signal(.cancelledByServer, isMissed: { aim.isMissed }) }
            plan(after: chance.skewedDuration(profile.latency)) { [self] in
                drive { $0.cancelledOutOfBand(id, now: $1) }
            }
        }
    }

    private func close(_ id: ConnectionID) {
        attempts.remove(id)
        verifications[id] = nil
        links.removeValue(forKey: id)?.close()
        plan(after: chance.skewedDuration(.zero ... .seconds(3))) { [self] in drive { engine, _ in engine.ended(id) } }
    }

    private func log(_ event: Engine.Event) {
        switch event {
        case .unexpectedAnswer(let connection): ledger.report("process \(id) did not expect what \(connection) answered")
        case .verifiedAfterError(held: true): ledger.verifiedHeld += 1
        case .hiddenActivity: if !profile.hidesActivity { ledger.report("process \(id) was not shown what is to be seen") }
        case .connectFailed, .connectionLost: if profile.isCalm { ledger.report("process \(id), without faults: \(event)") }
        case .waitRenewed: ledger.renewed += 1
        case .keyBroken(let key, let what): ledger.report("process \(id): \(key), \(what)")
        case .invariantBroken(let connection, let what): ledger.report("process \(id): \(connection), \(what)")
        case .overdue, .verifiedAfterError: break
        }
    }
}
