import LibPQ
import LockCore
import Logging

// What transactions and sessions have in common: a connection that is lent to them, on which one statement runs after
// the other.
extension LockManager {
    /// Lends a connection, waiting for it if need be.
    ///
    /// - Parameters:
    ///   - isTry: Does not wait for others to give one back, only for the server, up to the limit.
    ///   - patience: How long a key's turn is kept meanwhile, if others of the process want it.
    /// - Returns: `nil` if the turn is to be given back, and all to be tried anew.
    func lend(
        to borrower: Loan.Borrower,
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
            guard connections[connection] != nil else { throw LockError(.gone, keys: keys, place: place) }
            let state = LentConnection(id: connection, borrower: borrower, lease: lease)
            lent[connection] = state
            state.ending.proof = proofs[connection]
            return state
        case .ended(.yielded):
            return nil
        case .refused:
            throw LockError(
                .poolExhausted,
                """
                Other tasks have all the connections to \(place) that there may be for a \(borrower.rawValue), and a timeout \
                of zero does not wait. Hold them for shorter, or raise pool.maximumConnections.
                """,
                keys: keys
            )
        case .ended(.timedOut(nil)):
            throw LockError(
                .poolExhausted,
                """
                Waited \(limit.duration ?? .zero) for a connection to \(place) for a \(borrower.rawValue): other tasks have all \
                that there may be. Hold them for shorter, or raise pool.maximumConnections.
                """,
                keys: keys
            )
        default:
            throw error(for: outcome, keys: keys, limit: limit.duration, isNested: limit.isDefault)
        }
    }

    /// - Parameter isClean: Whether the connection is as good as new. If not, it is closed, which makes the server clean up.
    func takeBack(_ state: LentConnection, isClean: Bool) {
        _ = state.ending.beginRelease()
        state.closeLine()
        guard lent.removeValue(forKey: state.id) != nil else { return }
        // The reset has taken them.
        if state.hasRunSQL { connections[state.id]?.forgetPrepared() }
        drive { $0.giveBack(state.id, isClean: isClean, now: $1) }
    }

    /// The connection of a loan that has not ended.
    func borrowed(_ loan: Loan) throws -> LentConnection {
        // One in doubt goes on: its transaction has failed, and is still to be rolled back.
        if !loan.ending.isOpen, let loss = loan.ending.loss { throw loss }
        guard loan.ending.isOpen, let state = lent[loan.connection], state.ending === loan.ending else {
            throw ended(loan.borrower)
        }
        return state
    }

    /// Refuses what a task that outlives the scope's body is about to send. Nothing could end it: what runs at the scope's end was
    /// cancelled before.
    func requireGoingOn(_ state: LentConnection) throws {
        guard !state.isAtEnd || state.loss != nil else { throw ended(state.borrower) }
    }

    private func ended(_ borrower: Loan.Borrower) -> LockError {
        LockError(.invalidArgument, "The \(borrower.rawValue) has ended. Use it only inside the body that it was made for.")
    }

    // MARK: Locks

    /// Whoever has just got a lock on a lent connection, maybe after a long wait, may count on it only if the session lives for
    /// certain. From then on the lock is looked after.
    func guardLocks(on state: LentConnection, keys: [LockKey]) async throws {
        guard configuration.sessionLease != nil else { return }
        for isLastTry in [false, true] {
            var isCertain = false
            drive { isCertain = $0.guardLent(state.id, now: $1) }
            if isCertain { return }
            guard !isLastTry, lent[state.id] === state else { break }
            if let loss = await settle([LockStatements.command("SELECT")], on: state).loss {
                throw LockError(loss, keys: keys, place: place)
            }
        }
        let failure = state.loss ?? Engine.suspect
        giveUp(state, failure)
        throw LockError(failure, keys: keys, place: place)
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
                Waited \(limit.duration ?? .zero) for the \(loan.borrower.rawValue), which runs one statement at a time, and another task's \
                has not ended. The server was not asked for \(keys.described). Use a \(loan.borrower.rawValue) per task, or give it more time.
                """,
                keys: keys
            )
        case .closed:
            _ = try borrowed(loan)
            throw LockError(.connectionLost, "The connection of the \(loan.borrower.rawValue) is gone.", keys: keys)
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
            if state.loss == nil {
                state.lineUp(makePlaceInLine(), continuation)
            } else {
                continuation.resume(returning: LentConnection.Turn.closed)
            }
        }
    }

    // MARK: Statements

    /// Sends statements that may block, and waits until all are answered.
    ///
    /// - Parameters:
    ///   - keys: What they are about, for the error.
    ///   - isUndone: Whether the caller takes back what the statements do when this throws: then a cancellation or a
    ///     deadline counts also if the statements have outrun it, except for the deadline of a try that was refused.
    ///   - lockWait: The key that the last statement takes, and may wait for. Only then is it known at the deadline that the lock
    ///     was taken: the server has ended a wait for it.
    ///   - mayBlock: If not, a server that does not answer in time counts as gone.
    ///   - renewals: If the caller begins the wait anew when this throws ``WaitToBeginAnew``: how often it has done so.
    /// - Throws: The first failure among the replies, as far as there is one; `CancellationError` and timeouts if that is
    ///   what made them fail.
    func send(
        _ statements: [Statement],
        on state: LentConnection,
        limit: WaitLimit = .none,
        keys: [LockKey] = [],
        isUndone: Bool = false,
        lockWait: LockKey? = nil,
        mayBlock: Bool = true,
        renewals: Int? = nil
    ) async throws -> [Reply] {
        try requireGoingOn(state)
        let call = StatementsCall(statements, on: state)
        state.running = call
        defer { state.running = nil }
        let answerBy = mayBlock ? nil : now.advanced(by: configuration.answerLimit)
        let outcome = await callFromInside(call) { engine, id, now in
            engine.beginStatement(
                id,
                on: state.id,
                deadline: limit.deadline,
                answerBy: answerBy,
                lockWait: lockWait?.advisory,
                renewals: renewals,
                now: now
            )
        }
        guard case .settled(let cause) = outcome else {
            if let loss = state.loss { throw LockError(loss, keys: keys, place: place) }
            throw error(for: outcome, keys: keys, limit: limit.duration, isNested: limit.isDefault)
        }
        let replies = call.replies
        let failure = replies.lazy.compactMap(\.error).first
        // Which of several reasons has struck is known only here: a deadline may come while something else fails.
        if cause == .renewed {
            if failure?.sqlState == "57014" { throw WaitToBeginAnew() }
        } else if let cause, failure.map({ $0.sqlState == "57014" }) ?? (isUndone && !(state.isRefused && cause != .cancelled)) {
            let isTaken = lockWait != nil && replies.last?.error?.sqlState == "57014"
            let outcome = Engine.Outcome.settled(cause: cause == .cancelled || isTaken ? cause : .timedOut(.unanswered))
            throw error(for: outcome, keys: keys, limit: limit.duration, isNested: limit.isDefault)
        }
        if let failure { throw LockError(Failure(failure), keys: keys, place: place) }
        return replies
    }

    /// Sends statements whose outcome has to be known; nothing cancels them, but a server that does not answer in time
    /// counts as gone.
    ///
    /// - Parameters:
    ///   - further: Sent behind them. If the connection is lost before all of these are answered, none is, but those before are.
    ///   - limit: For all the answers together.
    /// - Returns: What was answered until the connection was lost, if it was.
    func settle(
        _ statements: [Statement],
        then further: [Statement] = [],
        on state: LentConnection,
        within limit: Duration? = nil
    ) async -> (replies: [Reply], loss: Failure?) {
        let answerBy = now.advanced(by: limit ?? configuration.answerLimit)
        let call = StatementsCall(statements, then: further, on: state)
        let outcome = await callFromInside(call, isCancellable: false) { engine, id, now in
            engine.beginStatement(id, on: state.id, answerBy: answerBy, now: now)
        }
        switch outcome {
        case .settled: return (call.replies, nil)
        case .failed(let failure): return (call.replies, state.loss ?? failure)
        default: return (call.replies, .init(.connectionLost, "The call ended in a way that does not fit it."))
        }
    }

    // MARK: Loss

    /// What the session really holds is not known any more. Only its end settles that.
    func giveUp(_ state: LentConnection, _ failure: Failure) {
        guard lent[state.id] === state else { return }
        lent[state.id] = nil
        logger.error(
            "the locks of a session are not what they should be; the connection is given up",
            metadata: [LogKey.connection: "\(state.id.rawValue)", LogKey.reason: "\(failure.message)"]
        )
        lose(state, failure)
        drive { $0.giveBack(state.id, isClean: false, now: $1) }
    }

    /// The connection is gone, and all that was held on it.
    func lose(_ state: LentConnection, _ failure: Failure) {
        state.loss = failure
        if let lease = state.lease { engine.transactionReleased(lease.id, now: now) }
        let keys = state.heldKeys
        let inner = state.holdings.flatMap { key, holding in
            holding.leases.map { (lease: $0.state, error: lossError(failure, key: key)) }
        }
        let loss: LockError
        if keys.count == 1 {
            loss = lossError(failure, key: keys[0])
        } else if keys.isEmpty {
            loss = LockError(
                failure.kind == .shutDown ? failure : Failure(.connectionLost, failure.message, sqlState: failure.sqlState),
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

extension LockManager {
    /// Who waits in vain while holding other locks has to know which.
    func naming(_ held: [LockKey], in error: any Error) -> any Error {
        guard let error = error as? LockError, [.deadlock, .timedOut, .noAnswer].contains(error.code), !held.isEmpty else { return error }
        return LockError(
            error.code,
            "\(error.message) Held meanwhile, and still: \(held.listed).",
            sqlState: error.sqlState,
            keys: error.keys + held,
            underlying: error.underlying
        )
    }
}

extension [LockKey] {
    var listed: String { map(\.description).joined(separator: ", ") }
}
