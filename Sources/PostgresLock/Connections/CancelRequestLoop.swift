import LibPQ

/// Ends a statement at the server, once its task is cancelled.
final class CancelRequestLoop: Sendable {
    private struct State {
        var cancelling: Task<Void, Never>?
        var isOver = false
    }

    private let state = Locked(State())
    private let cancelRequest: (@Sendable () async -> Void)?

    init(_ cancelRequest: (@Sendable () async -> Void)?) {
        self.cancelRequest = cancelRequest
    }

    /// Goes on until the statement has ended: a request is lost on a server that has not begun it.
    ///
    /// The part of the statement to which a cancel does no harm is the wait for the lock. So it begins a little later, and leaves
    /// the server more and more time to clear up before it is asked again.
    func begin() {
        guard let cancelRequest else { return }
        state.withLock { state in
            guard !state.isOver, state.cancelling == nil else { return }
            state.cancelling = Task.detached { [self] in
                var pause = Duration.milliseconds(5)
                while true {
                    // Woken up by the end.
                    try? await Task.sleep(for: pause)
                    guard !self.state.withLock({ $0.isOver }) else { return }
                    // Not cancelled with this task: it has to return when the server has got it, and not before.
                    await Task.detached { await cancelRequest() }.value
                    pause = min(max(pause * 2, .milliseconds(500)), .seconds(30))
                }
            }
        }
    }

    /// The statement has ended. Returns when no request is under way any more that could hit the next one.
    ///
    /// - Parameter limit: A server that can't be reached may be tried for minutes, and has nothing to strike.
    func end(atMost limit: Duration) async {
        let cancelling = state.withLock { state in
            state.isOver = true
            return state.cancelling
        }
        guard let cancelling else { return }
        cancelling.cancel()
        let (ending, end) = AsyncStream<Void>.makeStream()
        let limiting = Task.detached {
            try await Task.sleep(for: limit)
            end.finish()
        }
        Task.detached {
            await cancelling.value
            end.finish()
        }
        // Apart from the caller's task, which is cancelled.
        await Task.detached { for await _ in ending {} }.value
        limiting.cancel()
    }
}
