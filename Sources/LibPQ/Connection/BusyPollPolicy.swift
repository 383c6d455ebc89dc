/// Decides whether the thread that has sent a statement polls for the answer.
///
/// That is faster if the answer comes within the time that a wake-up of another thread takes. If it does not, the thread was blocked in
/// vain; so after each failure more opportunities are skipped.
struct BusyPollPolicy {
    private static let limit = Duration.microseconds(200)

    private var failures = 0
    private var opportunitiesToSkip = 0
    private var successes = 0
    private var watchedSince: Int?

    /// How long to poll; `nil` not to poll.
    mutating func begin() -> Duration? {
        guard opportunitiesToSkip == 0 else {
            opportunitiesToSkip -= 1
            return nil
        }
        return Self.limit
    }

    mutating func end(isAnswered: Bool) {
        if isAnswered {
            failures = 0
            successes += 1
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
