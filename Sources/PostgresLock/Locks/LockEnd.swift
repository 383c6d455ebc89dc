import LibPQ

extension [LockState] {
    /// Why the first of the lost locks was lost; `nil` if none was.
    var loss: LockError? { lazy.compactMap(\.loss).first }

    /// Waits until one of the locks is lost or released, or the task is cancelled.
    ///
    /// - Returns: Why the first of the lost locks was lost; `nil` if none was, or if there are no locks.
    func waitForEnd() async -> LockError? {
        guard !isEmpty else { return nil }
        let end = Signal()
        let observers = map { ($0, $0.observe(.end { end.send() })) }
        await withTaskCancellationHandler {
            await end.wait()
        } onCancel: {
            end.send()
        }
        for (state, number) in observers { state.forget(number) }
        // Not what has sent the signal: the loss of one lock cancels the body, and thereby a wait for the end of another.
        return loss
    }
}

extension [LockState] {
    /// Waits until the release of one of the locks is asked for, one of them ends, or the task is cancelled.
    ///
    /// - Returns: Whether a release is asked for.
    func waitForReleaseRequest() async -> Bool {
        let signal = Signal()
        let observers = map { ($0, $0.observe(.request(replacesCancellation: false) { signal.send() })) }
        if !isEmpty {
            await withTaskCancellationHandler {
                await signal.wait()
            } onCancel: {
                signal.send()
            }
        }
        for (state, number) in observers { state.forget(number) }
        return contains { $0.releaseRequest != nil }
    }
}

/// Resumes one task, once.
private final class Signal: Sendable {
    private enum State {
        case idle
        case waiting(CheckedContinuation<Void, Never>)
        case sent
    }

    private let state = Locked(State.idle)

    func send() {
        let waiting = state.withLock { state in
            defer { state = .sent }
            return state
        }
        if case .waiting(let continuation) = waiting { continuation.resume() }
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isSent = state.withLock { state in
                if case .sent = state { return true }
                state = .waiting(continuation)
                return false
            }
            if isSent { continuation.resume() }
        }
    }
}
