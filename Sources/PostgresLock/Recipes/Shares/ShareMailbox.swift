import LibPQ
import LockCore

/// What a member is told while it does something else, in order.
final class ShareMailbox<Event: Sendable>: Sendable {
    private struct State {
        var events: [Event] = []
        /// Whether the reader is to go on, though there is nothing to read.
        var isAwake = false
        var reader: CheckedContinuation<Void, Never>?
    }

    private let state = Locked(State())

    func post(_ event: Event) {
        wake { $0.events.append(event) }
    }

    /// Removes and returns all that was posted.
    func take() -> [Event] {
        state.withLock { state in
            defer { state.events = [] }
            return state.events
        }
    }

    /// Waits until there is something to read, or until the time has come. May return early.
    func wait(until limit: Instant, _ clock: LockClock) async {
        let alarm =
            limit == .distantFuture
            ? nil
            : Task {
                try await clock.sleep(until: limit)
                wake { $0.isAwake = true }
            }
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if state.events.isEmpty, !state.isAwake {
                    state.reader = continuation
                    return false
                }
                state.isAwake = false
                return true
            }
            if isReady { continuation.resume() }
        }
        alarm?.cancel()
    }

    private func wake(_ change: (inout State) -> Void) {
        let reader = state.withLock { state in
            change(&state)
            defer { state.reader = nil }
            if state.reader != nil { state.isAwake = false }
            return state.reader
        }
        reader?.resume()
    }
}
