import LibPQ
import LockCore

/// A call of the engine that somebody waits for.
///
/// Unchecked, because everything in it is touched on the event loop only, except that what it asks for is set before it gets
/// there, and that the identifier may be read once the call has been answered.
class PendingCall: @unchecked Sendable {
    /// What a call asks the engine for.
    struct Event {
        let run: @Sendable (inout Engine, RequestID, Instant) -> Void
    }

    /// Given when the call begins.
    fileprivate(set) var id = RequestID.none
    /// Whether the task was cancelled before its call had begun.
    fileprivate var isCancelledEarly = false
    fileprivate var continuation: UnsafeContinuation<Engine.Outcome, Never>?
    /// Let go of as soon as the call begins: a hundred thousand tasks may wait.
    private var event: Event?

    init() {}

    /// To be said before the call is made. A lock's call is made once to acquire, and once more to release.
    ///
    /// - Parameter event: Run on the loop.
    func ask(_ event: @escaping @Sendable (inout Engine, RequestID, Instant) -> Void) {
        self.event = Event(run: event)
    }

    fileprivate func takeEvent() -> Event? {
        defer { event = nil }
        return event
    }
}

// A task's memory for what it has on its stack comes in slabs of a kilobyte. What is below a wait is kept small, so that a
// task that waits for a lock makes do with the first one: hence functions of their own for all that is not waiting.
extension LockDriver {
    /// Makes a call of the engine, and waits for its outcome, from wherever the caller is.
    ///
    /// If nobody else is at work on the loop, the call is made on the spot, on the calling thread, which spares two
    /// wake-ups of other threads. Cancelling the task ends the call.
    ///
    /// - Parameter call: One that has said what it asks for.
    nonisolated(nonsending) func outcome(of call: PendingCall) async -> Engine.Outcome {
        await withTaskCancellationHandler {
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
        loop.enter {
            self.assumeIsolated { driver in
                guard let event = call.takeEvent() else { preconditionFailure("The call has not said what it asks for.") }
                driver.begin(call, continuation, event.run)
            }
        }
    }

    /// The same for a caller that is on the loop already, with an event that need not leave it.
    func callFromInside(
        _ call: PendingCall = PendingCall(),
        isCancellable: Bool = true,
        _ event: (inout Engine, RequestID, Instant) -> Void
    ) async -> Engine.Outcome {
        guard isCancellable else {
            return await withUnsafeContinuation { begin(call, $0, event) }
        }
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { begin(call, $0, event) }
        } onCancel: {
            loop.submit { self.assumeIsolated { $0.cancel(call) } }
        }
    }

    /// Does what a call that nobody waits for asks.
    func begin(_ call: PendingCall, _ event: (inout Engine, RequestID, Instant) -> Void) {
        begin(call, nil, event)
    }

    private func begin(
        _ call: PendingCall,
        _ continuation: UnsafeContinuation<Engine.Outcome, Never>?,
        _ event: (inout Engine, RequestID, Instant) -> Void
    ) {
        guard !call.isCancelledEarly else {
            continuation?.resume(returning: .ended(.cancelled))
            return
        }
        if call.id == .none {
            call.id = calls.insert(call)
        } else if calls[call.id] !== call {
            // The lock was lost in the moment in which its release began.
            continuation?.resume(returning: .failed(.gone))
            return
        }
        call.continuation = continuation
        let id = call.id
        drive { event(&$0, id, $1) }
    }

    func cancel(_ call: PendingCall) {
        if call.id == .none {
            call.isCancelledEarly = true
        } else {
            let id = call.id
            drive { $0.cancel(id, now: $1) }
        }
    }

    /// Passes an outcome on to who waits for it. A call that was granted a lock goes on, as that lock.
    func resolve(_ id: RequestID, _ outcome: Engine.Outcome) {
        guard let call = calls[id] else { return }
        switch outcome {
        case .granted:
            if !verifications.isEmpty, let session = engine.session(of: id) { (call as? LockState)?.verification = verifications[session] }
        case .changed(let isChanged):
            (call as? ModeChange)?.end(isChanged)
            _ = calls.remove(id)
        case .refused, .released, .checkedOut, .settled, .ended, .failed:
            _ = calls.remove(id)
        }
        guard let continuation = call.continuation else {
            if !batchedCalls.isEmpty, let member = batchedCalls.removeValue(forKey: id) { member.batch.end(member.index, outcome) }
            return
        }
        call.continuation = nil
        continuation.resume(returning: outcome)
    }
}
