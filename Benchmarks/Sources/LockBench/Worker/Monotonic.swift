import Foundation

/// The clock that all processes of a machine share, and that Python reads by `time.monotonic_ns()`.
enum Monotonic {
    /// The time in nanoseconds since a fixed moment.
    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
