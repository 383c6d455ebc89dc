import LibPQ

/// Ends a statement at the server, once its task is cancelled.
final class StatementInterrupt: Sendable {
    private struct State {
        var cancelling: Task<Void, Never>?
        var isOver = false
    }

    private let state = Locked(State())
    private let canceller: (@Sendable () async -> Void)?

    init(_ canceller: (@Sendable () async -> Void)?) {
        self.canceller = canceller
    }

    /// Goes on until the statement has ended: a request is lost on a server that has not begun it.
    ///
    /// The part of the statement to which a cancel does no harm is the wait for the lock. So it begins a little later, and leaves
    /// the server more and more time to clear up before it is asked again.
    func begin() {
        guard let canceller else { return }
        state.withLock { state in
            guard !state.isOver, state.cancelling == nil else { return }
            state.cancelling = Task.detached { [self] in
                var pause = Duration.milliseconds(5)
                while true {
                    // Woken up by the end.
                    try? await Task.sleep(for: pause)
                    guard !self.state.withLock({ $0.isOver }) else { return }
                    // Not cancelled with this task: it has to return when the server has got it, and not before.
                    await Task.detached { await canceller() }.value
                    pause = min(max(pause * 2, .milliseconds(500)), .seconds(30))
                }
            }
        }
    }

    /// The statement has ended. Returns when no request is under way any more that could hit the next one.
    func end() async {
        let cancelling = state.withLock { state in
            state.isOver = true
            return state.cancelling
        }
        cancelling?.cancel()
        await cancelling?.value
    }
}
