import LibPQ
import LockCore

// How calls of the engine begin, are cancelled, and end.
//
// The stack of a task is allocated in pieces of a kilobyte. What is on it during a wait is kept small, so that a task that waits for a lock needs
// one piece only: hence the functions that are not inlined.
extension LockDriver {
    /// What a call of a batch asks the engine for; the first number is its index.
    typealias BatchEvent = @Sendable (inout Engine, Int, RequestID, Instant) -> Void

    // MARK: From any thread

    /// How long a call waits that begins now.
    @inline(never)
    nonisolated func limit(_ timeout: Duration?, noWait: Bool) -> WaitLimit {
        WaitLimit(timeout, noWait: noWait, isNested: timeout == nil && EnclosingLock.isInside, configuration.timeouts, now: now)
    }

    /// Makes a call of the engine, and waits for its outcome.
    ///
    /// If the loop is free, the call is made at once, on the calling thread, which saves two wake-ups of other threads. Cancelling the task
    /// ends the call.
    ///
    /// - Parameter call: Its ``PendingCall/ask(_:)`` has been called.
    nonisolated(nonsending) func outcome(of call: PendingCall) async -> Engine.Outcome {
        #if ServiceLifecycleSupport
            waitStop?.follow { self.loop.submit { self.assumeIsolated { $0.cancel(call) } } }
        #endif
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { enter(call, $0) }
        } onCancel: {
            loop.submit { self.assumeIsolated { $0.cancel(call) } }
        }
    }

    /// The same for a call that is not ended by cancellation.
    nonisolated(nonsending) func finalOutcome(of call: PendingCall) async -> Engine.Outcome {
        await withUnsafeContinuation { enter(call, $0) }
    }

    @inline(never)
    private nonisolated func enter(_ call: PendingCall, _ continuation: UnsafeContinuation<Engine.Outcome, Never>) {
        guard loop.tryEnter() else { return loop.enter { Self.beginOnLoop(self, (call, continuation)) } }
        Self.beginOnLoop(self, (call, continuation))
        loop.leave(self)
    }

    private static let beginOnLoop = onLoop { (driver, call: (PendingCall, UnsafeContinuation<Engine.Outcome, Never>)) in
        guard let event = call.0.takeEvent() else { preconditionFailure("The call does not say what it asks for.") }
        driver.begin(call.0, .task(call.1), event.run)
    }

    /// Makes calls of the engine together, and waits for the outcomes of all.
    ///
    /// - Parameters:
    ///   - calls: At least one.
    ///   - isCancellable: Whether cancelling the task ends those calls that can be ended.
    ///   - event: Begins a call. Run on the loop.
    nonisolated(nonsending) func outcomes(
        of calls: [PendingCall],
        isCancellable: Bool = true,
        _ event: @escaping BatchEvent
    ) async -> [Engine.Outcome] {
        let batch = CallBatch(calls)
        guard isCancellable else { return await withUnsafeContinuation { enter(batch, $0, event) } }
        #if ServiceLifecycleSupport
            waitStop?.follow { self.loop.submit { self.assumeIsolated { $0.cancel(batch) } } }
        #endif
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { enter(batch, $0, event) }
        } onCancel: {
            loop.submit { self.assumeIsolated { $0.cancel(batch) } }
        }
    }

    private nonisolated func enter(
        _ batch: CallBatch,
        _ continuation: UnsafeContinuation<[Engine.Outcome], Never>,
        _ event: @escaping BatchEvent
    ) {
        loop.enter {
            self.assumeIsolated { driver in
                batch.begin(continuation)
                for (index, call) in batch.calls.enumerated() {
                    driver.begin(call, .batch(batch, index: index)) { event(&$0, index, $1, $2) }
                }
                // After all have begun, since there may be releases among them, which are not cancelled.
                if batch.isCancelledEarly { driver.cancel(batch) }
            }
        }
    }

    // MARK: On the loop

    /// Makes a call of the engine at once, and waits for its outcome.
    func callOnLoop(
        _ call: PendingCall = PendingCall(),
        isCancellable: Bool = true,
        _ event: @Sendable (inout Engine, RequestID, Instant) -> Void
    ) async -> Engine.Outcome {
        guard isCancellable else {
            return await withUnsafeContinuation { begin(call, .task($0), event) }
        }
        #if ServiceLifecycleSupport
            waitStop?.follow { [loop] in loop.submit { self.assumeIsolated { $0.cancel(call) } } }
        #endif
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { begin(call, .task($0), event) }
        } onCancel: {
            loop.submit { self.assumeIsolated { $0.cancel(call) } }
        }
    }

    func begin(
        _ call: PendingCall,
        _ completion: PendingCall.Completion = .none,
        _ event: (inout Engine, RequestID, Instant) -> Void
    ) {
        guard !call.isCancelledEarly else { return completion.end(.ended(.cancelled)) }
        let isRelease = call.id != .none
        if !isRelease {
            call.id = calls.insert(call)
        } else if calls[call.id] !== call {
            // The lock was lost just when its release began.
            return completion.end(.failed(.gone))
        }
        call.completion = completion
        let id = call.id
        guard isRelease, reports != nil else { return drive { event(&$0, id, $1) } }
        // What is granted by the release itself is handed off.
        reports?.handoffAt = MonotonicTime.now
        drive { event(&$0, id, $1) }
        reports?.handoffAt = nil
    }

    func cancel(_ call: PendingCall) {
        guard call.id != .none else {
            call.isCancelledEarly = true
            return
        }
        let id = call.id
        drive { $0.cancel(id, now: $1) }
    }

    private func cancel(_ batch: CallBatch) {
        for call in batch.cancel() { cancel(call) }
    }

    /// Passes the outcome of a call on. A call that was granted a lock stays in the table, as that lock.
    func resolve(_ id: RequestID, _ outcome: Engine.Outcome) {
        guard let call = calls[id] else { return }
        switch outcome {
        case .granted:
            guard let lock = call as? LockState else { break }
            lock.grantedAt = eventTime
            if !validities.isEmpty, let session = engine.session(of: id) { lock.validity = validity(of: session) }
            if let at = reports?.handoffAt { lock.observed?.noteHandoff(at: at) }
        case .changed(let isChanged):
            (call as? ModeChange)?.end(isChanged)
            calls.remove(call)
        case .failed(let failure):
            if let lock = call as? LockState, !lock.isOpen, failure.kind != .shutDown { counts.releaseFailures += 1 }
            calls.remove(call)
        case .refused, .released, .checkedOut, .settled, .ended:
            calls.remove(call)
        }
        call.end(outcome)
    }

    /// Most locks are granted by the session that has granted the one before: so the dictionary is seldom read.
    private func validity(of session: ConnectionID) -> SessionValidity? {
        if let (latest, validity) = latestValidity, latest == session { return validity }
        let validity = validities[session]
        latestValidity = validity.map { (session, $0) }
        return validity
    }
}
