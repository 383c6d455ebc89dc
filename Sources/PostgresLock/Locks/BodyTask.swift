import LibPQ

/// Cancels the task that runs a body, from the body's first statement on.
///
/// The task begins on its caller's thread, and the caller has no handle of it before the body suspends. So the task says itself when it begins and
/// ends, and is cancelled through `UnsafeCurrentTask` in between. Its end waits for a cancellation that is under way, so the task lives as long as
/// that needs it.
final class BodyTask: Sendable {
    /// Unchecked, because the task is only used while it is known to run.
    private struct State: @unchecked Sendable {
        /// While it runs.
        var task: UnsafeCurrentTask?
        var isCancelRequested = false
        var hasEnded = false
        /// How many threads use the task.
        var users = 0
        /// Resumes the task's end when no thread uses it any more.
        var end: UnsafeContinuation<Void, Never>?
    }

    private static let mutexes = MutexStripes()
    /// Touched under the mutex only.
    @exclusivity(unchecked) private nonisolated(unsafe) var state = State()

    private func withState<Result>(_ body: (inout State) -> Result) -> Result { Self.mutexes.withLock(of: self) { body(&state) } }

    /// Cancels the task, once; if it has not begun, when it begins. Runs the body's cancellation handlers, which are users' code.
    func cancel() {
        let isFirst = withState { state in
            defer { state.isCancelRequested = true }
            return !state.isCancelRequested
        }
        if isFirst { use { $0.cancel() } }
    }

    /// Whether it is cancelled, or will be as soon as it begins, or has ended.
    var isCancelled: Bool { use { $0.isCancelled } ?? withState { $0.isCancelRequested || $0.hasEnded } }

    /// The current task is the one, until ``end()``. (There is no method that runs the body between the two, since that would be one more
    /// frame of each body's stack.)
    func begin() {
        withUnsafeCurrentTask { task in
            let current = State(task: task)
            let mustCancel = withState { state in
                state.task = current.task
                return state.isCancelRequested
            }
            if mustCancel { task?.cancel() }
        }
    }

    /// The body has ended.
    ///
    /// - Returns: Whether ``waitUntilUnused()`` is to be called.
    func end() -> Bool {
        withState { state in
            (state.task, state.hasEnded) = (nil, true)
            return state.users > 0
        }
    }

    nonisolated(nonsending) func waitUntilUnused() async {
        await withUnsafeContinuation { continuation in
            let isUsed = withState { state in
                if state.users > 0 { state.end = continuation }
                return state.users > 0
            }
            if !isUsed { continuation.resume() }
        }
    }

    /// Runs `body` while the task can't end.
    ///
    /// - Returns: `nil` if the task does not run.
    func use<Result: Sendable>(_ body: (UnsafeCurrentTask) -> Result) -> Result? {
        let current = withState { state in
            if state.task != nil { state.users += 1 }
            return state
        }
        guard let task = current.task else { return nil }
        defer {
            let end = withState { state in
                state.users -= 1
                guard state.users == 0 else { return nil as UnsafeContinuation<Void, Never>? }
                defer { state.end = nil }
                return state.end
            }
            end?.resume()
        }
        return body(task)
    }
}
