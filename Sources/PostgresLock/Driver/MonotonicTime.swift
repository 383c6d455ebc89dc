import LockCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Nanoseconds of a clock that only grows, also while the machine sleeps.
///
/// Read for each event and each look at a lock, so the system's clock is asked itself: it is that of `ContinuousClock`, whose instants
/// are numbers of 128 bits and cost more to convert than to read.
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
