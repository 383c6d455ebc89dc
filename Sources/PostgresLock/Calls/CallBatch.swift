import LibPQ
import LockCore

/// Several calls of the engine that begin in one turn of the loop, so that they go to the server together, and that one
/// task waits for together.
///
/// Unchecked, because everything in it that changes is touched on the event loop only.
final class CallBatch: @unchecked Sendable {
    /// Where in its batch a call stands.
    struct Member {
        let batch: CallBatch
        let index: Int
    }

    let calls: [PendingCall]
    private var outcomes: [Engine.Outcome?]
    private var openCount: Int
    /// Whether the task was cancelled before the calls had begun.
    fileprivate var isCancelledEarly = false
    fileprivate var hasBegun = false
    fileprivate var continuation: UnsafeContinuation<[Engine.Outcome], Never>?

    init(_ calls: [PendingCall]) {
        self.calls = calls
        outcomes = Array(repeating: nil, count: calls.count)
        openCount = calls.count
    }

    /// The last one to end wakes the task up.
    func end(_ index: Int, _ outcome: Engine.Outcome) {
        guard outcomes[index] == nil else { return }
        outcomes[index] = outcome
        openCount -= 1
        guard openCount == 0 else { return }
        continuation?.resume(returning: outcomes.compactMap(\.self))
        continuation = nil
    }
}

extension LockDriver {
    /// What a call of a batch asks the engine for; the first number is its index.
    typealias BatchEvent = @Sendable (inout Engine, Int, RequestID, Instant) -> Void

    /// Makes calls of the engine together, and waits for the outcomes of all, from wherever the caller is.
    ///
    /// - Parameters:
    ///   - calls: At least one. See ``callFromInside(_:isCancellable:_:)``.
    ///   - isCancellable: Whether cancelling the task ends those calls that can be ended.
    ///   - event: Begins a call. Run on the loop.
    nonisolated(nonsending) func callAll(
        _ calls: [PendingCall],
        isCancellable: Bool = true,
        _ event: @escaping BatchEvent
    ) async -> [Engine.Outcome] {
        let batch = CallBatch(calls)
        guard isCancellable else {
            return await withUnsafeContinuation { continuation in
                loop.enter { self.assumeIsolated { $0.begin(batch, continuation, event) } }
            }
        }
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                loop.enter { self.assumeIsolated { $0.begin(batch, continuation, event) } }
            }
        } onCancel: {
            loop.submit { self.assumeIsolated { $0.cancel(batch) } }
        }
    }

    private func begin(
        _ batch: CallBatch,
        _ continuation: UnsafeContinuation<[Engine.Outcome], Never>,
        _ event: BatchEvent
    ) {
        batch.continuation = continuation
        batch.hasBegun = true
        for (index, call) in batch.calls.enumerated() {
            guard call.id == .none || calls[call.id] === call else {
                // The lock was lost in the moment in which its release began.
                batch.end(index, .failed(.gone))
                continue
            }
            begin(call) { engine, id, now in
                batchedCalls[id] = CallBatch.Member(batch: batch, index: index)
                event(&engine, index, id, now)
            }
        }
        // Also then all have begun, since there may be releases among them.
        if batch.isCancelledEarly { cancel(batch) }
    }

    private func cancel(_ batch: CallBatch) {
        guard batch.hasBegun else {
            batch.isCancelledEarly = true
            return
        }
        for call in batch.calls where call.id != .none {
            let id = call.id
            drive { $0.cancel(id, now: $1) }
        }
    }
}
