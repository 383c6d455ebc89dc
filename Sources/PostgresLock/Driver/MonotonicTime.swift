import LockCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The time by a clock that never goes back, and runs while the machine sleeps.
///
/// It is the clock of `ContinuousClock`. It is read for each event and by each `isHeld`, so the system call is made directly: to convert an instant
/// of `ContinuousClock`, which has 128 bits, takes longer than to read the clock.
enum MonotonicTime {
    #if canImport(Darwin)
        private static let clock = CLOCK_MONOTONIC_RAW
    #else
        private static let clock = CLOCK_BOOTTIME
    #endif

    static var now: Instant {
        var time = timespec()
        clock_gettime(clock, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
