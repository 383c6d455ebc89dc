import LibPQ
import LockCore

/// Nanoseconds of a clock that only grows, also while the machine sleeps.
enum MonotonicTime {
    private static let start = ContinuousClock.now

    static var now: Instant {
        Instant(nanoseconds: start.duration(to: .now).clampedNanoseconds)
    }
}
