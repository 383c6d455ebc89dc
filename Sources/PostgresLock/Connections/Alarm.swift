import LibPQ

/// Performs an action at a deadline, unless it is stopped before.
final class Alarm: Sendable {
    private struct State {
        var sleeping: Task<Void, any Error>?
        var deadline: ContinuousClock.Instant?
        var isStopped = false
    }

    private let state = Locked(State())
    private let action: (@Sendable () -> Void)?

    init(_ action: (@Sendable () -> Void)?) {
        self.action = action
    }

    /// Sets the deadline, unless an earlier one is set.
    func set(to delay: Duration) {
        guard let action else { return }
        let deadline = ContinuousClock.now + delay
        state.withLock { state in
            guard !state.isStopped, state.deadline.map({ deadline < $0 }) ?? true else { return }
            state.deadline = deadline
            state.sleeping?.cancel()
            state.sleeping = Task.detached { [self] in
                try await Task.sleep(until: deadline)
                if stop() { action() }
            }
        }
    }

    /// - Returns: Whether it had not been stopped before, and its action was not begun.
    @discardableResult
    func stop() -> Bool {
        state.withLock { state in
            defer { state.isStopped = true }
            state.sleeping?.cancel()
            return !state.isStopped
        }
    }
}
