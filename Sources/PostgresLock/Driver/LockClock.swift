package import LibPQ
package import LockCore

/// The clock of a manager's deadlines, leases and timers: the system's, or one that a test sets.
package struct LockClock: Sendable {
    package static let system = LockClock()

    private let settable: (any SettableClock)?

    /// - Parameter settable: `nil` for the system's clock.
    package init(_ settable: (any SettableClock)? = nil) {
        self.settable = settable
    }

    var now: Instant { settable?.now ?? MonotonicTime.now }

    /// - Parameter handler: Called on the loop when the timer fires.
    func makeTimer(on loop: EventLoop, handler: @escaping @Sendable () -> Void) -> any DeadlineTimer {
        guard let settable else { return LoopTimer(on: loop, handler: handler) }
        return settable.makeTimer(on: loop, handler: handler)
    }

    /// - Throws: `CancellationError`, at once when the task is cancelled.
    func sleep(until instant: Instant) async throws {
        guard let settable else { return try await Task.sleep(for: now.duration(to: instant)) }
        try await settable.sleep(until: instant)
    }
}

/// A clock that stands still until it is set. All of it can be used from any thread.
package protocol SettableClock: AnyObject, Sendable {
    var now: Instant { get }

    /// - Parameter handler: Called on the loop when the timer fires.
    func makeTimer(on loop: EventLoop, handler: @escaping @Sendable () -> Void) -> any DeadlineTimer

    /// - Throws: `CancellationError`, at once when the task is cancelled.
    func sleep(until instant: Instant) async throws
}
