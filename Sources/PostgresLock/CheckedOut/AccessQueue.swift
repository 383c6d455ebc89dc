import DequeModule
import LockCore

/// The operations that want to use a checked-out session: one runs at a time, in the order in which they were asked for.
struct AccessQueue {
    /// How a request for the session has ended.
    enum Outcome: Hashable, Sendable {
        /// The operation runs, and calls ``endAccess()`` at its end.
        case granted
        /// The request was withdrawn before its turn.
        case withdrawn(Engine.EndCause)
        /// The scope has ended, or the session is lost.
        case closed
    }

    private var isInUse = false
    private var waiting = Deque<(request: Int, continuation: CheckedContinuation<Outcome, Never>)>()
    private var requestCount = 0

    /// The number of a new request, by which it is withdrawn.
    mutating func makeRequest() -> Int {
        requestCount += 1
        return requestCount
    }

    mutating func submit(_ request: Int, _ continuation: CheckedContinuation<Outcome, Never>) {
        guard isInUse else {
            isInUse = true
            return continuation.resume(returning: .granted)
        }
        waiting.append((request, continuation))
    }

    /// Has no effect on a request that does not wait.
    mutating func withdraw(_ request: Int, _ cause: Engine.EndCause) {
        guard let index = waiting.firstIndex(where: { $0.request == request }) else { return }
        waiting.remove(at: index).continuation.resume(returning: .withdrawn(cause))
    }

    /// Passes the session on to the next operation.
    mutating func endAccess() {
        guard let next = waiting.popFirst() else {
            isInUse = false
            return
        }
        next.continuation.resume(returning: .granted)
    }

    /// Ends all requests that wait.
    mutating func close() {
        for (_, continuation) in waiting { continuation.resume(returning: .closed) }
        waiting = []
    }
}
