import LibPQ

/// Cancels a statement at the server when its task is cancelled.
final class StatementCancellation: Sendable {
    private struct State {
        var sending: Task<Void, Never>?
        var isOver = false
    }

    private let state = Locked(State())
    private let send: (@Sendable () async -> Void)?

    /// - Parameter send: Sends a cancel request, and returns when the server has got it; `nil` if the driver can't.
    init(_ send: (@Sendable () async -> Void)?) {
        self.send = send
    }

    /// Sends cancel requests until the statement has ended. A request that the server gets before the statement has no effect.
    ///
    /// A cancel does no harm while the statement waits for the lock. So the first request is sent after a pause, and the pauses grow to
    /// give the server time to clear up.
    func begin() {
        guard let send else { return }
        state.withLock { state in
            guard !state.isOver, state.sending == nil else { return }
            state.sending = Task.detached { [self] in
                var pause = Duration.milliseconds(5)
                while true {
                    // Cancelled when the statement has ended.
                    try? await Task.sleep(for: pause)
                    guard !self.state.withLock({ $0.isOver }) else { return }
                    // Not cancelled with this task: it has to return when the server has got the request, and not before.
                    await Task.detached { await send() }.value
                    pause = min(max(pause * 2, .milliseconds(500)), .seconds(30))
                }
            }
        }
    }

    /// The statement has ended. Returns when no request is under way that could cancel the next one.
    ///
    /// - Parameter limit: The longest wait for a request that does not return. A server that can't be reached cancels nothing.
    func end(atMost limit: Duration) async {
        let sending = state.withLock { state in
            state.isOver = true
            return state.sending
        }
        guard let sending else { return }
        sending.cancel()
        let (ending, end) = AsyncStream<Void>.makeStream()
        let limiting = Task.detached {
            try await Task.sleep(for: limit)
            end.finish()
        }
        Task.detached {
            await sending.value
            end.finish()
        }
        // In a task of its own, since the caller's is cancelled.
        await Task.detached { for await _ in ending {} }.value
        limiting.cancel()
    }
}
