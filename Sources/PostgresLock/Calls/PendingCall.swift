import LockCore

/// A call of the engine whose outcome is waited for.
///
/// Unchecked, because it is used on the event loop only, with two exceptions: ``ask(_:)`` is called before the call gets to the loop, and
/// ``id`` may be read once the call has been answered.
class PendingCall: @unchecked Sendable {
    /// What a call asks the engine for.
    struct Event {
        let run: @Sendable (inout Engine, RequestID, Instant) -> Void
    }

    /// What gets the outcome.
    enum Completion {
        case none
        case task(UnsafeContinuation<Engine.Outcome, Never>)
        /// No task waits for the end of a release. A failure is logged.
        indirect case unawaited(LockDriver, LockState)
        /// Allocated apart, since few calls are part of a batch, and a hundred thousand may wait.
        indirect case batch(CallBatch, index: Int)

        func end(_ outcome: Engine.Outcome) {
            switch self {
            case .none: break
            case .task(let continuation): continuation.resume(returning: outcome)
            case .unawaited(let driver, let state):
                if case .failed(let failure) = outcome { driver.assumeIsolated { $0.noteReleaseFailure(state, failure) } }
            case .batch(let batch, let index): batch.end(index, outcome)
            }
        }
    }

    // No access to these lasts while other code runs, so the runtime need not check for overlaps.
    /// Given when the call begins.
    @exclusivity(unchecked) final var id = RequestID.none
    @exclusivity(unchecked) final var completion = Completion.none
    /// Whether the task was cancelled before its call had begun. Behind ``completion``, where it takes no room of its own.
    @exclusivity(unchecked) final var isCancelledEarly = false
    @exclusivity(unchecked) private final var event: Event?

    init() {}

    /// Sets what the call asks for, before it is made. The call of a lock is made twice: to acquire the lock, and to release it.
    ///
    /// - Parameter event: Run on the loop.
    func ask(_ event: @escaping @Sendable (inout Engine, RequestID, Instant) -> Void) {
        self.event = Event(run: event)
    }

    /// Lets go of the event, to save memory while the call waits.
    func takeEvent() -> Event? {
        defer { event = nil }
        return event
    }

    func end(_ outcome: Engine.Outcome) {
        let completion = completion
        self.completion = .none
        completion.end(outcome)
    }
}
