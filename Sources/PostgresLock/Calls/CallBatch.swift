import LockCore

/// Several calls of the engine that begin in one turn of the loop, so that they go to the server together, and that one task waits for.
///
/// Unchecked, because everything in it that changes is touched on the event loop only.
final class CallBatch: @unchecked Sendable {
    let calls: [PendingCall]
    private var outcomes: [Engine.Outcome?]
    private var openCount: Int
    private var continuation: UnsafeContinuation<[Engine.Outcome], Never>?
    /// Whether the task was cancelled before the calls had begun.
    private(set) var isCancelledEarly = false
    private var hasBegun = false

    init(_ calls: [PendingCall]) {
        self.calls = calls
        outcomes = Array(repeating: nil, count: calls.count)
        openCount = calls.count
    }

    func begin(_ continuation: UnsafeContinuation<[Engine.Outcome], Never>) {
        self.continuation = continuation
        hasBegun = true
    }

    /// - Returns: The calls to be cancelled.
    func cancel() -> [PendingCall] {
        guard hasBegun else {
            isCancelledEarly = true
            return []
        }
        return calls.filter { $0.id != .none }
    }

    /// The last outcome resumes the task.
    func end(_ index: Int, _ outcome: Engine.Outcome) {
        guard outcomes[index] == nil else { return }
        outcomes[index] = outcome
        openCount -= 1
        guard openCount == 0 else { return }
        continuation?.resume(returning: outcomes.compactMap(\.self))
        continuation = nil
    }
}
