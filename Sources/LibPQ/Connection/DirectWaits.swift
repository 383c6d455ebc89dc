/// Whether it pays to wait for an answer on the spot, on the thread that has asked.
///
/// It does if the answer comes within the time in which another thread could be woken up for it. If it does not, the
/// thread has been kept for nothing; so after each failure more and more chances are let pass.
struct DirectWaits {
    private static let limit = Duration.microseconds(200)

    private var failures = 0
    private var chancesToPass = 0
    private var successes = 0
    private var watchedSince: Int?

    /// How long to wait, if at all.
    mutating func begin() -> Duration? {
        guard chancesToPass == 0 else {
            chancesToPass -= 1
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
            chancesToPass = 1 << failures
        }
    }

    /// Returns whether nobody is watching yet for the end of a series of waits.
    mutating func beginWatch() -> Bool {
        guard watchedSince == nil else { return false }
        watchedSince = successes
        return true
    }

    /// Returns whether the series has come to its end.
    mutating func endWatch() -> Bool {
        defer { watchedSince = nil }
        return watchedSince == successes
    }
}
