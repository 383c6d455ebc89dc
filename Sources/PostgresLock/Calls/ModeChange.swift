/// A change of a held lock's mode, as a call of its own.
///
/// Unchecked as every call, and has nothing that changes itself.
final class ModeChange: PendingCall, @unchecked Sendable {
    let state: LockState
    let mode: LockMode

    init(_ state: LockState, to mode: LockMode) {
        self.state = state
        self.mode = mode
    }

    /// Called on the loop, when the lock is in the new mode at the server or stays in the old one.
    func end(_ isChanged: Bool) {
        if isChanged { state.mode = mode }
    }
}
