import LibPQ
import LockCore

/// A call of the engine that somebody waits for.
///
/// Unchecked, because everything in it is touched on the event loop only, except that the identifier may be read once the
/// call has been answered.
class PendingCall: @unchecked Sendable {
    /// Given when the call begins.
    fileprivate(set) var id = RequestID.none
    /// Whether the task was cancelled before its call had begun.
    fileprivate var isCancelledEarly = false
    fileprivate var continuation: UnsafeContinuation<Engine.Outcome, Never>?

    init() {}
}

extension LockManager {
    /// Makes a call of the engine, and waits for its outcome, from wherever the caller is.
    ///
    /// If nobody else is at work on the loop, the call is made on the spot, on the calling thread, which spares two
    /// wake-ups of other threads.
    ///
    /// - Parameters:
    ///   - call: One that has not begun, or one whose lock was granted.
    ///   - isCancellable: Whether cancelling the task ends the call.
    ///   - event: Begins the call. Run on the loop.
    nonisolated(nonsending) func call(
        _ call: PendingCall,
        isCancellable: Bool = true,
        _ event: @escaping @Sendable (inout Engine, RequestID, Instant) -> Void
    ) async -> Engine.Outcome {
        guard isCancellable else {
            return await withUnsafeContinuation { continuation in
                loop.enter { self.assumeIsolated { $0.begin(call, continuation, event) } }
            }
        }
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                loop.enter { self.assumeIsolated { $0.begin(call, continuation, event) } }
            }
        } onCancel: {
            loop.submit { self.assumeIsolated { $0.cancel(call) } }
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
            continuation?.resume(returning: .failed(engine.lastFailure))
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
        if case .changed(let isChanged) = outcome { (call as? ModeChange)?.end(isChanged) }
        if outcome != .granted { _ = calls.remove(id) }
        guard let continuation = call.continuation else {
            if !batchedCalls.isEmpty, let place = batchedCalls.removeValue(forKey: id) { place.batch.end(place.index, outcome) }
            return
        }
        call.continuation = nil
        continuation.resume(returning: outcome)
    }
}
