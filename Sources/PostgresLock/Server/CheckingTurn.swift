import LibPQ

/// Lets one attempt at a time check the server, since that takes a second connection: so there are no more than two in all, but where a pooler of sessions is looked at (`ResetCheck`).
///
/// An attempt that is given up passes its turn on at once, also while its thread is stuck.
final class CheckingTurn: Sendable {
    private struct State {
        var current: ConnectAttempt?
        var line: [(attempt: ConnectAttempt, start: @Sendable () -> Void)] = []
    }

    private let serverChecks: ServerChecks
    private let state = Locked(State())

    init(_ serverChecks: ServerChecks) {
        self.serverChecks = serverChecks
    }

    /// Starts the attempt when it has its turn; at once if there is nothing left to check.
    func begin(_ attempt: ConnectAttempt, _ start: @escaping @Sendable () -> Void) {
        let isNow = state.withLock { state in
            if serverChecks.isChecked { return true }
            guard state.current == nil else {
                state.line.append((attempt, start))
                return false
            }
            state.current = attempt
            return true
        }
        if isNow { start() }
    }

    /// The attempt is over, or given up.
    func end(_ attempt: ConnectAttempt) {
        let next = state.withLock { state -> [@Sendable () -> Void] in
            state.line.removeAll { $0.attempt === attempt }
            guard state.current === attempt else { return [] }
            state.current = nil
            if serverChecks.isChecked {
                defer { state.line = [] }
                return state.line.map(\.start)
            }
            guard !state.line.isEmpty else { return [] }
            let first = state.line.removeFirst()
            state.current = first.attempt
            return [first.start]
        }
        for start in next { start() }
    }
}
