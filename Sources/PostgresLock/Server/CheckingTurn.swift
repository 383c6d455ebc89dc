import LibPQ

/// Lets one attempt to connect at a time check the server.
///
/// A check needs a second connection, so there are no more than two in all (more only where `ResetCheck` examines a pooler). An attempt that is
/// abandoned passes its turn on at once, even while its thread is stuck.
final class CheckingTurn: Sendable {
    private struct State {
        var current: ConnectAttempt?
        var waiting: [(attempt: ConnectAttempt, start: @Sendable () -> Void)] = []
    }

    private let serverChecks: ServerChecks
    private let state = Locked(State())

    init(_ serverChecks: ServerChecks) {
        self.serverChecks = serverChecks
    }

    /// Starts the attempt when no other one checks; at once if the server has been checked.
    func begin(_ attempt: ConnectAttempt, _ start: @escaping @Sendable () -> Void) {
        let isNow = state.withLock { state in
            if serverChecks.isChecked { return true }
            guard state.current == nil else {
                state.waiting.append((attempt, start))
                return false
            }
            state.current = attempt
            return true
        }
        if isNow { start() }
    }

    /// The attempt is over or abandoned.
    func end(_ attempt: ConnectAttempt) {
        let next = state.withLock { state -> [@Sendable () -> Void] in
            state.waiting.removeAll { $0.attempt === attempt }
            guard state.current === attempt else { return [] }
            state.current = nil
            if serverChecks.isChecked {
                defer { state.waiting = [] }
                return state.waiting.map(\.start)
            }
            guard !state.waiting.isEmpty else { return [] }
            let first = state.waiting.removeFirst()
            state.current = first.attempt
            return [first.start]
        }
        for start in next { start() }
    }
}
