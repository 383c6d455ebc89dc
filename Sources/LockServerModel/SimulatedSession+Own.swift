import LockCore

// What a session is sent while it is checked out.
extension SimulatedSession {
    func run(_ own: SimulatedStatement.Own, _ strike: Failure?) {
        guard block.state != .aborted || own.endsFailure else { return finish(SimulatedReply(failure: .aborted)) }
        server.observer.willRun(own, on: self)
        if let strike { return self.strike(own, strike) }
        switch own.statement {
        case .tryLock(let key, let mode):
            finish(tryLock(key, mode, own.scope))
        case .lock(let key, let mode):
            wait(for: key, mode, own.scope)
        case .setAwaited(let key):
            awaited = key
            finish(SimulatedReply(rows: [true]))
        case .wait(let space, let mode):
            guard !server.behavior.waitsPlainly else { return finish(SimulatedReply(failure: .noLanguage)) }
            guard let awaited, awaited.space == space else { return finish(SimulatedReply(failure: .mistake)) }
            wait(for: awaited, mode, own.scope)
        case .areHeld(let locks):
            finish(SimulatedReply(rows: locks.map { lock in heldKeys[lock.key]?.contains { $0.mode == lock.mode } == true }))
        case .unlock(let batch):
            finish(run(batch, nil))
        case .unlockAll:
            if !heldKeys.isEmpty { server.observer.willReleaseAll(of: self) }
            giveAll()
            finish(SimulatedReply(rows: [true]))
        case .position:
            flush(server.writeRecord())
        case .body:
            if let body = own.body { run(body, own.scope) } else { finish(SimulatedReply()) }
        case .begin, .setSavepoint, .rollBackToSavepoint, .releaseSavepoint, .rollBack, .commit:
            finish(runTransactional(own.statement))
        case .roleSettings, .setDeferrable, .showDeferrable, .doNotDefer, .settingsInTransaction, .reset:
            finish(runSetting(own.statement))
        case .nothing:
            finish(SimulatedReply())
        }
    }

    private func claim(_ mode: Mode, _ scope: CheckedOutSession.Scope) -> SimulatedLock.Claim {
        claim(mode, isOfTransaction: scope == .transaction)
    }

    private func wait(for key: AdvisoryKey, _ mode: Mode, _ scope: CheckedOutSession.Scope) {
        // The body may have set a limit of its own.
        let limit = server.chance.happens(server.behavior.bodyLimits) ? server.chance.skewedDuration(server.behavior.bodyLimit) : nil
        wait(for: key, mode, scope, limit: limit)
    }

    private func wait(for key: AdvisoryKey, _ mode: Mode, _ scope: CheckedOutSession.Scope, limit: Duration?) {
        ask(key, claim(mode, scope), limit: limit, nil)
        if isBlocked, isFaulty(server.behavior.statementErrors) { plan(.seconds(1)) { [unowned self] in signal(.deadlock) } }
    }

    /// The statement fails. An unlock may have released the keys before the error, and a lock may be taken all the same.
    private func strike(_ own: SimulatedStatement.Own, _ failure: Failure) {
        switch own.statement {
        case .unlock(let batch):
            finish(run(batch, failure))
        case .wait where [.cancelled, .lockTimeout].contains(failure.kind) && server.chance.happens(0.8):
            finish(SimulatedReply(failure: failure, hasSaidOutcome: true))
        case .wait(_, let mode):
            if let awaited { strike(awaited, mode, own.scope) }
            finish(SimulatedReply(failure: failure))
        case .tryLock(let key, let mode), .lock(let key, let mode):
            strike(key, mode, own.scope)
            finish(SimulatedReply(failure: failure))
        case .commit:
            // A constraint that is checked at the end ends the transaction; an error before that does not.
            if server.chance.happens(0.5) { letGo(block.end()) }
            finish(SimulatedReply(failure: failure))
        default:
            finish(SimulatedReply(failure: failure))
        }
    }

    private func strike(_ key: AdvisoryKey, _ mode: Mode, _ scope: CheckedOutSession.Scope) {
        if server.chance.happens(0.3) { _ = take(key, claim(mode, scope)) }
    }

    // MARK: Transactions

    private func runTransactional(_ statement: CheckedOutSession.Statement) -> SimulatedReply {
        switch statement {
        case .begin:
            if block.state != .none { server.observer.report("session \(id) begins a transaction within another one") }
            return begin()
        case .setSavepoint(let savepoint): return setSavepoint(savepoint.rawValue)
        case .rollBackToSavepoint(let savepoint): return rollBack(to: savepoint.rawValue)
        case .releaseSavepoint(let savepoint): return release(savepoint.rawValue)
        case .rollBack: return rollBack(chained: false)
        case .commit: return commit(chained: false)
        default: return SimulatedReply()
        }
    }

    private func begin() -> SimulatedReply {
        if block.state == .none { block.begin(server.nextBlock()) }
        return SimulatedReply(tag: "BEGIN")
    }

    private func setSavepoint(_ name: String) -> SimulatedReply {
        guard block.state == .open else { return SimulatedReply(failure: .noTransaction) }
        block.setSavepoint(name)
        return SimulatedReply(tag: "SAVEPOINT")
    }

    private func release(_ name: String) -> SimulatedReply {
        block.release(name) ? SimulatedReply(tag: "RELEASE") : SimulatedReply(failure: .noSavepoint)
    }

    private func rollBack(to name: String) -> SimulatedReply {
        guard let locks = block.rollBack(to: name) else { return SimulatedReply(failure: .noSavepoint) }
        letGo(locks)
        return SimulatedReply(tag: "ROLLBACK")
    }

    private func rollBack(chained: Bool) -> SimulatedReply {
        letGo(block.end())
        if chained { block.begin(server.nextBlock()) }
        return SimulatedReply(tag: "ROLLBACK")
    }

    private func commit(chained: Bool) -> SimulatedReply {
        guard block.state != .aborted else { return rollBack(chained: chained) }
        if let number = block.number { server.observer.didCommit(number) }
        letGo(block.end())
        if chained { block.begin(server.nextBlock()) }
        return SimulatedReply(tag: "COMMIT")
    }

    private func run(_ body: SimulatedBody, _ scope: CheckedOutSession.Scope) {
        settings.isTouched = true
        if case .wait(let key, let mode, let limit) = body { return wait(for: key, mode, scope, limit: limit) }
        var reply =
            switch body {
            case .work, .wait: SimulatedReply()
            case .tryLock(let key, let mode): tryLock(key, mode, scope)
            case .mistake: SimulatedReply(failure: .mistake)
            case .refused(let failure): SimulatedReply(failure: failure)
            case .savepoint(let name): setSavepoint(name)
            case .releaseSavepoint(let name): release(name)
            case .rollBackToSavepoint(let name): rollBack(to: name)
            case .begin: begin()
            case .commit(let isChained): commit(chained: isChained)
            case .rollBack(let isChained): rollBack(chained: isChained)
            case .setDeferrable(let isOn): set(deferrable: isOn)
            }
        if reply.failure == nil, reply.tag == nil { reply.tag = body.tag }
        finish(reply)
    }

    private func tryLock(_ key: AdvisoryKey, _ mode: Mode, _ scope: CheckedOutSession.Scope) -> SimulatedReply {
        server.isFull(for: key) ? SimulatedReply(failure: .full) : SimulatedReply(rows: [take(key, claim(mode, scope))])
    }

    // MARK: Settings

    private func runSetting(_ statement: CheckedOutSession.Statement) -> SimulatedReply {
        switch statement {
        case .roleSettings:
            settings.isOfRole = true
            settings.isTouched = true
            _ = set(deferrable: server.behavior.roleDefers)
        case .setDeferrable(let value): settings.defers = value == "on"
        case .showDeferrable: return SimulatedReply(text: settings.defers ? "on" : "off")
        case .doNotDefer: settings.defers = false
        case .reset(let isThorough, let mayDefer): return reset(isThorough: isThorough, mayDefer: mayDefer)
        default: break
        }
        return SimulatedReply()
    }

    private func set(deferrable isOn: Bool) -> SimulatedReply {
        settings.defers = isOn
        settings.bodyDefers = isOn
        return SimulatedReply()
    }

    private func reset(isThorough: Bool, mayDefer: Bool) -> SimulatedReply {
        guard block.state == .none else { return SimulatedReply(failure: .inTransaction) }
        if isThorough, settings.defers, !mayDefer { server.observer.report("session \(id) is reset, which waits for others' transactions") }
        giveAll()
        if isThorough { settings = SimulatedSettings() }
        return SimulatedReply()
    }

}

extension SimulatedStatement.Own {
    /// Whether a failed transaction runs it all the same.
    fileprivate var endsFailure: Bool {
        switch statement {
        case .rollBackToSavepoint, .rollBack, .commit: true
        case .body: body?.endsFailure == true
        default: false
        }
    }
}
