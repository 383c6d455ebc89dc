import LockCore
import Synchronization

/// Until when a session lives for certain, as `SessionLiveness` has decided; written on the event loop, read anywhere.
final class SessionValidity: Sendable {
    private let until = Atomic<Int64>(.min)
    private let clock: LockClock

    init(_ clock: LockClock) {
        self.clock = clock
    }

    func renew(_ until: Instant) {
        self.until.store(until.nanoseconds, ordering: .releasing)
    }

    /// Looks at the clock, which also runs while the machine or the process is suspended.
    var isValid: Bool {
        clock.now.nanoseconds < until.load(ordering: .acquiring)
    }
}
