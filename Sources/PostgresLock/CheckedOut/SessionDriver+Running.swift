import LibPQ
import LockCore
import Logging

// Operations one after the other, each from its first step to its end.
extension SessionDriver {
    // MARK: Access to the session

    /// Refuses after the end of the scope, and after the loss of the session.
    func requireOpen() throws {
        // After a suspicion the operations go on: the transaction has failed, and is still to be rolled back.
        if !ending.isOpen, let loss = ending.loss { throw loss }
        guard ending.isOpen, isCheckedOut else { throw hasEnded }
    }

    /// Waits until no other operation runs. The caller ends the access by ``endAccess()``.
    ///
    /// - Parameter keys: What the operation is about, for its errors.
    func beginAccess(keys: [LockKey] = [], limit: WaitLimit = .none, isCancellable: Bool = true) async throws {
        try requireOpen()
        guard !isCancellable || !Task.isCancelled else { throw CancellationError() }
        switch await access(until: limit.deadline, isCancellable: isCancellable) {
        case .granted:
            break
        case .withdrawn(let cause):
            guard case .timedOut = cause else { throw CancellationError() }
            throw LockError(
                .noAnswer,
                """
                Waited \((limit.duration ?? .zero).shown) for the \(scope.rawValue), which runs one statement at a time, and another task's has not \
                ended. The server was not asked for \(keys.described). Use a \(scope.rawValue) per task, or give it more time.
                """,
                keys: keys
            )
        case .closed:
            try requireOpen()
            guard !machine.isAtEnd else { throw hasEnded }
            throw LockError(.connectionLost, "The connection of the \(scope.rawValue) is gone.", keys: keys)
        }
        do {
            if isCancellable { try Task.checkCancellation() }
            try requireOpen()
        } catch {
            endAccess()
            throw error
        }
    }

    func endAccess() { queue.endAccess() }

    private func access(until deadline: Instant?, isCancellable: Bool) async -> AccessQueue.Outcome {
        let request = queue.makeRequest()
        // Deadlines here are rare, since another task has to use the same session; so the engine does not keep them.
        let alarm = deadline.map { deadline in
            Task {
                try await lockDriver.clock.sleep(until: deadline)
                queue.withdraw(request, .timedOut(.unanswered))
            }
        }
        defer { alarm?.cancel() }
        guard isCancellable else { return await withCheckedContinuation { submit(request, until: deadline, $0) } }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard !Task.isCancelled else { return continuation.resume(returning: .withdrawn(.cancelled)) }
                submit(request, until: deadline, continuation)
            }
        } onCancel: {
            lockDriver.loop.submit { [weak self] in
                self?.assumeIsolated { $0.queue.withdraw(request, .cancelled) }
            }
        }
    }

    private func submit(_ request: Int, until deadline: Instant?, _ continuation: CheckedContinuation<AccessQueue.Outcome, Never>) {
        guard (try? requireOpen()) != nil else { return continuation.resume(returning: .closed) }
        queue.submit(request, continuation)
        // The alarm may have come before the request.
        if let deadline, deadline <= lockDriver.now { queue.withdraw(request, .timedOut(.unanswered)) }
    }

    /// Waits until no operation runs, although the scope has ended. The caller ends the access by ``endAccess()``.
    func beginLastAccess() async {
        _ = await withCheckedContinuation { continuation in
            guard machine.loss == nil else { return continuation.resume(returning: AccessQueue.Outcome.closed) }
            queue.submit(queue.makeRequest(), continuation)
        }
    }

    // MARK: One operation

    /// Whether the server has no waits that say themselves what has ended them.
    var waitsPlainly: Bool { lockDriver.assumeIsolated { $0.transport.waitsPlainly } }

    /// Carries out one operation, until it has ended. Cancelling the task cancels what can be cancelled.
    func perform(_ begin: (inout CheckedOutSession, Instant) -> CheckedOutSession.Step) async -> CheckedOutSession.Outcome {
        await perform(body: nil, begin).outcome
    }

    /// - Parameters:
    ///   - body: What the scope's body runs itself.
    ///   - begin: Begins the operation.
    /// - Returns: How the operation has ended, and the rows of the body's statement.
    func perform(
        body: BodyStatement?,
        _ begin: (inout CheckedOutSession, Instant) -> CheckedOutSession.Step
    ) async -> (outcome: CheckedOutSession.Outcome, rows: (any StatementRows)?) {
        var rows: (any StatementRows)?
        var step = begin(&machine, lockDriver.now)
        while true {
            performEvents()
            switch step {
            case .send(let submission):
                let call = StatementsCall(submission, body)
                let outcome = await send(call)
                if submission.statements == [.body] { rows = call.result }
                step = machine.answered(call.replies, outcome, now: lockDriver.now)
            case .certify:
                step = machine.certified(certify(), now: lockDriver.now)
            case .end(let outcome):
                return (outcome, rows)
            }
        }
    }

    private func certify() -> Bool {
        lockDriver.assumeIsolated { $0.guardSession(id) }
    }

    private func send(_ call: StatementsCall) async -> Engine.Outcome {
        let submission = call.submission
        if submission.isCancellable { running = call }
        defer { running = nil }
        return await lockDriver.callOnLoop(call, isCancellable: submission.isCancellable) { [id] engine, call, now in
            engine.beginStatement(
                call,
                on: id,
                deadline: submission.deadline,
                answerBy: submission.answerBy,
                lockWait: submission.lockWait,
                renewals: submission.renewals,
                now: now
            )
        }
    }

    // MARK: What has happened to the locks

    func performEvents() {
        while let event = machine.nextEvent() { perform(event) }
        publishModes()
    }

    private func perform(_ event: CheckedOutSession.Event) {
        switch event {
        case .granted:
            if let first { tellEngine { engine, _ in engine.transactionGranted(first.id) } }
        case .released(let keys, let isAll, let cause):
            if isAll, let first { tellEngine { $0.transactionReleased(first.id, now: $1) } }
            let keys = keys.map(name)
            guard let loss = lossError(of: keys, isAll: isAll, because: cause) else { return }
            LockState.end([(ending, loss)], isSuspicion: true)
            lockDriver.noteLosses(keys.count, .statementFailed)
        case .rolledBack:
            // By the body's own statement.
            break
        case .unguarded:
            tellEngine { [id] engine, _ in engine.unguardCheckedOut(id) }
        case .verified(let held):
            lockDriver.assumeIsolated { $0.counts.noteVerification(held: held) }
            lockDriver.logger.debug("lock statement failed", metadata: [LogKey.wasHeld: "\(held)"])
        case .waitsPlainly:
            lockDriver.assumeIsolated { $0.transport.waitsPlainly = true }
        case .givenUp(let failure):
            lockDriver.assumeIsolated { $0.giveUp(self, failure) }
        case .invariantBroken(let what):
            lockDriver.logger.logBroken(id, what)
        }
    }

    private func tellEngine(_ event: @Sendable (inout Engine, Instant) -> Void) {
        lockDriver.assumeIsolated { $0.drive(event) }
    }
}
