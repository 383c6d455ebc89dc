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
    func checkOut(
        to scope: CheckedOutSession.Scope,
        lease: LockState?,
        limit: WaitLimit,
        noWait: Bool,
        timeout: Duration = .seconds(1)
    ) async throws -> CheckedOutConnection? {
        let keys = lease.map { [$0.key] } ?? []
        let outcome = await callFromInside { engine, id, now in
            let turn = noWait ? nil : lease.map { (id: $0.id, until: now.advanced(by: timeout)) }
            engine.checkOut(id, deadline: limit.deadline, noWait: noWait, turn: turn, now: now)
        }
        switch outcome {
        case .checkedOut(let connection):
            // It can be lost again before this task comes to run.
            if let loss = lostAccesses.removeValue(forKey: connection) { throw LockError(loss, keys: keys, databaseName: databaseName) }
            guard let facts = sessions[connection] else { throw LockError(.gone, keys: keys, databaseName: databaseName) }
            let first = lease.map { ($0.key.advisory, $0.mode.core) }
            let session = CheckedOutSession(scope, first: first, configuration.checkedOut(for: scope, facts))
            let state = CheckedOutConnection(id: connection, session, lease: lease)
            checkedOut[connection] = state
            state.ending.verification = verifications[connection]
            return state
        case .ended(.yielded):
            return nil
        case .refused:
            throw LockError(
                .poolExhausted,
                """
                Other tasks have all the connections to \(databaseName) that there may be for a \(scope.rawValue), and a timeout \
                of zero does not wait. Hold them for shorter, or raise pool.maximumConnections.
                """,
                keys: keys
            )
        case .ended(.timedOut(nil)):
            throw LockError(
                .poolExhausted,
                """
                Waited \(limit.duration ?? .zero) for a connection to \(databaseName) for a \(scope.rawValue): other tasks have all \
                that there may be. Hold them for shorter, or raise pool.maximumConnections.
                """,
                keys: keys
            )
        default:
            throw error(for: outcome, keys: keys, limit: limit.duration, isNested: limit.isDefault)
        }
    }

    /// The scope has ended. A connection that is not as good as new is closed, which makes the server clean up.
    func takeBack(_ state: CheckedOutConnection) {
        _ = state.ending.beginRelease()
        state.closeQueue()
        guard checkedOut.removeValue(forKey: state.id) != nil else { return }
        drive { $0.giveBack(state.id, isClean: state.session.isClean, now: $1) }
    }

    /// The connection of a loan that has not ended.
    func borrowed(_ access: SessionAccess) throws -> CheckedOutConnection {
        // One in doubt goes on: its transaction has failed, and is still to be rolled back.
        if !access.ending.isOpen, let loss = access.ending.loss { throw loss }
        guard access.ending.isOpen, let state = checkedOut[access.connection], state.ending === access.ending else {
            throw ended(access.scope)
        }
        return state
    }

    // MARK: One after the other

    /// Waits until nothing else runs on the connection. Whoever comes back from it must end the turn.
    func beginTurn(
        on access: SessionAccess,
        keys: [LockKey] = [],
        limit: WaitLimit = .none,
        isCancellable: Bool = true
    ) async throws -> CheckedOutConnection {
        let state = try borrowed(access)
        guard !isCancellable || !Task.isCancelled else { throw CancellationError() }
        switch await turn(on: access, until: limit.deadline, isCancellable: isCancellable) {
        case .begun:
            break
        case .over(let cause):
            guard case .timedOut = cause else { throw CancellationError() }
            throw LockError(
                .noAnswer,
                """
                Waited \(limit.duration ?? .zero) for the \(access.scope.rawValue), which runs one statement at a time, and another task's \
                has not ended. The server was not asked for \(keys.described). Use a \(access.scope.rawValue) per task, or give it more time.
                """,
                keys: keys
            )
        case .closed:
            _ = try borrowed(access)
            guard !state.session.isAtEnd else { throw ended(access.scope) }
            throw LockError(.connectionLost, "The connection of the \(access.scope.rawValue) is gone.", keys: keys)
        }
        do {
            if isCancellable { try Task.checkCancellation() }
            return try borrowed(access)
        } catch {
            state.endTurn()
            throw error
        }
    }

    private func turn(on access: SessionAccess, until deadline: Instant?, isCancellable: Bool) async -> CheckedOutConnection.Turn {
        let databaseName = makeTicket()
        let connection = access.connection
        // A deadline here is rare: somebody else must be waiting on the same connection. So it has no place in the engine.
        let alarm = deadline.map { deadline in
            Task {
                try await Task.sleep(for: now.duration(to: deadline))
                checkedOut[connection]?.dequeue(databaseName, .timedOut(.unanswered))
            }
        }
        defer { alarm?.cancel() }
        guard isCancellable else { return await withCheckedContinuation { enqueue(databaseName, on: access, until: deadline, $0) } }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard !Task.isCancelled else { return continuation.resume(returning: .over(.cancelled)) }
                enqueue(databaseName, on: access, until: deadline, continuation)
            }
        } onCancel: {
            loop.submit { [weak self] in
                self?.assumeIsolated { $0.checkedOut[connection]?.dequeue(databaseName, .cancelled) }
            }
        }
    }

    private func enqueue(
        _ databaseName: Int,
        on access: SessionAccess,
        until deadline: Instant?,
        _ continuation: CheckedContinuation<CheckedOutConnection.Turn, Never>
    ) {
        if let state = try? borrowed(access) {
            state.enqueue(databaseName, continuation)
            // The alarm may have found nobody in the line.
            if let deadline, deadline <= now { state.dequeue(databaseName, .timedOut(.unanswered)) }
        } else {
            continuation.resume(returning: .closed)
        }
    }

    /// Waits for what runs on a connection whose scope is at its end.
    func lastTurn(on state: CheckedOutConnection) async {
        _ = await withCheckedContinuation { continuation in
            if state.session.loss == nil {
                state.enqueue(makeTicket(), continuation)
            } else {
                continuation.resume(returning: CheckedOutConnection.Turn.closed)
            }
        }
    }

    // MARK: Loss

    /// The connection is gone, and all that was held on it.
    func lose(_ state: CheckedOutConnection, _ failure: Failure) {
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
                databaseName: databaseName
            )
        } else {
            loss = LockError(
                .lockLost,
                """
                The locks \(keys.listed) in \(databaseName) were lost together, because their session ended: \(failure.message.sentence) Others \
                may hold them now: stop, and check what was done.
                """,
                sqlState: failure.sqlState,
                keys: keys
            )
        }
        // The scope's own first, so that its body is cancelled before those inside it wake up to the loss.
        LockState.end([(state.ending, loss)] + inner)
        state.closeQueue()
    }
}
