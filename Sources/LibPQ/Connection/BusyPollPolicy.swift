/// Decides whether the thread that has sent a statement polls for the answer.
///
/// That is faster if the answer comes within the time that a wake-up of another thread takes. If it does not, the thread was blocked in
/// vain; so after each failure more opportunities are skipped.
struct BusyPollPolicy {
    /// The longest poll. A shorter limit would make the kernel set its timer anew for each poll, which takes a fifth of the time of a pair of
    /// statements; this one lies behind the kernel's next tick.
    static let milliseconds: Int32 = 10
    /// An answer that takes longer, in nanoseconds, would have been read as soon by another thread.
    private static let worthwhile: UInt64 = 200_000

    /// Each call of this number waits without a poll. So a task that asks again and again suspends now and then, and other tasks get its
    /// thread, and its actor.
    private static let series = 128

    private var failures = 0
    private var opportunitiesToSkip = 0
    private var successes = 0
    private var watchedSince: Int?

    /// - Returns: Whether to poll.
    mutating func begin() -> Bool {
        guard opportunitiesToSkip > 0 else { return true }
        opportunitiesToSkip -= 1
        return false
    }

    /// - Parameter nanoseconds: How long the poll has taken.
    mutating func end(isAnswered: Bool, after nanoseconds: UInt64) {
        if isAnswered, nanoseconds <= Self.worthwhile {
            // Not to zero: a server that alternates between fast and slow answers would block the thread each time.
            failures /= 2
            successes += 1
            if successes.isMultiple(of: Self.series) { opportunitiesToSkip = 1 }
        } else {
            failures = min(failures + 1, 10)
            opportunitiesToSkip = 1 << failures
        }
    }

    /// Begins to look for the end of a series of polls.
    ///
    /// - Returns: Whether that had not begun.
    mutating func beginWatch() -> Bool {
        guard watchedSince == nil else { return false }
        watchedSince = successes
        return true
    }

    /// - Returns: Whether the series of polls has ended.
    mutating func endWatch() -> Bool {
        defer { watchedSince = nil }
        return watchedSince == successes
    }
}
