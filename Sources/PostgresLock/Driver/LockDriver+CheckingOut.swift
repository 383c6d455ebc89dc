import LibPQ
import LockCore

// What transactions and sessions have in common: a connection that is lent to them, on which one statement runs after
// the other.
extension LockDriver {
    /// Lends a connection, waiting for it if need be.
    ///
    /// - Parameters:
    ///   - isTry: Does not wait for others to give one back, only for the server, up to the limit.
    ///   - patience: How long a key's turn is kept meanwhile, if others of the process want it.
    /// - Returns: `nil` if the turn is to be given back, and all to be tried anew.
    func lend(
        to scope: CheckedOutSession.Scope,
        lease: LeaseState?,
        limit: WaitLimit,
        isTry: Bool,
        patience: Duration = .seconds(1)
    ) async throws -> LentConnection? {
        let keys = lease.map { [$0.key] } ?? []
        let outcome = await callFromInside { engine, id, now in
            let turn = isTry ? nil : lease.map { (id: $0.id, until: now.advanced(by: patience)) }
            engine.lend(id, deadline: limit.deadline, isTry: isTry, turn: turn, now: now)
        }
        switch outcome {
        case .lent(let connection):
            // It can be lost again before this task comes to run.
            if let loss = lostLoans.removeValue(forKey: connection) { throw LockError(loss, keys: keys, place: place) }
            guard let facts = sessions[connection] else { throw LockError(.gone, keys: keys, place: place) }
            let first = lease.map { ($0.key.advisory, $0.mode.core) }
            let session = CheckedOutSession(scope, first: first, configuration.checkedOut(for: scope, facts))
            let state = LentConnection(id: connection, session, lease: lease)
            lent[connection] = state
            state.ending.proof = proofs[connection]
            return state
        case .ended(.yielded):
            return nil
        case .refused:
            throw LockError(
                .poolExhausted,
                """
                Other tasks have all the connections to \(place) that there may be for a \(scope.rawValue), and a timeout \
                of zero does not wait. Hold them for shorter, or raise pool.maximumConnections.
                """,
                keys: keys
            )
        case .ended(.timedOut(nil)):
            throw LockError(
                .poolExhausted,
                """
                Waited \(limit.duration ?? .zero) for a connection to \(place) for a \(scope.rawValue): other tasks have all \
                that there may be. Hold them for shorter, or raise pool.maximumConnections.
                """,
                keys: keys
            )
        default:
            throw error(for: outcome, keys: keys, limit: limit.duration, isNested: limit.isDefault)
        }
    }

    /// The scope has ended. A connection that is not as good as new is closed, which makes the server clean up.
    func takeBack(_ state: LentConnection) {
        _ = state.ending.beginRelease()
        state.closeLine()
        guard lent.removeValue(forKey: state.id) != nil else { return }
        drive { $0.giveBack(state.id, isClean: state.session.isClean, now: $1) }
    }

    /// The connection of a loan that has not ended.
    func borrowed(_ loan: Loan) throws -> LentConnection {
        // One in doubt goes on: its transaction has failed, and is still to be rolled back.
        if !loan.ending.isOpen, let loss = loan.ending.loss { throw loss }
        guard loan.ending.isOpen, let state = lent[loan.connection], state.ending === loan.ending else {
            throw ended(loan.scope)
        }
        return state
    }

    // MARK: One after the other

    /// Waits until nothing else runs on the connection. Whoever comes back from it must end the turn.
    func beginTurn(
        on loan: Loan,
        keys: [LockKey] = [],
        limit: WaitLimit = .none,
        isCancellable: Bool = true
    ) async throws -> LentConnection {
        let state = try borrowed(loan)
        guard !isCancellable || !Task.isCancelled else { throw CancellationError() }
        switch await turn(on: loan, until: limit.deadline, isCancellable: isCancellable) {
        case .begun:
            break
        case .over(let cause):
            guard case .timedOut = cause else { throw CancellationError() }
            throw LockError(
                .noAnswer,
                """
                Waited \(limit.duration ?? .zero) for the \(loan.scope.rawValue), which runs one statement at a time, and another task's \
                has not ended. The server was not asked for \(keys.described). Use a \(loan.scope.rawValue) per task, or give it more time.
                """,
                keys: keys
            )
        case .closed:
            _ = try borrowed(loan)
            guard !state.session.isAtEnd else { throw ended(loan.scope) }
            throw LockError(.connectionLost, "The connection of the \(loan.scope.rawValue) is gone.", keys: keys)
        }
        do {
            if isCancellable { try Task.checkCancellation() }
            return try borrowed(loan)
        } catch {
            state.endTurn()
            throw error
        }
    }

    private func turn(on loan: Loan, until deadline: Instant?, isCancellable: Bool) async -> LentConnection.Turn {
        let place = makePlaceInLine()
        let connection = loan.connection
        // A deadline here is rare: somebody else must be waiting on the same connection. So it has no place in the engine.
        let alarm = deadline.map { deadline in
            Task {
                try await Task.sleep(for: now.duration(to: deadline))
                lent[connection]?.leaveLine(place, .timedOut(.unanswered))
            }
        }
        defer { alarm?.cancel() }
        guard isCancellable else { return await withCheckedContinuation { lineUp(place, on: loan, until: deadline, $0) } }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard !Task.isCancelled else { return continuation.resume(returning: .over(.cancelled)) }
                lineUp(place, on: loan, until: deadline, continuation)
            }
        } onCancel: {
            loop.submit { [weak self] in
                self?.assumeIsolated { $0.lent[connection]?.leaveLine(place, .cancelled) }
            }
        }
    }

    private func lineUp(
        _ place: Int,
        on loan: Loan,
        until deadline: Instant?,
        _ continuation: CheckedContinuation<LentConnection.Turn, Never>
    ) {
        if let state = try? borrowed(loan) {
            state.lineUp(place, continuation)
            // The alarm may have found nobody in the line.
            if let deadline, deadline <= now { state.leaveLine(place, .timedOut(.unanswered)) }
        } else {
            continuation.resume(returning: .closed)
        }
    }

    /// Waits for what runs on a connection whose scope is at its end.
    func lastTurn(on state: LentConnection) async {
        _ = await withCheckedContinuation { continuation in
            if state.session.loss == nil {
                state.lineUp(makePlaceInLine(), continuation)
            } else {
                continuation.resume(returning: LentConnection.Turn.closed)
            }
        }
    }

    // MARK: Loss

    /// The connection is gone, and all that was held on it.
    func lose(_ state: LentConnection, _ failure: Failure) {
        state.session.noteLost(failure)
        if let lease = state.lease { engine.transactionReleased(lease.id, now: now) }
        let keys = state.heldKeys
        let inner = keys.flatMap { key in state.leases(on: key).map { (lease: $0.state, error: lossError(failure, key: key)) } }
        let loss: LockError
        if keys.count == 1 {
            loss = lossError(failure, key: keys[0])
        } else if keys.isEmpty {
            loss = LockError(
                failure.kind == .shutDown ? failure : Failure(.connectionLost, failure.cause, sqlState: failure.sqlState),
                keys: [],
                place: place
            )
        } else {
            loss = LockError(
                .lockLost,
                """
                The locks \(keys.listed) in \(place) were lost together, because their session ended: \(failure.message.sentence) Others \
                may hold them now: stop, and check what was done.
                """,
                sqlState: failure.sqlState,
                keys: keys
            )
        }
        // The scope's own first, so that its body is cancelled before those inside it wake up to the loss.
        LeaseState.end([(state.ending, loss)] + inner)
        state.closeLine()
    }
}
