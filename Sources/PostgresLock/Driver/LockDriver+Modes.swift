import LibPQ
import LockCore

/// A change of a held lock's mode, as a call of its own.
final class ModeChange: PendingCall, @unchecked Sendable {
    let state: LockState
    let mode: LockMode

    init(_ state: LockState, to mode: LockMode) {
        self.state = state
        self.mode = mode
    }

    /// Run on the loop, at the moment in which others may go by the new mode.
    func end(_ isChanged: Bool) {
        if isChanged { state.mode = mode }
    }
}

extension LockDriver {
    /// Takes a held lock in the other mode, if nobody else is in the way.
    ///
    /// - Returns: Whether it is in that mode now.
    nonisolated(nonsending) func change(_ state: LockState, to mode: LockMode) async throws -> Bool {
        if let loss = state.loss { throw loss }
        let change = ModeChange(state, to: mode)
        change.ask { engine, id, now in
            // The server lets others in before its answer is here: from now on nobody may count on being alone.
            if mode == .shared { state.mode = .shared }
            engine.change(id, of: state.id, to: mode.core, now: now)
        }
        let outcome = await finalOutcome(of: change)
        // The change can have succeeded, and the lock can be lost again before this task comes to run.
        if let loss = state.loss { throw loss }
        switch outcome {
        case .changed(let isChanged):
            if isChanged, mode == .exclusive, configuration.fencingTokens { try await renewToken(of: state) }
            return isChanged
        case .failed where state.isOpen:
            throw LockError(
                .invalidArgument,
                "The mode of the lock \(state.key) is being changed by another task. Let one change end before the next.",
                keys: [state.key]
            )
        default:
            throw error(for: outcome, keys: [state.key], limit: nil)
        }
    }

    /// Those who shared the lock may have greater tokens than the one that it was granted with.
    private nonisolated(nonsending) func renewToken(of state: LockState) async throws {
        state.token = nil
        let call = PendingCall()
        call.ask { $0.requestToken($1, of: state.id, now: $2) }
        let outcome = await finalOutcome(of: call)
        if let loss = state.loss { throw loss }
        guard case .changed = outcome else { throw error(for: outcome, keys: [state.key], limit: nil) }
    }
}
