import DequeModule
import Synchronization

/// A mutex for the tasks of one process, to compare with a distributed lock.
protocol InMemoryMutex: Sendable {
    func lock() async
    func unlock() async
    /// The number of tasks that wait.
    var waitingTasks: Int { get async }
}

/// A fair mutex of a lock and a queue, as fast as a simple implementation can be. `unlock` hands it to the first task in the queue.
final class AsyncMutex: InMemoryMutex {
    private struct State {
        var isLocked = false
        var queue = Deque<UnsafeContinuation<Void, Never>>()
    }

    private let state = Mutex(State())

    func lock() async {
        await withUnsafeContinuation { continuation in
            let isMine = state.withLock { state in
                if state.isLocked {
                    state.queue.append(continuation)
                    return false
                }
                state.isLocked = true
                return true
            }
            if isMine { continuation.resume() }
        }
    }

    func unlock() {
        let next = state.withLock { state in
            let next = state.queue.popFirst()
            if next == nil { state.isLocked = false }
            return next
        }
        next?.resume()
    }

    var waitingTasks: Int { state.withLock(\.queue.count) }
}
